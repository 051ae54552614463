/**
 * The client and the server of examples/kcptun with each other, on the loopback.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { TunnelClient } from "../../../examples/kcptun/tunnel/client.ts";
import { TunnelServer } from "../../../examples/kcptun/tunnel/server.ts";
import { pattern } from "../../vectors/pattern.ts";
import {
  closeConn,
  dial,
  echo,
  exchange,
  readExactly,
  readToEnd,
  settingsOf,
  Target,
  writeAll,
} from "./tcp.ts";

/** A tunnel between a client and a server of this repository. */
class Tunnel implements AsyncDisposable {
  readonly log: string[] = [];
  client!: TunnelClient;
  server!: TunnelServer;
  /** The flags of both ends. */
  readonly #flags: readonly string[];

  private constructor(flags: readonly string[]) {
    this.#flags = ["--key", "a secret", ...flags];
  }

  /** Starts both ends. */
  static async start(
    target: string,
    flags: readonly string[] = [],
    { client = [] as string[], server = [] as string[], listen = "127.0.0.1:0", remote = "" } = {},
  ): Promise<Tunnel> {
    const tunnel = new Tunnel(flags);
    await tunnel.startServer(["-l", listen, "-t", target, ...server]);
    const { port } = tunnel.server.addrs[0];
    const to = remote || `127.0.0.1:${port}`;
    const args = ["-l", "127.0.0.1:0", "-r", to, ...tunnel.#flags, ...client];
    tunnel.client = await TunnelClient.start(settingsOf("client", args), (line) => {
      tunnel.log.push(`client: ${line}`);
    });
    return tunnel;
  }

  async startServer(args: readonly string[]): Promise<void> {
    const settings = settingsOf("server", [...this.#flags, ...args]);
    this.server = await TunnelServer.start(settings, (line) => this.log.push(`server: ${line}`));
  }

  /** The TCP port of the client. */
  get port(): number {
    return (this.client.addr as Deno.NetAddr).port;
  }

  /** How many lines of the log match. */
  count(pattern: RegExp): number {
    return this.log.filter((line) => pattern.test(line)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.server.close();
  }
}

/** Waits until something holds, for at most so long (ms). */
async function until(holds: () => boolean, timeout: number): Promise<boolean> {
  for (const end = Date.now() + timeout; !holds();) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}

for (
  const flags of [
    [],
    ["--smuxver", "1", "--nocomp"],
    ["--smuxver", "1", "--framesize", "65535", "--mode", "manual", "--nodelay", "1"],
    ["--crypt", "aes-128-gcm", "--framesize", "100", "--streambuf", "5000"],
    ["--crypt", "null", "--nocomp", "--ds", "0", "--smuxbuf", "70000", "--streambuf", "60000"],
    ["--ds", "auto", "--mode", "fast3", "--mtu", "1472", "--acknodelay", "--dscp", "46"],
  ]
) {
  Deno.test(`tunnel: bytes come back with ${flags.join(" ") || "the defaults"}`, async () => {
    await using target = new Target(echo);
    await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, flags, {
      client: ["--conn", "2"],
    });
    await Promise.all([1, 2, 3].map((n) => exchange(tunnel.port, n, 70_000 * n)));
    assertEquals(tunnel.count(/^client: stream opened/), 3);
    assertEquals(tunnel.count(/^client: smux version/), 2);
    const { upstream, downstream, opened, failed } = tunnel.client.traffic;
    assertEquals([upstream, downstream, opened, failed], [420_000, 420_000, 3, 0]);
  });
}

Deno.test("tunnel: an application that has ended still gets its answer", async () => {
  const answer = pattern(1, 300_000);
  await using target = new Target(async (conn) => {
    const request = await readToEnd(conn);
    await writeAll(conn, answer.subarray(0, request.length));
  });
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`);
  using conn = await dial(tunnel.port);
  await writeAll(conn, new Uint8Array(200_000));
  await conn.closeWrite();
  assertEquals(await readToEnd(conn), answer.slice(0, 200_000));
});

Deno.test("tunnel: the second direction is cut off when its time is over", async () => {
  await using target = new Target(async (conn) => {
    await readToEnd(conn);
    await new Promise(() => {});
  });
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, ["--closewait", "1"]);
  using conn = await dial(tunnel.port);
  await conn.closeWrite();
  const started = Date.now();
  assertEquals(await readToEnd(conn).catch(() => new Uint8Array()), new Uint8Array());
  assert(Date.now() - started >= 900, `after ${Date.now() - started} ms`);
});

Deno.test("tunnel: the target is let go at once when the application is gone", async () => {
  await using target = new Target(async (conn) => {
    for (;;) await writeAll(conn, new Uint8Array(10_000));
  });
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`);
  const conn = await dial(tunnel.port);
  await readExactly(conn, 100_000);
  assertEquals(target.open, 1);
  closeConn(conn);
  assert(await until(() => target.open === 0, 1000), "the target is still connected");
});

Deno.test("tunnel: the application is let go when the target is not there", async () => {
  const gone = new Target(echo);
  const { port } = gone;
  await gone[Symbol.asyncDispose]();
  await using tunnel = await Tunnel.start(`127.0.0.1:${port}`);
  using conn = await dial(tunnel.port);
  await writeAll(conn, new Uint8Array(10));
  assertEquals(await readToEnd(conn).catch(() => new Uint8Array()), new Uint8Array());
  assertEquals(tunnel.count(/^server: no connection/), 1);
});

Deno.test("tunnel: 200 connections at once", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, ["--quiet"]);
  await Promise.all(Array.from({ length: 200 }, (_, i) => exchange(tunnel.port, i, 3000 + i)));
  assert(await until(() => tunnel.client.traffic.open === 0, 1000));
  assert(await until(() => tunnel.server.traffic.open === 0, 1000));
  assertEquals(tunnel.count(/stream/), 0);
});

