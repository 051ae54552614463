/**
 * What streams of Node.js over connections do, told once for Deno, Node.js and Bun. Each scenario fails
 * by an exception.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import * as http2 from "node:http2";
import { Readable, Transform, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import * as tls from "node:tls";
import type { Connection, Listener } from "../../../transport/mod.ts";
import { connectMux, listenMux } from "../../../transport/mux.ts";
import {
  type Bind,
  type ConnectionDuplex,
  type ConnectOptions,
  type ListenOptions,
  toDuplex,
  type ToDuplexOptions,
} from "../../../transport/node.ts";

/** What a runtime has: its sockets, and a certificate for "localhost". */
export interface Runtime {
  connect(options: ConnectOptions): Promise<Connection>;
  listen(options: ListenOptions): Promise<Listener>;
  readonly bind: Bind;
  readonly key: string;
  readonly cert: string;
}

/** A scenario. */
export type Scenario = (runtime: Runtime) => Promise<void>;

const HERE = { hostname: "127.0.0.1" };
/** What a path of the loopback needs to be fast. */
const FAST = { nodelay: 1, interval: 10, resend: 2, sndWnd: 512, rcvWnd: 512 } as const;

/** Two streams over one connection. */
interface Pair {
  readonly client: ConnectionDuplex<Connection>;
  readonly server: ConnectionDuplex<Connection>;
}

/** Runs `use` with both ends of a connection as streams. */
async function withPair(
  { connect, listen }: Runtime,
  use: (pair: Pair) => Promise<void>,
  options?: ToDuplexOptions,
): Promise<void> {
  const listener = await listen({ ...HERE, ...FAST });
  const dialled = await connect({ ...HERE, ...FAST, port: listener.addr.port });
  const [accepted] = await Promise.all([listener.accept(), dialled.opened]);
  const client = toDuplex(dialled, options);
  const server = toDuplex(accepted, options);
  for (const stream of [client, server]) stream.on("error", () => {});
  try {
    await use({ client, server });
  } finally {
    client.destroy();
    server.destroy();
    listener.close({ connections: "abort", timeWait: 0 });
    await listener.closed;
  }
}

/** Bytes that look random, the same each time. */
function bytes(length: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(length);
  for (let i = 0, x = 1; i < length; i++) result[i] = (x = x * 48_271 % 2_147_483_647) >>> 8;
  return result;
}

function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** What a stream gives to its end. A loop over it would destroy it. */
async function bytesOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  stream.on("data", (chunk) => parts.push(chunk));
  await finished(stream, { writable: false });
  return Buffer.concat(parts);
}

async function textOf(stream: Readable): Promise<string> {
  return (await bytesOf(stream)).toString();
}

/** The events of a stream in their order, to its `close`. */
function eventsOf(stream: ConnectionDuplex): { seen: string[]; closed: Promise<unknown> } {
  const seen: string[] = [];
  for (const name of ["end", "finish", "error", "close"]) {
    stream.on(name, (error?: { code?: string }) => seen.push(error?.code ?? name));
  }
  return { seen, closed: new Promise((resolve) => stream.once("close", resolve)) };
}

/** Waits until a value has not changed for some time. */
async function settled(value: () => number): Promise<number> {
  for (let before = -1;;) {
    const now = value();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

async function half(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const events = [eventsOf(client), eventsOf(server)];
    client.end("question");
    assertEquals(await textOf(server), "question");
    // The client has ended its stream, and still gets an answer.
    assertEquals([server.readableEnded, server.writable], [true, true]);
    server.write("ans");
    server.end("wer");
    assertEquals(await textOf(client), "answer");
    await Promise.all(events.map(({ closed }) => closed));
    assertEquals(events.map(({ seen }) => seen), [
      ["finish", "end", "close"],
      ["end", "finish", "close"],
    ]);
    assertEquals([client.bytesWritten, client.bytesRead, server.bytesRead], [8, 6, 8]);
    await Promise.all([client.connection.closed, server.connection.closed]);
  });
}

