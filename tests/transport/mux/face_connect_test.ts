/**
 * `connectMux`, `listenMux`, and muxes over several conversations.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectionError, listen, turbo } from "../../../mod.ts";
import { connectMux, listenMux, Mux, MuxListener } from "../../../transport/mux.ts";
import { DenoSocket } from "../../../transport/deno.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { connectBeside } from "../../../transport/connection/sockets.ts";
import { type DatagramReceiver, type DatagramSocket, listenOn } from "../../../transport/mod.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { readExactly } from "../harness.ts";
import { frame } from "./harness.ts";
import { errorOf, readAll } from "./face_pair.ts";

/** A short TIME-WAIT: the tests wait for sockets to close. */
const SETTINGS = { ...turbo, timeWait: 1 };
const LOOPBACK = { hostname: "127.0.0.1", ...SETTINGS };

/** Answers all streams of all muxes with their bytes. */
async function echo(listener: MuxListener): Promise<void> {
  for await (const incoming of listener) echoOn(await incoming.accept());
}

async function echoOn(mux: Mux): Promise<void> {
  for await (const { readable, writable } of mux) readable.pipeTo(writable).catch(() => {});
}

Deno.test("connectMux and listenMux: streams over KCP, and the end of both sides", async () => {
  const listener = await listenMux(LOOPBACK);
  const serving = echo(listener);
  const client = await connectMux({ port: listener.addr.port, ...SETTINGS });
  await client.ready;
  const sent = pattern(200_000);
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const stream = await client.createBidirectionalStream({ waitUntilAvailable: true });
      const writing = stream.writeAll(sent).then(() => stream.closeWrite());
      assertEquals(await readAll(stream), sent);
      await writing;
    }),
  );
  assertEquals([client.state, listener.muxes.length], ["open", 1]);
  assertEquals(client.remoteAddr, listener.addr);
  await client[Symbol.asyncDispose]();
  assertEquals(client.state, "closed");
  await listener[Symbol.asyncDispose]();
  await serving;
});

Deno.test("listenMux: a connection that is refused, and what a close tells", async () => {
  await using listener = await listenMux(LOOPBACK);
  const refused = await connectMux({ port: listener.addr.port, ...SETTINGS });
  const incoming = await listener.incoming();
  assertEquals(incoming.localIp, "127.0.0.1");
  assertEquals(incoming.remoteAddr.port, refused.localAddr.port);
  incoming.refuse();
  const error = await errorOf(refused.closed);
  assert(error.cause instanceof ConnectionError && error.cause.kind === "reset");

  const client = await connectMux({ port: listener.addr.port, ...SETTINGS });
  const server = await (await listener.incoming()).accept({ acceptBacklog: 1 });
  listener.close({ closeCode: 11, reason: "restart" });
  assertEquals(await client.closed, { closeCode: 11, reason: "restart" });
  assertEquals(await server.closed, { closeCode: 11, reason: "restart" });
  await assertRejects(() => listener.accept(), ConnectionError);
});

Deno.test("connectMux and listenMux: wrong options are refused, and no socket is left open", async () => {
  for (const sessions of [0, 257, 1.5]) {
    await assertRejects(() => connectMux({ port: 4000, sessions }), RangeError);
    await assertRejects(() => listenMux({ sessions }), RangeError);
  }
  await assertRejects(() => connectMux({ port: 4000, version: 3 as 1 }), RangeError);
  await assertRejects(() => listenMux({ hostname: "127.0.0.1", maxFrameSize: 0 }), RangeError);
  const wrong = { bind: undefined, unknown: 1, hostname: "127.0.0.1" };
  await assertRejects(() => listenMux(wrong), TypeError);
});

Deno.test("connectMux: nobody answers", async () => {
  const error = await assertRejects(
    () => connectMux({ port: 9, timeout: 50, sessions: 3, ...SETTINGS }),
    ConnectionError,
  );
  assertEquals(error.kind, "timeout");
});

