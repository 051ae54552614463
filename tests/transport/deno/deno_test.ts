import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import {
  type Bind,
  connect,
  Connection,
  ConnectionError,
  type ConnectOptions,
  listen,
  Listener,
  type ListenOptions,
  turbo,
} from "../../../mod.ts";
import { deno } from "../../../transport/deno.ts";
import { decode, encode, pattern, PUSH, WASK, WINS } from "../../kcp/harness.ts";
import { readAll, readExactly } from "../harness.ts";

const V4 = "127.0.0.1";
const V6 = "::1";
const OPTIONS = { ...turbo, sndWnd: 256, rcvWnd: 256 } as const;
const MIB = 1 << 20;

/** A test that fails when it leaves a socket, a timer or an operation behind. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: true, sanitizeResources: true });
}

/** Ends a connection and waits until its socket is closed. */
async function end(conn: Connection): Promise<void> {
  conn.abort();
  await conn[Symbol.asyncDispose]();
}

/** Echoes every connection until the listener is closed, then waits until all are over. */
async function echo(listener: Listener): Promise<void> {
  const tasks: Promise<void>[] = [];
  for await (const conn of listener) {
    tasks.push((async () => {
      await conn.readable.pipeTo(conn.writable);
      conn.close();
      await conn.closed;
    })());
  }
  await Promise.all(tasks);
}

/** Sends `bytes`, ends the stream, and returns what comes back. */
async function exchange(conn: Connection, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const [heard] = await Promise.all([
    readAll(conn),
    new Blob([bytes]).stream().pipeTo(conn.writable),
  ]);
  conn.close();
  await conn.closed;
  await conn[Symbol.asyncDispose]();
  return heard;
}

for (const hostname of [V4, V6]) {
  test(`UDP on ${hostname}: 1 MiB is echoed unchanged, and no resource stays open`, async () => {
    const listener = await listen({ hostname, ...OPTIONS });
    const echoing = echo(listener);
    const conn = await connect({ hostname, port: listener.addr.port, ...OPTIONS });
    assertEquals(conn.remoteAddr, listener.addr);
    assertEquals([listener.addr.hostname, listener.addr.transport], [hostname, "udp"]);
    assertNotEquals(conn.localAddr.port, 0);
    const sent = pattern(MIB);
    const heard = await exchange(conn, sent);
    assertEquals(heard.length, MIB);
    assertEquals(heard, sent);
    listener.close();
    await Promise.all([echoing, listener.closed]);
  });
}

test("UDP: 50 connections at once, each with its own bytes", async () => {
  const listener = await listen({ hostname: V4, ...OPTIONS });
  const echoing = echo(listener);
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const conn = await connect({ hostname: V4, port: listener.addr.port, ...OPTIONS });
    const sent = pattern(20_000, i * 1000);
    assertEquals(await exchange(conn, sent), sent, `connection ${i}`);
  }));
  assertEquals(listener.stats.accepted, 50);
  listener.close();
  await Promise.all([echoing, listener.closed]);
});

test("UDP: a listener sets one timer, however many connections it has", async () => {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const live = new Set<unknown>();
  let most = 0;
  globalThis.setTimeout = ((callback: () => void, delay?: number) => {
    const id = set(() => {
      live.delete(id);
      callback();
    }, delay);
    live.add(id);
    most = Math.max(most, live.size);
    return id;
  }) as typeof set;
  globalThis.clearTimeout = (id) => {
    live.delete(id);
    clear(id);
  };
  try {
    const listener = await listen({ hostname: V4, ...OPTIONS });
    const socket = Deno.listenDatagram({ transport: "udp", hostname: V4, port: 0 });
    const to = { ...listener.addr };
    for (let conv = 0; conv < 40; conv++) await socket.send(encode({ conv, data: pattern(9) }), to);
    const conns: Connection[] = [];
    for (let conv = 0; conv < 40; conv++) {
      const conn = await listener.accept();
      conns.push(conn);
      await readExactly(conn, 9);
      await conn.write(pattern(100));
    }
    // Nothing is acknowledged: once a segment comes again, a timer has run.
    const seen = new Set<number>();
    for (let again = false; !again;) {
      const [packet] = await socket.receive();
      for (const { cmd, conv } of decode(packet)) {
        // An address that does not answer is sent no more than three times what came from it.
        if (cmd === WASK) await socket.send(encode({ conv, cmd: WINS, wnd: 100 }), to);
        if (cmd !== PUSH) continue;
        again ||= seen.has(conv);
        seen.add(conv);
      }
    }
    assert(most >= 1, "no timer was seen at all");
    assertLess(most, 2, "timers at one time");
    for (const conn of conns) conn.abort();
    socket.close();
    listener.close();
    await listener.closed;
    assertEquals(live.size, 0, "a timer is still set");
  } finally {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  }
});