async function fullClose(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const { seen, closed } = eventsOf(server);
    server.resume();
    client.end();
    // The server ends its stream by itself, so the client gets an end, too.
    assertEquals(await textOf(client), "");
    await closed;
    assertEquals(seen, ["end", "finish", "close"]);
  }, { allowHalfOpen: false });
}

async function large(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const sent = bytes(10_000_000);
    const upper = new Transform({ transform: (chunk, _, done) => done(null, chunk) });
    const echoing = pipeline(server, upper, server);
    const chunks = [];
    for (let at = 0; at < sent.length; at += 61_357) chunks.push(sent.subarray(at, at + 61_357));
    const sending = pipeline(Readable.from(chunks), client);
    const hash = createHash("sha256");
    await pipeline(
      client,
      new Writable({
        write(chunk, _, done) {
          hash.update(chunk);
          done();
        },
      }),
    );
    await Promise.all([sending, echoing]);
    assertEquals(hash.digest("hex"), sha256(sent));
  });
}

async function corked(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    client.cork();
    for (let i = 0; i < 1000; i++) client.write(`${i} `);
    client.write(new Uint8Array(0));
    // A piece larger than any window, and one after it.
    client.write(bytes(3_000_000));
    client.write("end");
    client.uncork();
    client.end();
    const got = await bytesOf(server);
    const head = Array.from({ length: 1000 }, (_, i) => `${i} `).join("");
    assertEquals(got.subarray(0, head.length).toString(), head);
    assertEquals(sha256(got.subarray(head.length, -3)), sha256(bytes(3_000_000)));
    assertEquals(got.subarray(-3).toString(), "end");
    assertEquals(client.bytesWritten, got.length);
  });
}

async function memory(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const chunks: Buffer[] = [];
    server.on("data", (chunk) => chunks.push(chunk));
    client.write("small");
    while (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    client.end(bytes(2_000_000));
    await once(server, "end");
    assertEquals(chunks[0].toString(), "small", "no chunk is overwritten by a later one");
    assert(chunks[0].buffer.byteLength <= Buffer.poolSize, "a small chunk keeps little memory");
    for (const { buffer, length } of chunks) {
      const kept = buffer.byteLength;
      assert(kept <= Math.max(Buffer.poolSize, 2 * length), `${kept} bytes for ${length}`);
    }
    assertEquals(sha256(Buffer.concat(chunks.slice(1))), sha256(bytes(2_000_000)));
  });
}

async function slowReader(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const chunk = bytes(50_000);
    let taken = 0;
    const write = () => {
      while (client.write(chunk, () => taken += chunk.length));
      client.once("drain", write);
    };
    write();
    // The reader takes one chunk, and then no more.
    await once(server, "readable");
    server.read(1);
    const stopped = await settled(() => taken);
    // Two windows of 512 segments, and the marks of the streams.
    assert(stopped < 2 * 512 * 1376 + 4 * 65_536, `${stopped} bytes were taken`);
    assert(server.readableLength <= 2 * 65_536, `${server.readableLength} bytes wait to be read`);
    assert(client.writableLength <= 65_536 + chunk.length, `${client.writableLength} bytes wait`);
    server.resume();
    await once(client, "drain");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert(taken > stopped, "the writer goes on when the reader does");
  });
}

async function abort(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    server.resume();
    const events = [client, server].map(eventsOf);
    const reason = new Error("The disk is full");
    let failed: unknown = null;
    while (client.write(bytes(50_000)));
    client.write("more", (error) => failed = error);
    client.destroy(reason);
    await Promise.all(events.map(({ closed }) => closed));
    assertEquals(events.map(({ seen }) => seen), [["error", "close"], ["ECONNRESET", "close"]]);
    assertStrictEquals(client.errored, reason);
    const { errored } = server as unknown as { errored: Error & { kind: string; reason: string } };
    assertEquals([errored.kind, errored.reason], ["reset", "The disk is full"]);
    assert(failed instanceof Error, "the write in progress was told");
    const ended = await assertRejects(() => client.connection.closed, Error, "The disk is full");
    assertStrictEquals(ended.cause, reason);
  });
}