for (const ownSockets of [false, true]) {
  Deno.test(`sessions: streams are spread over conversations, own sockets: ${ownSockets}`, async () => {
    await using listener = await listenMux(LOOPBACK);
    const serving = echo(listener);
    const options = { port: listener.addr.port, sessions: 4, ownSockets, ...SETTINGS };
    const client = await connectMux(options);
    assertEquals(client.sessions, 4);
    const sent = pattern(50_000);
    const streams = [];
    for (let i = 0; i < 16; i++) streams.push(await client.createBidirectionalStream());
    const lanes = streams.map(({ id }) => Math.floor(id / 2 ** 32));
    for (let lane = 0; lane < 4; lane++) {
      assertEquals(lanes.filter((other) => other === lane).length, 4);
    }
    assertEquals(new Set(streams.map(({ id }) => id)).size, 16);
    await Promise.all(streams.map(async (stream) => {
      const writing = stream.writeAll(sent).then(() => stream.closeWrite());
      assertEquals(await readAll(stream), sent);
      await writing;
    }));
    // The listener has taken each conversation for a mux of its own.
    assertEquals(listener.muxes.length, 4);
    const ports = new Set(listener.muxes.map(({ remoteAddr }) => remoteAddr.port));
    assertEquals(ports.size, ownSockets ? 4 : 1);
    await client[Symbol.asyncDispose]();
    listener.stop();
    await serving;
  });
}

Deno.test("sessions: a listener may join the conversations of one socket", async () => {
  await using listener = await listenMux({ ...LOOPBACK, sessions: 3 });
  const client = await connectMux({ port: listener.addr.port, sessions: 3, ...SETTINGS });
  const other = await connectMux({ port: listener.addr.port, sessions: 2, ...SETTINGS });
  const server = await listener.accept();
  const second = await listener.accept();
  const streams = [];
  for (let i = 0; i < 9; i++) streams.push(await client.createBidirectionalStream());
  for (const stream of streams) await stream.write(new Uint8Array([1]));
  for (let i = 0; i < 9; i++) {
    assertEquals(await (await server.accept()).read(new Uint8Array(1)), 1);
  }
  assertEquals([server.sessions, second.remoteAddr.port], [3, other.localAddr.port]);
  // Its own streams are spread, too.
  const back = [];
  for (let i = 0; i < 6; i++) back.push(await server.createBidirectionalStream());
  assertEquals(new Set(back.map(({ id }) => Math.floor(id / 2 ** 32))).size, 3);
  for (let i = 0; i < 6; i++) await client.accept();
  server.close({ closeCode: 2, reason: "bye" });
  assertEquals(await client.closed, { closeCode: 2, reason: "bye" });
  assertEquals(await server.closed, { closeCode: 2, reason: "bye" });
  await other[Symbol.asyncDispose]();
});

Deno.test("sessions: the streams of a group share a conversation", async () => {
  await using listener = await listenMux(LOOPBACK);
  const client = await connectMux({ port: listener.addr.port, sessions: 4, ...SETTINGS });
  const lanes = new Map<unknown, Set<number>>();
  const groups = [client.createSendGroup(), client.createSendGroup(), "chat", "files", 7];
  for (let i = 0; i < 20; i++) {
    for (const sendGroup of groups) {
      const { id } = await client.createBidirectionalStream({ sendGroup });
      const seen = lanes.get(sendGroup) ?? new Set();
      lanes.set(sendGroup, seen.add(Math.floor(id / 2 ** 32)));
    }
  }
  for (const sendGroup of groups) assertEquals(lanes.get(sendGroup)!.size, 1);
  assertEquals(lanes.get(groups[0])!.has([...lanes.get(groups[1])!][0]), false);
  await client[Symbol.asyncDispose]();
});

Deno.test("sessions: when one conversation fails, the mux fails", async () => {
  await using listener = await listenMux(LOOPBACK);
  const client = await connectMux({ port: listener.addr.port, sessions: 2, ...SETTINGS });
  const streams = [
    await client.createBidirectionalStream(),
    await client.createBidirectionalStream(),
  ];
  const errors = [...streams.map((stream) => stream.read(new Uint8Array(1))), client.accept()]
    .map((promise) => errorOf(promise));
  const [first] = await Promise.all([listener.accept(), listener.accept()]);
  first.connection!.abort("no more");
  for (const error of await Promise.all(errors)) {
    assert(error.cause instanceof Error, error.message);
  }
  await errorOf(client.closed);
});