test("UDP: hand-written packets are accepted and answered", async () => {
  const listener = await listen({ hostname: V4, ...OPTIONS });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: V4, port: 0 });
  await socket.send(encode({ conv: 7, ts: 99, data: pattern(5) }), { ...listener.addr });
  const conn = await listener.accept();
  assertEquals([conn.conv, conn.remoteAddr.port], [7, (socket.addr as Deno.NetAddr).port]);
  assertEquals(await readExactly(conn, 5), pattern(5));
  await conn.write(pattern(8, 3));
  let answers;
  do {
    const [packet] = await socket.receive();
    answers = decode(packet).filter(({ cmd }) => cmd === PUSH);
  } while (answers.length === 0);
  const [answer] = answers;
  assertEquals([answer.conv, answer.sn, answer.data], [7, 0, pattern(8, 3)]);
  conn.abort();
  socket.close();
  await using _ = listener;
});

test("UDP: a listener continues after hostile datagrams", async () => {
  const listener = await listen({ hostname: V4, ...OPTIONS });
  const socket = Deno.listenDatagram({ transport: "udp", hostname: V4, port: 0 });
  const to = { ...listener.addr };
  const bad = encode({ conv: 1, data: pattern(9) });
  bad[20] = 255;
  for (
    const packet of [new Uint8Array(), pattern(23), bad, pattern(60_000), encode({ cmd: WINS })]
  ) {
    await socket.send(packet, to);
  }
  await socket.send(encode({ conv: 3, data: pattern(4) }), to);
  const conn = await listener.accept();
  assertEquals(conn.conv, 3);
  assertEquals(await readExactly(conn, 4), pattern(4));
  conn.abort();
  socket.close();
  listener.close();
  await listener.closed;
});

test("UDP: without a listener the error is unreachable, and the socket is closed", async () => {
  const free = Deno.listenDatagram({ transport: "udp", hostname: V4, port: 0 });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  const conn = await connect({ hostname: V4, port, ...OPTIONS, deadLinkTime: 150 });
  await conn.write(pattern(1));
  const error = await assertRejects(() => conn.read(new Uint8Array(1)), ConnectionError);
  assertEquals(error.kind, "unreachable");
  await end(conn);
});

test("UDP: the error of connect names the timeout that was given", async () => {
  // The socket takes a while to open, so that a part of the time is over.
  const bind: Bind = async (...address) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return deno()(...address);
  };
  const dialling = connect({ hostname: V4, port: 9, bind, timeout: 60 });
  const error = await assertRejects(() => dialling, ConnectionError, "within 60 ms");
  assertEquals(error.kind, "timeout");
});

test("UDP: a read timeout works on the system's clock", async () => {
  const conn = await connect({ hostname: V4, port: 9, ...OPTIONS });
  const error = await assertRejects(
    () => conn.read(new Uint8Array(1), { timeout: 20 }),
    ConnectionError,
  );
  assertEquals(error.kind, "timeout");
  await end(conn);
});

test("UDP: ref and unref may be called at any time", async () => {
  const listener = await listen({ hostname: V4 });
  const conn = await connect({ hostname: V4, port: listener.addr.port });
  for (const it of [listener, conn]) {
    it.unref();
    it.ref();
  }
  await end(conn);
  listener.close();
  await listener.closed;
  for (const it of [listener, conn]) {
    it.unref();
    it.ref();
  }
});

