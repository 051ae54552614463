/**
 * The programs of examples/kcptun as processes: the command line, signals, files, Unix sockets,
 * metrics, and curl through the proxy. kcptun is not needed.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { KcptunProgram } from "./kcptun/programs.ts";
import { freeUdpPort } from "./kcptun/tunnels.ts";
import {
  dial,
  echo,
  exchange,
  freeTcpPort,
  readExactly,
  readToEnd,
  Target,
  writeAll,
} from "../examples/kcptun/tcp.ts";

const folder = new URL("../../examples/kcptun/", import.meta.url);
const map = new URL("../std/import_map.json", import.meta.url);

/** The arguments of `deno` that run a program, and those of the program. */
function command(side: "client" | "server", args: readonly string[]): string[] {
  const file = new URL(`${side}.ts`, folder).pathname;
  return ["run", "-A", "--no-check", `--import-map=${map.pathname}`, file, ...args];
}

/** Starts a program, and waits until it listens. */
async function start(side: "client" | "server", args: readonly string[]): Promise<KcptunProgram> {
  return await KcptunProgram.run(Deno.execPath(), command(side, args), /listening on: .*\n/);
}

/** Runs a program to its end. */
async function output(side: "client" | "server", args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: command(side, args),
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** A program, or null if the system has it not. */
async function find(name: string): Promise<string | null> {
  try {
    await new Deno.Command(name, { args: ["--version"], stdout: "null" }).output();
    return name;
  } catch {
    return null;
  }
}

Deno.test("kcptun programs: help, version, completion, and settings that are wrong", async () => {
  const [help, version, script, wrong] = await Promise.all([
    output("client", ["--help"]),
    output("server", ["--version"]),
    output("server", ["--completion", "bash"]),
    output("client", ["--mtu", "7", "--conn", "x", "--key", "hidden", "--tcp"]),
  ]);
  assertEquals([help.code, version.code, script.code, wrong.code], [0, 0, 0, 2]);
  assert(help.stdout.includes("--remoteaddr"));
  assertMatch(version.stdout, /^kcptun version \d+\.\d+\.\d+ /);
  assert(script.stdout.includes("complete -F"));
  const lines = wrong.stderr.trim().split("\n");
  assertEquals(lines.length, 4, wrong.stderr);
  assert(lines[0].startsWith("kcptun-client: Cannot set --conn to "));
  assert(!wrong.stderr.includes("hidden"));
});

Deno.test("kcptun programs: signals, counters, metrics and the log file", async () => {
  const place = await Deno.makeTempDir();
  try {
    await using target = new Target(echo);
    const [udp, tcp, metrics] = [freeUdpPort(), freeTcpPort(), freeTcpPort()];
    await using server = await start("server", [
      ...["-l", `127.0.0.1:${udp}`, "-t", `127.0.0.1:${target.port}`, "--key", "k"],
    ]);
    await using client = await start("client", [
      ...["-l", `127.0.0.1:${tcp}`, "-r", `127.0.0.1:${udp}`, "--key", "k"],
      ...["--snmplog", `${place}/snmp-2006.csv`, "--snmpperiod", "1"],
      ...["--metrics", `127.0.0.1:${metrics}`],
    ]);
    await exchange(tcp, 1, 200_000);

    client.kill("SIGUSR1");
    await client.waitFor(/KCP SNMP:&\{BytesSent:[1-9]\d* BytesReceived:[1-9]\d* MaxConn:1 /);

    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    assertMatch(text, /^kcp_sent_packets_total [1-9]\d*$/m);
    assertMatch(text, /^tunnel_upstream_bytes_total 200000$/m);
    assertMatch(text, /^tunnel_connections_total 1$/m);

    const file = `${place}/snmp-${new Date().getFullYear()}.csv`;
    let rows: string[] = [];
    for (let i = 0; rows.length < 4 && i < 100; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      rows = (await Deno.readTextFile(file).catch(() => "")).split("\n");
    }
    assertMatch(rows[0], /^Unix,BytesSent,BytesReceived,.*,OOBPackets$/);
    for (const row of rows.slice(1, 3)) assertMatch(row, /^\d{10}(?:,\d+){30}$/);

    // An open connection ends with the client, and the server learns it at once.
    using conn = await dial(tcp);
    await writeAll(conn, new Uint8Array(5));
    await readExactly(conn, 5);
    const began = Date.now();
    client.kill("SIGTERM");
    const { code } = await client.status;
    assertEquals(code, 0);
    assert(Date.now() - began < 5000, `it took ${Date.now() - began} ms`);
    await server.waitFor(/session closed/, 2000);
    assertEquals(await readToEnd(conn).catch(() => new Uint8Array()), new Uint8Array());
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});

Deno.test({
  name: "kcptun programs: Unix sockets at both ends, and settings from files",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const place = await Deno.makeTempDir();
    try {
      const [near, far] = [`${place}/near.sock`, `${place}/far.sock`];
      const listener = Deno.listen({ transport: "unix", path: far });
      const serving = (async () => {
        for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
      })();
      const udp = freeUdpPort();
      const files = { client: `${place}/client.json`, server: `${place}/server.json` };
      const common = { key: "k", crypt: "xtea", mode: "fast3", unknownkey: 1 };
      await Deno.writeTextFile(
        files.client,
        JSON.stringify({ localaddr: near, remoteaddr: `127.0.0.1:${udp}`, ...common }),
      );
      await Deno.writeTextFile(
        files.server,
        JSON.stringify({ listen: `127.0.0.1:${udp}`, target: far, ...common }),
      );
      // A socket that a process has left behind is in nobody's way.
      {
        await using crashed = await start("client", ["-c", files.client]);
        crashed.kill("SIGKILL");
        await crashed.status;
        assert((await Deno.stat(near)).isSocket);
      }
      {
        await using server = await start("server", ["-c", files.server]);
        await using client = await start("client", ["-c", files.client]);
        assertMatch(client.log, /WARNING: "unknownkey" in .* is unknown/);
        using conn = await Deno.connect({ transport: "unix", path: near });
        await writeAll(conn, new TextEncoder().encode("hello"));
        assertEquals(new TextDecoder().decode(await readExactly(conn, 5)), "hello");
        client.kill("SIGINT");
        assertEquals((await client.status).code, 0);
        server.kill("SIGTERM");
        assertEquals((await server.status).code, 0);
      }
      // It removes its socket.
      assertEquals(await Deno.stat(near).then(() => true, () => false), false);
      listener.close();
      await serving.catch(() => {});
    } finally {
      await Deno.remove(place, { recursive: true });
    }
  },
});

const curl = await find("curl");

Deno.test({
  name: "kcptun programs: curl through SOCKS5 and HTTP CONNECT, 20 at once, and killed",
  ignore: curl === null,
  fn: async () => {
    let open = 0;
    const page = "x".repeat(300_000);
    await using web = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => {
        if (new URL(request.url).pathname !== "/endless") return new Response(page);
        open++;
        const body = new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
          cancel: () => void open--,
        });
        return new Response(body);
      },
    );
    const [udp, tcp] = [freeUdpPort(), freeTcpPort()];
    await using _server = await start("server", [
      ...["-l", `127.0.0.1:${udp}`, "-t", "socks5", "--key", "k"],
      ...["--allow", `127.0.0.1:${web.addr.port}`],
    ]);
    await using _client = await start("client", [
      ...["-l", `127.0.0.1:${tcp}`, "-r", `127.0.0.1:${udp}`, "--key", "k"],
    ]);
    const url = `http://127.0.0.1:${web.addr.port}/`;
    const run = async (...args: string[]) => {
      const { code, stdout } = await new Deno.Command(curl!, {
        args: ["--silent", "--max-time", "20", ...args],
      }).output();
      return { code, text: new TextDecoder().decode(stdout) };
    };
    const socks = ["--proxy", `socks5h://127.0.0.1:${tcp}`];
    const http = ["--proxytunnel", "--proxy", `http://127.0.0.1:${tcp}`];
    for (const proxy of [socks, http]) {
      // Two requests on one connection.
      const twice = await run(...proxy, url, url);
      assertEquals([twice.code, twice.text.length], [0, 2 * page.length]);
    }
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, i) => run(...(i % 2 ? socks : http), url)),
    );
    assert(many.every(({ code, text }) => code === 0 && text === page));

    // Other ports of the machine are closed.
    assertEquals((await run(...socks, `http://127.0.0.1:${tcp}/`)).code, 97);
    const refused = await run(
      ...http,
      "--write-out",
      "%{http_connect}",
      `http://127.0.0.1:${tcp}/`,
    );
    assert(refused.text.endsWith("403"), refused.text);

    const endless = new Deno.Command(curl!, {
      args: ["--silent", "--output", "/dev/null", ...socks, `${url}endless`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let i = 0; open === 0 && i < 200; i++) await new Promise((r) => setTimeout(r, 20));
    assertEquals(open, 1);
    endless.kill("SIGKILL");
    await endless.status;
    const killed = Date.now();
    while (open > 0 && Date.now() - killed < 5000) await new Promise((r) => setTimeout(r, 10));
    assert(Date.now() - killed < 1000, `the web server noticed it after ${Date.now() - killed} ms`);
  },
});