Deno.test("MuxListener: over a listener of a simulated network, with datagrams", async () => {
  const network = new SimulatedNetwork({ link: { latency: 5 } });
  const at = { hostname: "10.0.0.1", port: 80 };
  const listener = new MuxListener(network.listen({ ...at, ...turbo }), { version: 1 });

  await network.run(async () => {
    const client = new Mux(network.connect({ ...at, ...turbo }), { client: true, version: 1 });
    const server = await listener.accept({ timeout: 1000 });
    await client.ready;
    const writer = client.datagrams.writable.getWriter();
    await writer.write(new Uint8Array([1, 2, 3]));
    const { value } = await server.datagrams.readable.getReader().read();
    assertEquals(value, new Uint8Array([1, 2, 3]));
    await server.sendDatagram(new Uint8Array([4]));
    assertEquals(await client.readDatagram({ timeout: 100 }), new Uint8Array([4]));
    const large = new Uint8Array(client.datagrams.maxDatagramSize + 1);
    await assertRejects(() => client.sendDatagram(large), RangeError);
    await client[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
  });
  const closed = await listen({ hostname: "127.0.0.1" });
  assertThrows(() => new MuxListener(closed, { sessions: 0 }), RangeError);
  closed.close();
});

Deno.test("sessions: a listener that joins conversations keeps 128 of them waiting, and refuses the others", async () => {
  const network = new SimulatedNetwork({ link: { latency: 1 } });
  const at = { hostname: "10.0.0.1", port: 80 };
  const listener = new MuxListener(network.listen({ ...at, ...turbo }), { sessions: 2 });

  await network.run(async () => {
    const clients: Mux[] = [];
    for (let i = 0; i < 131; i++) {
      clients.push(new Mux(network.connect({ ...at, ...turbo }), { client: true }));
      await network.delay(5);
    }
    const refused = clients.filter(({ state }) => state === "closed");
    assertEquals(refused.length, 3);
    assertEquals((await errorOf(refused[0].closed)).kind, "connection");
    for (let i = 0; i < 128; i++) await listener.accept({ timeout: 0 });
    listener.close();
    for (const client of clients) await client.closed.catch(() => {});
    await listener.closed;
  });
});

Deno.test("sessions: the socket keeps the process alive until the last conversation has ended", async () => {
  await using listener = await listenMux(LOOPBACK);
  const calls: string[] = [];
  const bind = (hostname: string, port: number) => {
    const socket = new DenoSocket(Deno.listenDatagram({ transport: "udp", hostname, port }));
    const unref = socket.unref.bind(socket);
    socket.unref = () => {
      calls.push("unref");
      unref();
    };
    return socket;
  };
  const client = await connectMux({ port: listener.addr.port, bind, sessions: 2, ...SETTINGS });
  for (let i = 0; i < 2; i++) await client.createBidirectionalStream();
  const servers = [await listener.accept(), await listener.accept()];
  servers[0].close();
  await servers[0].closed;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals([calls, client.state], [[], "open"]);
  await client[Symbol.asyncDispose]();
  assert(calls.length > 0);
});

Deno.test("sessions: a forged address does not get among the streams of the peer that has it", async () => {
  const network = new SimulatedNetwork({ link: { latency: 5 } });
  const at = { hostname: "10.0.0.1", port: 80 };
  const socket = network.socket(at.hostname, at.port);
  let receiver!: DatagramReceiver;
  const tapped: DatagramSocket = {
    address: socket.address,
    open: (own) => socket.open(receiver = own),
    send: (batch) => socket.send(batch),
    close: () => socket.close(),
    ref: () => {},
    unref: () => {},
  };
  const clock = network.clock();
  const listener = new MuxListener(listenOn(tapped, clock, turbo), { sessions: 3, version: 1 });
  /** A conversation that opens stream 3 and writes on it, from an address that is not its own. */
  const forge = (conv: number, from: string) => {
    const data = new Uint8Array([...frame(1, 0, 3), ...frame(1, 2, 3, [6, 6, 6])]);
    receiver.packet(encode({ conv, cmd: 81, wnd: 128, data }), from);
  };
  await network.run(async () => {
    // Before the peer comes, and after it.
    const address = "10.0.0.2:5000";
    forge(77, address);
    const conn = network.connect({
      ...at,
      ...turbo,
      localHostname: "10.0.0.2",
      localPort: 5000,
    });
    const client = new Mux(conn, { client: true, version: 1 });
    const stream = await client.createBidirectionalStream();
    await stream.write(new Uint8Array([1]));
    const forged = await listener.accept();
    const server = await listener.accept();
    forge(78, address);
    await network.delay(20_000);
    assertEquals([forged.state, forged.sessions, server.sessions], ["closed", 1, 1]);
    const accepted = await server.accept();
    assertEquals(await readExactly(accepted, 1), new Uint8Array([1]));
    assertEquals((await errorOf(server.accept({ timeout: 0 }))).kind, "timeout");
    // A true conversation of the same address is joined.
    const second = connectBeside(conn, 5);
    const raw = new Uint8Array([...frame(1, 0, 3), ...frame(1, 2, 3, [7])]);
    await second.write(raw);
    assertEquals(await readExactly(await server.accept(), 1), new Uint8Array([7]));
    assertEquals(server.sessions, 2);
    client.abort();
    second.abort();
    listener.close();
    await listener.closed;
  });
});