test("UDP: a client can choose its port and conv; names are resolved", async () => {
  const listener = await listen({ hostname: V4, ...OPTIONS });
  const conn = await connect({
    hostname: "localhost",
    port: listener.addr.port,
    localHostname: V4,
    conv: 4294967295,
  });
  await conn.write(pattern(1));
  const accepted = await listener.accept();
  assertEquals([accepted.conv, conn.conv], [4294967295, 4294967295]);
  assertEquals(accepted.remoteAddr, conn.localAddr);
  for (const it of [conn, accepted]) await end(it);
  await using _ = listener;
});

test("UDP: connections draw different convs", async () => {
  const convs = new Set<number>();
  for (let i = 0; i < 5; i++) {
    const conn = await connect({ hostname: V4, port: 9 });
    convs.add(conn.conv);
    await end(conn);
  }
  assertEquals(convs.size, 5);
});

test("UDP: a port in use gives Deno's AddrInUse", async () => {
  const listener = await listen({ hostname: V4 });
  await assertRejects(
    () => listen({ hostname: V4, port: listener.addr.port }),
    Deno.errors.AddrInUse,
  );
  await using _ = listener;
});

/** Checks that the promise rejects with a TypeError or RangeError that names what was wrong. */
async function refused(
  promise: Promise<Connection | Listener>,
  name: string,
  value: unknown,
): Promise<void> {
  const error: unknown = await promise.catch((error) => error);
  if (error instanceof Connection) await end(error);
  if (error instanceof Listener) error.close();
  assertInstanceOf(error, Error, `${name}: ${value} was taken: ${error}`);
  assert(error instanceof RangeError || error instanceof TypeError, String(error));
  assert(error.message.includes(name), `"${error.message}" does not name ${name}`);
  assert(error.message.includes(String(value)), `"${error.message}" does not show ${value}`);
}

for (
  const [name, value] of [
    ["port", 0],
    ["port", 65_536],
    ["port", 1.5],
    ["port", undefined],
    ["port", "80"],
    ["conv", -1],
    ["conv", 2 ** 32],
    ["hostname", 5],
    ["mtu", 20],
    ["sndWnd", 1e9],
    ["idleTimeout", 0],
    ["keepAlive", "x"],
    ["nodelay", 3],
    ["timeout", -1],
    ["timeout", NaN],
    ["timeout", "5"],
  ] as const
) {
  test(`connect: ${name}: ${value} (a ${typeof value}) is refused, no socket stays open`, async () => {
    const options = { hostname: V4, port: 9, [name]: value } as unknown as ConnectOptions;
    await refused(connect(options), name, value);
  });
}

for (
  const [name, value] of [
    ["port", -1],
    ["port", 65_536],
    ["port", "0"],
    ["backlog", -1],
    ["maxSessions", "x"],
    ["interval", 0],
  ] as const
) {
  test(`listen: ${name}: ${value} (a ${typeof value}) is refused, no socket stays open`, async () => {
    const options = { hostname: V4, [name]: value } as unknown as ListenOptions;
    await refused(listen(options), name, value);
  });
}

test("connect and listen: an unknown option is a TypeError", async () => {
  const wrong = { hostname: V4, port: 9, sndWindow: 10 } as unknown as ConnectOptions;
  for (const open of [() => connect(wrong), () => listen({ ...wrong, port: 0 })]) {
    const opened = await open().catch((error: Error) => error);
    if (opened instanceof Connection) await end(opened);
    if (opened instanceof Listener) opened.close();
    assertInstanceOf(opened, TypeError, "the option was ignored without a word");
  }
});

Deno.test("Connection and Listener: their constructors are private", async () => {
  const listener = await listen({ hostname: V4, ...OPTIONS });
  const conn = await connect({ hostname: V4, port: listener.addr.port, ...OPTIONS });
  assert(conn instanceof Connection);
  assert(listener instanceof Listener);
  // @ts-expect-error The constructor is private.
  const _makeConnection = () => new Connection();
  // @ts-expect-error The constructor is private.
  const _makeListener = () => new Listener();
  await end(conn);
  listener.close();
  await listener.closed;
});

Deno.test("deno: the port is free when the listener has closed", async () => {
  const first = await listen({ hostname: "127.0.0.1", bind: deno() });
  const { port } = first.addr;
  first.close();
  await first.closed;
  const second = await listen({ hostname: "127.0.0.1", port, bind: deno() });
  second.close();
  await second.closed;
});