Deno.test("tunnel: a rate limit holds", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, [
    ...["--ratelimit", "400000", "--nocomp", "--ds", "0", "--mode", "fast3"],
  ]);
  const started = performance.now();
  await exchange(tunnel.port, 1, 400_000);
  // A burst may leave at once.
  assert(performance.now() - started > 500, `${performance.now() - started} ms`);
});

Deno.test("tunnel: a server that is started again is used again", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`);
  await exchange(tunnel.port, 1, 10_000);
  const { port } = tunnel.server.addrs[0];
  await tunnel.server.close();
  const args = ["-l", `127.0.0.1:${port}`, "-t", `127.0.0.1:${target.port}`];
  for (let started = false; !started;) {
    // The runtime frees the port a moment later.
    await new Promise((resolve) => setTimeout(resolve, 10));
    started = await tunnel.startServer(args).then(() => true, (error) => {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      return false;
    });
  }
  await exchange(tunnel.port, 2, 10_000);
  assertEquals(target.accepted, 2);
});

Deno.test("tunnel: each session goes to a port of the range", async () => {
  await using target = new Target(echo);
  // Ports beside each other that are free.
  for (let first = 30_000 + Math.floor(Math.random() * 20_000);; first += 10) {
    const range = `127.0.0.1:${first}-${first + 2}`;
    let tunnel: Tunnel;
    try {
      tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, ["--mode", "fast3"], {
        listen: range,
        remote: range,
        client: ["--conn", "30"],
      });
    } catch (error) {
      if (error instanceof Deno.errors.AddrInUse) continue;
      throw error;
    }
    try {
      await Promise.all(Array.from({ length: 30 }, (_, i) => exchange(tunnel.port, i, 100)));
      const ports = [0, 1, 2].map((n) => tunnel.count(new RegExp(`^client: smux.*:${first + n}$`)));
      assertEquals(ports.reduce((sum, n) => sum + n, 0), 30);
      // The chance that one of three ports is missing among 30 is 1 in 60,000.
      assert(ports.every((count) => count > 0), ports.join(" "));
      return;
    } finally {
      await tunnel[Symbol.asyncDispose]();
    }
  }
});

Deno.test("tunnel: another key is no session", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start(`127.0.0.1:${target.port}`, [], {
    client: ["--key", "another secret"],
  });
  using conn = await dial(tunnel.port);
  await writeAll(conn, new Uint8Array(10));
  assertEquals(await until(() => target.accepted > 0, 300), false);
  assertEquals(tunnel.count(/^server: smux/), 0);
});

/** A request of SOCKS5 for an IPv4 address. */
function socksRequest(port: number): Uint8Array {
  return Uint8Array.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255);
}

Deno.test("tunnel: the server is a SOCKS5 proxy for what is allowed", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start("socks5", [], {
    server: ["--allow", `127.0.0.1:${target.port}`],
  });
  using conn = await dial(tunnel.port);
  await writeAll(conn, socksRequest(target.port));
  const answer = await readExactly(conn, 12);
  assertEquals([...answer.subarray(0, 6)], [5, 0, 5, 0, 0, 1]);
  const data = pattern(6, 50_000);
  await writeAll(conn, data);
  assertEquals(await readExactly(conn, data.length), data);
});

Deno.test("tunnel: the proxy does not reach the machine of the server", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start("socks5");
  using conn = await dial(tunnel.port);
  await writeAll(conn, socksRequest(target.port));
  const all = await readToEnd(conn);
  assertEquals([...all], [5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
  assertEquals(target.accepted, 0);
});

Deno.test("tunnel: a client that speaks SOCKS5 itself passes requests on", async () => {
  await using target = new Target(echo);
  await using tunnel = await Tunnel.start("socks5", [], {
    client: ["--socks5"],
    server: ["--allow", `127.0.0.1:${target.port}`],
  });
  // By address and by name, with data behind the request, and HTTP, which is passed on as it is.
  const port = [target.port >> 8, target.port & 255];
  const name = new TextEncoder().encode("127.0.0.1");
  for (const request of [[1, 127, 0, 0, 1, ...port], [3, name.length, ...name, ...port]]) {
    using conn = await dial(tunnel.port);
    await writeAll(conn, Uint8Array.of(5, 1, 0));
    assertEquals([...await readExactly(conn, 2)], [5, 0]);
    await writeAll(conn, Uint8Array.of(5, 1, 0, ...request, 42));
    assertEquals([...(await readExactly(conn, 10)).subarray(0, 4)], [5, 0, 0, 1]);
    assertEquals((await readExactly(conn, 1))[0], 42);
  }
  using conn = await dial(tunnel.port);
  await writeAll(
    conn,
    new TextEncoder().encode(`CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\n\r\n`),
  );
  const head = new TextDecoder().decode(await readExactly(conn, 39));
  assertEquals(head, "HTTP/1.1 200 Connection established\r\n\r\n");
  using refused = await dial(tunnel.port);
  await writeAll(refused, socksRequest(1));
  assertEquals([...(await readToEnd(refused)).subarray(0, 4)], [5, 0, 5, 2]);
});
