import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import { ConnectionError, RateLimit, turbo } from "../../../mod.ts";
import {
  connect,
  listen,
  WebTransportServer,
  WebTransportSocket,
} from "../../../transport/webtransport.ts";
import { quicOf } from "../../../transport/webtransport/server.ts";
import { pattern } from "../../kcp/harness.ts";
import { carry, end, errorOf } from "../carried_pair.ts";
import { readAll } from "../harness.ts";
import { FakeSession, fakeSessions } from "./fake_session.ts";

const OPTIONS = { ...turbo, timeWait: 0 };

/** A connection over a new session, from both sides. */
async function pair() {
  const [a, b] = fakeSessions();
  const listener = await listen(b, OPTIONS);
  const client = await connect(a, { ...OPTIONS, timeout: 5_000 });
  const server = await listener.accept();
  return { a, b, listener, client, server };
}

Deno.test("WebTransport: bytes, messages and datagrams both ways, and an end of the stream", async () => {
  const { client, server, listener, a } = await pair();
  await Promise.all([carry(client, server, 200_000), carry(server, client, 100_000)]);
  server.sendDatagram(pattern(100));
  assertEquals(await client.receiveDatagram(), pattern(100));
  assertEquals([client.adapter, listener.adapter], ["webtransport", "webtransport"]);
  assertEquals(client.remoteAddr, { transport: "udp", hostname: "webtransport", port: 1 });
  const text = readAll(server);
  await client.writeAll(pattern(10));
  await client.closeWrite();
  assertEquals(await text, pattern(10));
  await server.closeWrite();
  await Promise.all([client.closed, server.closed]);
  listener.close({ timeWait: 0 });
  await listener.closed;
  assertEquals(a.closedHere, false);
});

Deno.test("WebTransport: packets are as large as the session takes, and follow it", async () => {
  const ends = await pair();
  const { a, client, server } = ends;
  await carry(client, server, 20_000);
  assertEquals(Math.max(...a.sizes), 1287);
  assertEquals(a.tooLarge, []);
  a.datagrams.maxDatagramSize = 1413;
  a.sizes.length = 0;
  await carry(client, server, 20_000);
  assertEquals(Math.max(...a.sizes), 1413);
  a.datagrams.maxDatagramSize = 1024;
  a.sizes.length = 0;
  await carry(client, server, 20_000);
  assertEquals(Math.max(...a.sizes), 1024);
  assertEquals([client.options.mtu, client.stats.pathMtu], [1452, 1024]);
  // The other direction has a limit of its own.
  assertEquals(server.stats.pathMtu, 1287);
  await end(ends);
});

Deno.test("WebTransport: packets that became too large on the way come again smaller", async () => {
  const ends = await pair();
  const { a, client, server } = ends;
  await carry(client, server, 5_000);
  let release = () => {};
  a.blocked = new Promise((resolve) => release = resolve);
  const written = client.writeAll(pattern(30_000));
  await new Promise((resolve) => setTimeout(resolve, 20));
  a.datagrams.maxDatagramSize = 800;
  a.blocked = null;
  release();
  const got = new Uint8Array(30_000);
  for (let at = 0; at < got.length;) at += (await server.read(got.subarray(at)))!;
  await written;
  assertEquals(got, pattern(30_000));
  assert(a.tooLarge.length > 0, "nothing was too large");
  await end(ends);
});

Deno.test("WebTransport: the mtu that is set is kept where the session takes more", async () => {
  const [a, b] = fakeSessions();
  const listener = await listen(b, OPTIONS);
  const client = await connect(a, { ...OPTIONS, mtu: 1000, timeout: 5_000 });
  const server = await listener.accept();
  await carry(client, server, 20_000);
  assertEquals(Math.max(...a.sizes), 1000);
  await end({ client, server, listener });
});

Deno.test("WebTransport: queues of the session get room for bursts, where they can be set", async () => {
  const [a, b] = fakeSessions();
  Object.defineProperty(b.datagrams, "incomingHighWaterMark", {
    get: () => 1,
    set: () => {
      throw new ReferenceError("NumberIsNaN is not defined");
    },
  });
  const listener = await listen(b, OPTIONS);
  const client = await connect(a, { ...OPTIONS, timeout: 5_000 });
  assert(a.datagrams.incomingHighWaterMark > 1000);
  assert(a.datagrams.outgoingHighWaterMark > 1);
  assert(a.datagrams.outgoingMaxAge! >= 100);
  assertEquals(b.datagrams.incomingHighWaterMark, 1);
  client.abort();
  listener.close({ connections: "abort", timeWait: 0 });
});