async function pipelineFails(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const source = new Readable({
      read() {
        if (this.readableDidRead) this.destroy(new Error("The file has gone"));
        else this.push(bytes(100_000));
      },
    });
    const reading = pipeline(server, new Writable({ write: (_chunk, _, done) => done() }));
    const failing = assertRejects(() => reading, Error, "The file has gone");
    await assertRejects(() => pipeline(source, client), Error, "The file has gone");
    await failing;
  });
}

async function lastBytes(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    // More than the stream holds, so that a part is still in the connection when it fails.
    const sent = bytes(300_000);
    client.write(sent);
    await client.connection.drained();
    let count = 0;
    const read = async () => {
      for await (const chunk of server) {
        count += chunk.length;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const reading = assertRejects(read, Error, "Gone");
    client.destroy(new Error("Gone"));
    await assertRejects(() => server.connection.closed, Error, "Gone");
    assert(count < sent.length, "the reader is not done when the connection has failed");
    await reading;
    assertEquals(count, sent.length);
  });
}

async function failedWrite(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    let got = "";
    server.on("data", (chunk) => got += chunk);
    server.pause();
    client.write("read this first");
    await client.connection.drained();
    client.destroy(new Error("Gone"));
    await assertRejects(() => server.connection.closed, Error, "Gone");
    server.resume();
    const failed = new Promise((resolve) => server.write("too late", resolve));
    const [error] = await once(server, "error");
    assertEquals([error.message.includes("Gone"), got], [true, "read this first"]);
    assert(await failed instanceof Error);
  });
}

async function nobodyReads(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const { seen, closed } = eventsOf(server);
    client.write("nobody reads this");
    await client.connection.drained();
    client.resetAndDestroy();
    await closed;
    assertEquals(seen, ["ECONNRESET", "close"]);
  });
}

async function closedBelow(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const events = [client, server].map(eventsOf);
    server.resume().on("end", () => server.end());
    client.connection.close();
    await Promise.all(events.map(({ closed }) => closed));
    assertEquals(events[0].seen, ["ECONNABORTED", "close"]);
    assertEquals(events[1].seen, ["end", "finish", "close"]);
  });
}

async function destroyDelivers(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const reading = textOf(server);
    let atClose = "";
    client.on("close", () => atClose = client.connection.state);
    client.write("all of ");
    client.write("this");
    client.destroySoon();
    assertEquals(await reading, "all of this");
    server.end();
    await finished(server);
    // `close` means that everything is delivered.
    if (!client.closed) await once(client, "close");
    assertEquals(atClose, "closed");
    await client.connection.closed;
  });
}

async function signal(runtime: Runtime): Promise<void> {
  const { connect, listen } = runtime;
  const listener = await listen({ ...HERE, ...FAST });
  const controller = new AbortController();
  const options = { ...HERE, ...FAST, port: listener.addr.port };
  const dialled = await connect(options);
  const [accepted] = await Promise.all([listener.accept(), dialled.opened]);
  const stream = toDuplex(dialled, { signal: controller.signal });
  const { seen, closed } = eventsOf(stream);
  controller.abort();
  await closed;
  assertEquals(seen, ["ABORT_ERR", "close"]);
  await assertRejects(() => accepted.closed, Error);
  const late = toDuplex(await connect(options), { signal: controller.signal });
  await assertRejects(() => once(late, "never"), Error);
  assert(late.destroyed);
  listener.close({ timeWait: 0 });
  await listener.closed;
}

async function idle(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    server.resume();
    let timeouts = 0;
    client.setTimeout(120, () => timeouts++);
    assertEquals(client.timeout, 120);
    const begin = performance.now();
    for (let i = 0; i < 5; i++) {
      client.write("x");
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    const active = performance.now() - begin;
    // A busy machine may have slept for longer than the timeout between two writes.
    if (active < 300) assertEquals(timeouts, 0);
    const [timedOut] = await Promise.all([once(client, "timeout"), client.write("y")]);
    assertEquals(timedOut, []);
    assertEquals([timeouts, client.destroyed], [1, false]);
    client.setTimeout(0);
    assertEquals(client.timeout, 0);
  });
}

