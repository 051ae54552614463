/**
 * The programs of examples/kcptun as processes: the command line, signals, files, Unix sockets,
 * metrics, and curl through the proxy. kcptun is not needed.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { readRelayed, relayed } from "../../examples/kcptun/proxy/socks5.ts";
import { openUdp, type UdpPort } from "../../examples/kcptun/proxy/udp.ts";
import { ourCommand, startOurs as start } from "./kcptun/programs.ts";
import { freeUdpPort } from "./kcptun/tunnels.ts";
import {
  closeConn,
  dial,
  echo,
  exchange,
  freeTcpPort,
  readExactly,
  readToEnd,
  Target,
  writeAll,
} from "../examples/kcptun/tcp.ts";

/** Runs a program to its end. */
async function output(side: "client" | "server", args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ourCommand(side, args),
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
    assertMatch(text, /^kcp_connections_packets_out_total [1-9]\d*$/m);
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
      await using target = new Target(echo);
      // Two tunnels, one behind the other: a Unix socket is between them.
      const socket = `${place}/between.sock`;
      const [udp1, udp2, tcp] = [freeUdpPort(), freeUdpPort(), freeTcpPort()];
      const common = { key: "k", crypt: "xtea", mode: "fast3", unknownkey: 1 };
      const write = async (name: string, settings: object) => {
        await Deno.writeTextFile(`${place}/${name}`, JSON.stringify({ ...common, ...settings }));
        return ["-c", `${place}/${name}`];
      };
      const files = {
        client1: await write("client1.json", {
          localaddr: `127.0.0.1:${tcp}`,
          remoteaddr: `127.0.0.1:${udp1}`,
        }),
        server1: await write("server1.json", { listen: `127.0.0.1:${udp1}`, target: socket }),
        client2: await write("client2.json", {
          localaddr: socket,
          remoteaddr: `127.0.0.1:${udp2}`,
        }),
        server2: await write("server2.json", {
          listen: `127.0.0.1:${udp2}`,
          target: `127.0.0.1:${target.port}`,
        }),
      };
      // A socket that a process has left behind is in nobody's way.
      {
        await using crashed = await start("client", files.client2);
        crashed.kill("SIGKILL");
        await crashed.status;
        assert((await Deno.stat(socket)).isSocket);
      }
      await using _server2 = await start("server", files.server2);
      await using client2 = await start("client", files.client2);
      await using _server1 = await start("server", files.server1);
      await using client1 = await start("client", files.client1);
      assertMatch(client1.log, /WARNING: "unknownkey" in .* is unknown/);
      await exchange(tcp, 1, 100_000);
      client2.kill("SIGINT");
      assertEquals((await client2.status).code, 0);
      // It removes its socket.
      assertEquals(await Deno.stat(socket).then(() => true, () => false), false);
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
      // Two requests, and one connection (HTTP/1.1 keep-alive): the second makes none.
      const twice = await run(...proxy, "--write-out", " %{num_connects};", url, url);
      assertEquals(twice.code, 0);
      assert(twice.text === `${page} 1;${page} 0;`, twice.text.replaceAll(page, "page"));
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

Deno.test("kcptun programs: datagrams of SOCKS5 go through, and only to what is allowed", async () => {
  const received: string[] = [];
  const echoing: UdpPort = await openUdp("127.0.0.1", (data, hostname, port) => {
    received.push(new TextDecoder().decode(data));
    echoing.send(data, hostname, port);
  });
  const closed = await openUdp("127.0.0.1", () => received.push("closed"));
  const answers: string[] = [];
  let wake = () => {};
  const app = await openUdp("127.0.0.1", (data) => {
    const found = readRelayed(data)!;
    answers.push(`${found.hostname}:${found.port} ${new TextDecoder().decode(found.payload)}`);
    wake();
  });
  try {
    const [udp, tcp] = [freeUdpPort(), freeTcpPort()];
    await using server = await start("server", [
      ...["-l", `127.0.0.1:${udp}`, "-t", "socks5", "--key", "k"],
      ...["--allow", `127.0.0.1:${echoing.port}`],
    ]);
    await using _client = await start("client", [
      ...["-l", `127.0.0.1:${tcp}`, "-r", `127.0.0.1:${udp}`, "--key", "k", "--socks5"],
    ]);
    using control = await dial(tcp);
    await writeAll(control, Uint8Array.of(5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0));
    const reply = await readExactly(control, 12);
    assertEquals([...reply.subarray(0, 10)], [5, 0, 5, 0, 0, 1, 127, 0, 0, 1]);
    const relay = reply[10] << 8 | reply[11];
    const send = (port: number, text: string) => {
      const payload = new TextEncoder().encode(text);
      app.send(relayed({ hostname: "127.0.0.1", port, payload }), "127.0.0.1", relay);
    };
    send(closed.port, "not allowed");
    app.send(new Uint8Array(20), "127.0.0.1", relay);
    send(echoing.port, "one");
    while (answers.length < 1) await new Promise<void>((resolve) => wake = resolve);
    send(echoing.port, "two");
    while (answers.length < 2) await new Promise<void>((resolve) => wake = resolve);
    assertEquals(answers, ["one", "two"].map((text) => `127.0.0.1:${echoing.port} ${text}`));
    assertEquals(received, ["one", "two"]);

    // The association ends with its connection.
    closeConn(control);
    await server.waitFor(/stream closed/, 3000);
    send(echoing.port, "three");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(received, ["one", "two"]);
  } finally {
    for (const port of [echoing, closed, app]) port.close();
  }
});