Deno.test("WebTransport: several connections and both directions share a session", async () => {
  const ends = await pair();
  const { a, b, listener, client, server } = ends;
  const second = await connect(a, { ...OPTIONS, timeout: 5_000 });
  const secondServer = await listener.accept();
  const back = await connect(b, OPTIONS);
  await Promise.all([
    carry(client, server, 50_000),
    carry(second, secondServer, 50_000),
    carry(secondServer, second, 50_000),
  ]);
  {
    await using first = client;
    server.close();
    await first.closeWrite();
  }
  // It has ended for good, and the socket goes on.
  assertEquals([client.state, second.state], ["closed", "open"]);
  await carry(second, secondServer, 50_000);
  // The side that has only dialled has no listener.
  await assertRejects(() => back.open({ timeout: 30 }), ConnectionError);
  back.abort();
  second.abort();
  await end(ends);
});

Deno.test("WebTransport: a session can be used again when its connections have ended", async () => {
  const [a, b] = fakeSessions();
  for (let round = 0; round < 3; round++) {
    const listener = await listen(b, OPTIONS);
    const client = await connect(a, { ...OPTIONS, timeout: 5_000 });
    const server = await listener.accept();
    await carry(client, server, 3_000);
    server.close();
    await client.closeWrite();
    await client[Symbol.asyncDispose]();
    listener.close({ timeWait: 0 });
    await listener.closed;
    // A connection that went on would take the packets of the next one.
    assertEquals([a.datagrams.readable.locked, b.datagrams.readable.locked], [false, false]);
  }
});

Deno.test("WebTransport: a session that is closed ends all connections, with its code and reason", async () => {
  const { a, b, client, server, listener } = await pair();
  const second = await connect(a, OPTIONS);
  const read = client.read(new Uint8Array(1));
  const ends = [errorOf(read), errorOf(listener.accept())];
  b.close({ closeCode: 7, reason: "the room is empty" });
  for (const conn of [client, second, server]) {
    const error = await errorOf(conn.closed);
    assertInstanceOf(error, ConnectionError);
    assertEquals([error.kind, error.code], ["socket", "EIO"]);
    assertInstanceOf(error.cause, Error);
    assertEquals(
      error.cause.message,
      "The WebTransport session was closed with the code 7: the room is empty",
    );
    assertEquals(error.cause.cause, { closeCode: 7, reason: "the room is empty" });
  }
  for (const error of await Promise.all(ends)) assertInstanceOf(error, ConnectionError);
  await listener.closed;
});

Deno.test("WebTransport: a session that fails ends its connections with the error as the cause", async () => {
  const { a, client, server, listener } = await pair();
  const cause = new DOMException("the network is gone", "WebTransportError");
  a.fail(cause);
  const error = await errorOf(client.closed);
  assertInstanceOf(error, ConnectionError);
  assertEquals([error.kind, error.cause], ["socket", cause]);
  server.abort();
  listener.close({ timeWait: 0 });
});

Deno.test("WebTransport: a session that is stuck does not stop time", async () => {
  const { a, client, server, listener } = await pair();
  a.blocked = new Promise(() => {});
  const write = client.writeAll(pattern(4_000_000)).catch((error) => error);
  const error = await errorOf(client.read(new Uint8Array(1), { timeout: 200 }));
  assertInstanceOf(error, ConnectionError);
  assertEquals(error.kind, "timeout");
  client.abort();
  assertInstanceOf(await write, ConnectionError);
  server.abort();
  listener.close({ timeWait: 0 });
});

/** A batch of packets, each filled with its size. */
function batchOf(sizes: readonly number[]): PacketBatch {
  const batch = new PacketBatch();
  for (const size of sizes) {
    const at = batch.place(size);
    batch.arena.bytes.fill(size, at, at + size);
    batch.append(at + size);
  }
  return batch;
}