async function face(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    assertEquals([client.remoteAddress, client.remoteFamily], ["127.0.0.1", "IPv4"]);
    assertEquals([client.remotePort, client.localPort], [server.localPort, server.remotePort]);
    const { localAddress: address, localFamily: family, localPort: port } = server;
    assertEquals(server.address(), { address, family, port });
    const { options } = client.connection;
    assertEquals([options.writeDelay, options.keepAlive], [false, 15_000]);
    assertStrictEquals(client.setNoDelay(false).setKeepAlive(true, 1000), client);
    const changed = client.connection.options;
    assertEquals([changed.writeDelay, changed.keepAlive], [true, 1000]);
    client.setNoDelay().setKeepAlive(true);
    assertEquals(client.connection.options.keepAlive, 1000, "0 leaves the delay as it is");
    client.setKeepAlive();
    assertEquals(client.connection.options.keepAlive, Infinity);
    assertEquals(server.setKeepAlive(true).connection.options.keepAlive, 15_000);
    assertStrictEquals(client.unref().ref(), client);
    await assertRejects(async () => await client.setTimeout(-1), RangeError, "-1");
  });
}

async function httpRequests(runtime: Runtime): Promise<void> {
  const { connect, listen } = runtime;
  const listener = await listen({ ...HERE, ...FAST });
  const server = http.createServer(async (request, response) => {
    const body = await bytesOf(request);
    response.setHeader("x-peer", `${request.socket.remoteAddress}`);
    if (request.url === "/stop") response.setHeader("connection", "close");
    response.end(`${request.method} ${request.url} ${body.length} ${sha256(body)}`);
  });
  // Deno ends the connections of a server that does not listen after each response.
  server.listen(0, "127.0.0.1");
  const accepted: ConnectionDuplex[] = [];
  (async () => {
    for await (const conn of listener) {
      const stream = toDuplex(conn);
      accepted.push(stream);
      server.emit("connection", stream);
    }
  })();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const dial = () => connect({ ...HERE, ...FAST, port: listener.addr.port });
  const spare = [await dial(), await dial()];
  // deno-lint-ignore no-explicit-any -- the types of Node.js know no such method
  (agent as any).createConnection = () => toDuplex(spare.shift()!, { allowHalfOpen: false });
  const ask = async (path: string, body: Uint8Array) => {
    const request = http.request({ agent, method: "POST", path, host: "localhost" });
    request.end(body);
    const [response] = await once(request, "response");
    assertEquals(response.headers["x-peer"], "127.0.0.1");
    return await textOf(response);
  };
  for (const size of [0, 10, 200_000]) {
    const body = bytes(size);
    assertEquals(await ask(`/${size}`, body), `POST /${size} ${size} ${sha256(body)}`);
  }
  assertEquals([accepted.length, spare.length], [1, 1], "three requests share a connection");
  // The server ends an idle connection. The agent must not use it again.
  accepted[0].destroy();
  await once(agent.freeSockets["localhost:80:"]![0], "close");
  assertEquals(await ask("/stop", bytes(3)), `POST /stop 3 ${sha256(bytes(3))}`);
  assertEquals([accepted.length, spare.length], [2, 0]);
  if (!accepted[1].closed) await once(accepted[1], "close");
  agent.destroy();
  server.close();
  listener.close({ connections: "abort", timeWait: 0 });
  await listener.closed;
}

async function httpUpgrade(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const web = http.createServer();
    web.on("upgrade", (_request, socket) => {
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n",
      );
      socket.pipe(socket);
    });
    web.emit("connection", server);
    const request = http.request({
      createConnection: () => client as never,
      headers: { connection: "upgrade", upgrade: "echo" },
    });
    request.end();
    const [, socket] = await once(request, "upgrade");
    socket.end("over the upgraded connection");
    assertEquals(await textOf(socket), "over the upgraded connection");
  });
}

