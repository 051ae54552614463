import { assert, assertEquals } from "@std/assert";
import { examine, suggestions } from "../../../examples/kcptun/tunnel/doctor.ts";
import { TunnelServer } from "../../../examples/kcptun/tunnel/server.ts";
import { echo, settingsOf, Target } from "./tcp.ts";

const TIMES = { packets: 400, streams: 700 };

/** What the doctor says of a server and a client with different flags. */
async function report(server: string[], client: string[]): Promise<[number, string[]]> {
  await using target = new Target(echo);
  const args = ["-l", "127.0.0.1:0", "-t", `127.0.0.1:${target.port}`, "--key", "k", ...server];
  const running = await TunnelServer.start(settingsOf("server", args), () => {});
  const lines: string[] = [];
  try {
    const remote = `127.0.0.1:${running.addrs[0].port}`;
    const settings = settingsOf("client", ["-r", remote, "--key", "k", ...client]);
    return [await examine(settings, (line) => lines.push(line), TIMES), lines];
  } finally {
    await running.close();
  }
}

Deno.test("doctor: a server that fits", async () => {
  const [code, lines] = await report([], []);
  assertEquals(code, 0, lines.join("\n"));
  assertEquals(lines.slice(0, 4).map((line) => line[0]), ["✓", "✓", "✓", "✓"]);
  assert(lines[3].includes("1350 bytes"), lines[3]);
});

for (
  const [name, client, words] of [
    ["another key", ["--key", "x"], "--key and --crypt"],
    ["another cipher", ["--crypt", "sm4"], "--key and --crypt"],
    ["another version of smux", ["--smuxver", "1"], "Streams do not work"],
    ["no compression", ["--nocomp"], "Streams do not work"],
  ] as const
) {
  Deno.test(`doctor: ${name} is found`, async () => {
    const [code, lines] = await report([], [...client]);
    assertEquals(code, 1);
    assert(lines.join("\n").includes(words), lines.join("\n"));
    assertEquals(lines.filter((line) => line.startsWith("✗")).length, 1);
  });
}

Deno.test("doctor: no server", async () => {
  const lines: string[] = [];
  const settings = settingsOf("client", ["-r", "127.0.0.1:9", "--key", "k"]);
  assertEquals(await examine(settings, (line) => lines.push(line), TIMES), 1);
  assert(lines[0].startsWith("✗ 127.0.0.1:9 does not answer"), lines[0]);
});

Deno.test("doctor: flags that fit the path are suggested", () => {
  const settings = settingsOf("client", ["--key", "k", "--mtu", "1250"]);
  const path = { shortest: 99, middle: 100, longest: 120, lost: 0.1 };
  assertEquals(suggestions(settings, path, 1250), [
    "--rcvwnd 1024, and --sndwnd 1024 at the server: 100 Mbit/s from the server need 1000 packets " +
    "on the way, and 512 are allowed",
    "--sndwnd 1024, and --rcvwnd 1024 at the server: the same to the server, where 128 are allowed",
  ]);
  assertEquals(suggestions(settings, { ...path, middle: 1 }, 1200), [
    "--mtu 1200: larger packets do not arrive",
  ]);
  const plain = settingsOf("client", ["--key", "k", "--ds", "0"]);
  assertEquals(suggestions(plain, { ...path, middle: 1 }, 1350).length, 1);
  assertEquals(suggestions(plain, { ...path, middle: 1, lost: 0 }, 1350), []);
  const fixed = suggestions(settings, { ...path, middle: 1, lost: 0 }, 1250);
  assert(fixed[0].startsWith("--datashard auto"));
});