Deno.test("WebTransport: a full session makes the connections wait, a few packets do not", async () => {
  const [a] = fakeSessions();
  let release = () => {};
  a.blocked = new Promise((resolve) => release = resolve);
  const socket = new WebTransportSocket(a);
  assertEquals(socket.send(batchOf([100, 1287, 3])), undefined);
  let ready = false;
  const sent = (socket.send(batchOf(new Array(20).fill(9))) as Promise<void>).then(() => {
    ready = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(ready, false);
  a.blocked = null;
  release();
  await sent;
  assertEquals(a.sizes.length, 23);
  await socket.close();
});

Deno.test("WebTransport: what a session does not take in time is lost", async () => {
  const [a] = fakeSessions();
  let release = () => {};
  a.blocked = new Promise((resolve) => release = resolve);
  const socket = new WebTransportSocket(a);
  await socket.send(batchOf(new Array(20).fill(9)));
  await socket.send(batchOf(new Array(20).fill(8)));
  a.blocked = null;
  release();
  await socket.close();
  assertEquals(a.sizes, new Array(20).fill(9));
});

Deno.test("WebTransport: no memory of a batch is kept by the session", async () => {
  const [a, b] = fakeSessions();
  const arrived: Uint8Array[] = [];
  b.deliver = (datagram) => void arrived.push(datagram);
  let release = () => {};
  a.blocked = new Promise((resolve) => release = resolve);
  const batch = batchOf([100, 1287, 3]);
  const socket = new WebTransportSocket(a);
  await socket.send(batch);
  batch.arena.bytes.fill(0);
  release();
  await socket.close();
  assertEquals(arrived, [100, 1287, 3].map((size) => new Uint8Array(size).fill(size)));
});

Deno.test("WebTransport: foreign datagrams are counted and dropped", async () => {
  const ends = await pair();
  for (const size of [0, 1, 24, 1287]) ends.b.deliver(new Uint8Array(size).fill(0xee));
  await carry(ends.client, ends.server, 10_000);
  const { invalid, unknown } = ends.listener.stats;
  assertEquals(invalid + unknown, 4);
  await end(ends);
});

Deno.test("WebTransport: connect waits for the session, and tells why there is none", async () => {
  const never = new Promise<void>(() => {});
  await assertRejects(
    () => connect(new FakeSession(never), { timeout: 20 }),
    ConnectionError,
    "within 20 ms",
  );
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  assertEquals(await errorOf(connect(new FakeSession(never), { signal })), reason);
  const controller = new AbortController();
  const waiting = connect(new FakeSession(never), { signal: controller.signal });
  controller.abort(reason);
  assertEquals(await errorOf(waiting), reason);
  const cause = new Error("no route");
  const error = await errorOf(connect(new FakeSession(Promise.reject(cause))));
  assertInstanceOf(error, ConnectionError);
  assertEquals(error.kind, "socket");
  assertEquals(error.message, "Cannot open a WebTransport session: no route");
  assertEquals(error.cause, cause);
});

Deno.test("WebTransport: nobody listens: connect gives up and gives the session back", async () => {
  const [a] = fakeSessions();
  await assertRejects(() => connect(a, { ...OPTIONS, timeout: 30 }), ConnectionError, "30 ms");
  for (let left = 100; a.datagrams.readable.locked && left > 0; left--) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(a.datagrams.readable.locked, false);
});

Deno.test("WebTransport: a session without datagrams is refused", async () => {
  for (const size of [0, -1, 100]) {
    const [a] = fakeSessions();
    a.datagrams.maxDatagramSize = size;
    await assertRejects(() => connect(a), ConnectionError, `${size} bytes`);
  }
  await assertRejects(() => connect({} as FakeSession), TypeError, "no datagrams");
  await assertRejects(() => listen(null as unknown as FakeSession), TypeError, "null");
});

Deno.test("WebTransport: all connections of a session share cipher and rate limit", async () => {
  const [a, b] = fakeSessions();
  const crypt = createCipher("aes-128-gcm", new Uint8Array(16));
  const listener = await listen(b, { ...OPTIONS, crypt });
  const client = await connect(a, { ...OPTIONS, crypt, timeout: 5_000 });
  await assertRejects(() => connect(a, OPTIONS), TypeError, "another cipher");
  const rateLimit = new RateLimit(1_000_000);
  await assertRejects(() => connect(a, { crypt, rateLimit }), TypeError, "another rateLimit");
  await assertRejects(() => listen(a, OPTIONS), TypeError, "that is in use");
  await assertRejects(() => connect(a, { crypt, conv: client.conv }), TypeError, "exists already");
  const server = await listener.accept();
  await carry(client, server, 10_000);
  await end({ client, server, listener });
});

Deno.test("WebTransport: undefined options hide no default, wrong ones throw and lock nothing", async () => {
  const [a, b] = fakeSessions();
  await assertRejects(() => listen(b, { mtu: 1 }), RangeError);
  await assertRejects(() => connect(a, { conv: -1 }), RangeError);
  await assertRejects(() => connect(a, { timeout: -1 }), RangeError);
  const listener = await listen(b, { mtu: undefined, entropy: undefined });
  const client = await connect(a, { mtu: undefined, entropy: undefined, timeout: 5_000 });
  assertEquals(client.options.mtu, 1452);
  const server = await listener.accept();
  await end({ client, server, listener });
});

Deno.test("WebTransport: the application may tell the address of the other end", async () => {
  const [a, b] = fakeSessions();
  const listener = await listen(b, { ...OPTIONS, remoteAddr: { hostname: "fe80::1", port: 80 } });
  const client = await connect(a, { ...OPTIONS, timeout: 5_000 });
  const server = await listener.accept();
  assertEquals(server.remoteAddr, { transport: "udp", hostname: "fe80::1", port: 80 });
  await end({ client, server, listener });
});

Deno.test("WebTransport: a URL needs a runtime that has it, and options for it need a URL", async () => {
  const scope = globalThis as { WebTransport?: unknown };
  const { WebTransport } = scope;
  try {
    scope.WebTransport = undefined;
    await assertRejects(
      () => connect("https://127.0.0.1:1/"),
      Error,
      "Cannot connect to https://127.0.0.1:1/: this runtime has no WebTransport",
    );
    // One that is opened by the library is closed by it.
    let opened: FakeSession | undefined;
    let given: unknown;
    const [a, b] = fakeSessions();
    scope.WebTransport = function (url: string, options: object) {
      given = [url, options];
      return opened = a;
    };
    const listener = await listen(b, OPTIONS);
    const client = await connect("https://[::1]:4433/x", {
      ...OPTIONS,
      timeout: 5_000,
      webTransport: { congestionControl: "throughput" },
    });
    assertEquals(given, ["https://[::1]:4433/x", {
      congestionControl: "throughput",
      requireUnreliable: true,
    }]);
    assertEquals(client.remoteAddr, { transport: "udp", hostname: "::1", port: 4433 });
    const server = await listener.accept();
    server.close();
    await client.closeWrite();
    await client[Symbol.asyncDispose]();
    await listener.closed;
    assertEquals(opened!.closedHere, true);
    const [c] = fakeSessions();
    scope.WebTransport = function () {
      return c;
    };
    await assertRejects(() => connect("https://x/", { ...OPTIONS, timeout: 10 }), ConnectionError);
    assertEquals(c.closedHere, true);
  } finally {
    scope.WebTransport = WebTransport;
  }
  const [a] = fakeSessions();
  await assertRejects(() => connect(a, { webTransport: {} }), TypeError, "it needs a URL");
});

Deno.test("WebTransport: a socket of its own, and a stream that createWritable makes", () => {
  const [a] = fakeSessions();
  const { writable, ...rest } = a.datagrams;
  const datagrams = { ...rest, createWritable: () => writable };
  const socket = new WebTransportSocket({ ...a, close() {}, datagrams }, "alice:1");
  assertEquals([socket.peer, socket.maxPacketSize], ["alice:1", 1287]);
  assertEquals([writable.locked, a.datagrams.readable.locked], [true, true]);
});

Deno.test("WebTransport: a server needs Deno with its unstable API", () => {
  assertThrows(() => quicOf({}), Error, "this runtime is not Deno");
  assertThrows(() => quicOf({ Deno: {} }), Error, "--unstable-net");
  assertThrows(() => new WebTransportServer({ cert: "", key: "", port: -1 }), RangeError, "-1");
});