async function http2Requests(runtime: Runtime): Promise<void> {
  await withPair(runtime, async ({ client, server }) => {
    const web = http2.createServer();
    web.on("stream", (stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
      assertEquals(headers[":method"], "POST");
    });
    web.emit("connection", server);
    const session = http2.connect("http://localhost", { createConnection: () => client });
    const ask = async (size: number) => {
      const request = session.request({ ":method": "POST" });
      const sent = bytes(size);
      request.end(sent);
      assertEquals(sha256(await bytesOf(request)), sha256(sent));
    };
    await Promise.all([ask(1), ask(100_000), ask(1000)]);
    session.close();
    if (!client.closed) await once(client, "close");
  });
}

async function secure(runtime: Runtime): Promise<void> {
  const { key, cert } = runtime;
  await withPair(runtime, async ({ client, server }) => {
    const serving = new tls.TLSSocket(server as never, { isServer: true, key, cert });
    const echoing = pipeline(serving, serving);
    const socket = tls.connect({
      socket: client as never,
      ca: cert,
      servername: "localhost",
    });
    await once(socket, "secureConnect");
    assert(socket.authorized);
    const sent = bytes(500_000);
    socket.write(sent);
    const parts: Buffer[] = [];
    let count = 0;
    socket.on("data", (chunk) => {
      parts.push(chunk);
      count += chunk.length;
      // Bun loses what it has not sent when TLS over a Duplex ends earlier.
      if (count === sent.length) socket.end();
    });
    await finished(socket);
    assertEquals(sha256(Buffer.concat(parts)), sha256(sent));
    await echoing;
  });
}

async function secureFails(runtime: Runtime): Promise<void> {
  const { cert } = runtime;
  await withPair(runtime, async ({ client, server }) => {
    const socket = tls.connect({ socket: client as never, ca: cert, servername: "localhost" });
    server.once("data", () => server.destroy(new Error("No TLS here")));
    const [error] = await once(socket, "error");
    assert(error instanceof Error);
    if (!client.closed) await once(client, "close");
  });
}

async function overMux({ bind }: Runtime): Promise<void> {
  const listener = await listenMux({ ...HERE, ...FAST, bind });
  const mux = await connectMux({ ...HERE, ...FAST, bind, port: listener.addr.port });
  const serving = (async () => {
    const peer = await listener.accept();
    const servers = [];
    for await (const stream of peer.incomingBidirectionalStreams) {
      const duplex = toDuplex(stream);
      servers.push(pipeline(duplex, duplex));
      if (servers.length === 2) break;
    }
    await Promise.all(servers);
    await peer.closed;
  })();
  const sent = bytes(1_000_000);
  const echo = async () => {
    const stream = toDuplex(await mux.createBidirectionalStream());
    stream.setNoDelay().setKeepAlive(true, 1000);
    stream.end(sent);
    assertEquals(sha256(await bytesOf(stream)), sha256(sent));
    assertEquals(stream.remotePort, listener.addr.port);
    if (!stream.closed) await once(stream, "close");
  };
  await Promise.all([echo(), echo()]);
  mux.close();
  await serving;
  listener.close();
  await listener.closed;
}

/** All scenarios, by what they show. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  "each direction ends on its own": half,
  "allowHalfOpen false: the stream ends when the peer's does": fullClose,
  "10 MB come back whole through a pipeline": large,
  "corked writes, empty and very large ones arrive in order": corked,
  "a chunk keeps little more memory than it has bytes": memory,
  "a reader that stops stops the writer; what waits is bounded": slowReader,
  "destroy with an error aborts the connection, and the peer gets the reason": abort,
  "a pipeline that fails aborts the connection": pipelineFails,
  "what arrived before the failure is read before its error": lastBytes,
  "a failed write does not take what has arrived from a reader": failedWrite,
  "a failure is told to a stream that nobody reads": nobodyReads,
  "the connection is closed below the stream": closedBelow,
  "destroySoon and close: everything is delivered": destroyDelivers,
  "a signal destroys the stream, also one that was aborted before": signal,
  "setTimeout tells of silence": idle,
  "the members of net.Socket": face,
  "http.request through an http.Agent that keeps connections": httpRequests,
  "an upgraded HTTP connection": httpUpgrade,
  "HTTP/2 with requests side by side": http2Requests,
  "TLS in both directions": secure,
  "TLS: the peer ends the connection in the handshake": secureFails,
  "streams of a mux": overMux,
};
