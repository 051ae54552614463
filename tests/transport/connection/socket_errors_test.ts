import type { Socket } from "node:dgram";
import { EventEmitter } from "node:events";
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import { DenoSocket, listen as listenDeno } from "../../../transport/deno.ts";
import { linux } from "../../../transport/linux.ts";
import type { DatagramReceiver, DatagramSocket } from "../../../transport/mod.ts";
import { connectOn, listenOn } from "../../../transport/mod.ts";
import { listen as listenNode, NodeSocket } from "../../../transport/node.ts";
import { encode, pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket } from "../harness.ts";
import { RawSocket } from "../raw_socket.ts";

const PEER = "10.0.0.1:80";

/** Keeps what a socket delivers. */
class Receiver implements DatagramReceiver {
  readonly arena = new Arena();
  readonly packetsFrom: string[] = [];
  readonly errors: unknown[] = [];

  packet(_bytes: Uint8Array, from: string): void {
    this.packetsFrom.push(from);
  }

  packets(): void {}

  settled(): void {}

  failed(error: unknown): void {
    this.errors.push(error);
  }
}

/** One packet of 10 bytes to each address. */
function batchTo(...addresses: string[]): PacketBatch {
  const batch = new PacketBatch({ packets: 16 });
  for (const address of addresses) {
    batch.destination = address;
    batch.commit(batch.reserve(10) + 10);
  }
  return batch;
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// --- port 0 ---

Deno.test("port 0: a packet from there is dropped before it reaches a session", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const listener = listenOn(socket, clock, { interval: 10 });
  const packet = encode({ conv: 1, data: pattern(9) });
  socket.receiver!.packet(packet, "10.0.0.1:0");
  socket.receiver!.packet(packet, "[::1]:0");
  const { arena } = socket.receiver!;
  const at = arena.alloc(packet.length);
  arena.bytes.set(packet, at);
  socket.receiver!.packets(at, at + packet.length, packet.length, "10.0.0.1:0");
  assertEquals([listener.stats.packetsIn, listener.stats.sessions], [0, 0]);
  for (const port of [80, 10, 1000]) socket.receiver!.packet(packet, `10.0.0.1:${port}`);
  assertEquals(listener.stats.sessions, 3);
  await clock.advance(100);
  listener.close();
});

Deno.test("port 0: connectOn to there is refused", () => {
  for (const peer of ["10.0.0.1:0", "[::1]:0"]) {
    const open = () => connectOn(new FakeSocket(), new FakeClock(), peer, 1);
    assertThrows(open, RangeError, peer);
  }
});

for (
  const [name, open] of [
    ["Deno", () => listenDeno({ hostname: "127.0.0.1" })],
    ["node:dgram", () => listenNode({ hostname: "127.0.0.1" })],
    ["linux", () => listenDeno({ hostname: "127.0.0.1", bind: linux() })],
  ] as const
) {
  Deno.test({
    name: `port 0 on ${name}: a raw packet from there opens nothing, and the listener goes on`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      using raw = RawSocket.open();
      if (!raw) return; // The process has no right to open raw sockets.
      const listener = await open();
      const { port } = listener.addr;
      for (let conv = 0; conv < 20; conv++) {
        assert(raw.send(encode({ conv, data: pattern(9) }), 0, port));
      }
      assert(raw.send(encode({ conv: 77, data: pattern(5) }), 4321, port));
      const conn = await listener.accept();
      assertEquals([conn.conv, conn.remoteAddr.port], [77, 4321]);
      assertEquals(listener.stats.accepted, 1);
      // Its answers leave.
      await conn.write(pattern(5));
      await pause(50);
      conn.abort();
      listener.close();
      await listener.closed;
    },
  });
}

// --- Deno ---

/** A `Deno.DatagramConn` whose packets and errors a test chooses. */
class FakeConn {
  readonly addr = { transport: "udp", hostname: "127.0.0.1", port: 4000 } as const;
  /** What `receive` gives next: the port of a sender, or an error. */
  readonly incoming: (number | Error)[] = [];
  /** When `receive` was called. */
  readonly receivedAt: number[] = [];
  readonly sentTo: number[] = [];
  /** Errors of `send`, by the port of the destination. */
  readonly refused = new Map<number, Error>();
  /** Whether the last error comes again and again. */
  repeats = false;
  closed = false;
  #fail: (error: Error) => void = () => {};

  receive(buffer: Uint8Array): Promise<[Uint8Array, Deno.NetAddr]> {
    this.receivedAt.push(performance.now());
    const next = this.repeats ? this.incoming[0] : this.incoming.shift();
    if (next instanceof Error) return Promise.reject(next);
    if (next === undefined) return new Promise((_, reject) => this.#fail = reject);
    return Promise.resolve([buffer.subarray(0, 1), { ...this.addr, port: next }]);
  }

  send(packet: Uint8Array, { port }: Deno.NetAddr): Promise<number> {
    const error = this.refused.get(port);
    if (error) return Promise.reject(error);
    this.sentTo.push(port);
    return Promise.resolve(packet.length);
  }

  close(): void {
    if (this.closed) throw new Deno.errors.BadResource("Bad resource ID");
    this.closed = true;
    this.#fail(new Deno.errors.BadResource("Bad resource ID"));
  }
}

function denoSocket(): { conn: FakeConn; socket: DenoSocket; receiver: Receiver } {
  const conn = new FakeConn();
  const socket = new DenoSocket(conn as unknown as Deno.DatagramConn);
  return { conn, socket, receiver: new Receiver() };
}

Deno.test("Deno socket: it goes on after every error of receive but that of a closed socket", async () => {
  const { conn, socket, receiver } = denoSocket();
  conn.incoming.push(
    1,
    new Deno.errors.ConnectionRefused("refused"),
    2,
    systemError("ENOMEM"),
    systemError("ENOMEM"),
    new TypeError("Invalid argument (os error 22)"),
    3,
    new Deno.errors.PermissionDenied("denied"),
    new Deno.errors.Interrupted("interrupted"),
    4,
  );
  socket.open(receiver);
  for (let tries = 0; receiver.packetsFrom.length < 4 && tries < 100; tries++) await pause(10);
  assertEquals(receiver.packetsFrom, [1, 2, 3, 4].map((port) => `127.0.0.1:${port}`));
  assertEquals(receiver.errors, []);
  socket.close();
});

Deno.test("Deno socket: an error that repeats is met with longer and longer pauses", async () => {
  const { conn, socket, receiver } = denoSocket();
  conn.incoming.push(systemError("ENOMEM"));
  conn.repeats = true;
  socket.open(receiver);
  await pause(300);
  // 0, 1, 2, 4, 8, … ms: 10 calls in 300 ms.
  assertLess(conn.receivedAt.length, 14);
  assert(conn.receivedAt.length > 5, `${conn.receivedAt.length} calls`);
  assertEquals(receiver.errors, []);
  // The close ends the pause: no timer stays.
  socket.close();
});

for (const error of [new Deno.errors.BadResource("Bad resource ID"), systemError("EBADF")]) {
  Deno.test(`Deno socket: ${error.message} of receive is a failure, and close does not throw`, async () => {
    const { conn, socket, receiver } = denoSocket();
    conn.incoming.push(error);
    conn.closed = true;
    socket.open(receiver);
    await pause(0);
    assertEquals(receiver.errors, [error]);
    socket.close();
  });
}

Deno.test("Deno socket: a packet that send refuses is lost, the others leave", async () => {
  const { conn, socket } = denoSocket();
  for (
    const [port, error] of [
      [1, new TypeError("Invalid argument (os error 22)")],
      [2, systemError("ENETUNREACH")],
      [3, new Deno.errors.PermissionDenied("denied")],
      [4, new Deno.errors.Interrupted("interrupted")],
    ] as const
  ) conn.refused.set(port, error);
  await socket.send(batchTo(...[1, 9, 2, 9, 3, 9, 4, 9].map((port) => `127.0.0.1:${port}`)));
  assertEquals(conn.sentTo, [9, 9, 9, 9]);
  conn.refused.set(5, new Deno.errors.BadResource("Bad resource ID"));
  await assertRejects(() => socket.send(batchTo("127.0.0.1:5")), Deno.errors.BadResource);
  socket.close();
});

// --- node:dgram ---

/** A socket of `node:dgram` whose errors a test chooses. */
class FakeDgram extends EventEmitter {
  readonly sentTo: number[] = [];
  /** Errors that `send` throws, by the port of the destination. */
  readonly thrown = new Map<number, Error>();
  /** Errors that `send` reports, by the port of the destination. */
  readonly reported = new Map<number, Error>();
  /** Ports for which `send` never calls back. */
  readonly silent = new Set<number>();
  closed = false;

  address() {
    return { address: "127.0.0.1", port: 4000, family: "IPv4" };
  }

  send(_packet: Uint8Array, port: number, _host: string, done: (error: Error | null) => void) {
    const error = this.thrown.get(port);
    if (error) throw error;
    if (this.silent.has(port)) return;
    if (!this.reported.has(port)) this.sentTo.push(port);
    queueMicrotask(() => done(this.reported.get(port) ?? null));
  }

  close(): void {
    if (this.closed) throw systemError("ERR_SOCKET_DGRAM_NOT_RUNNING");
    this.closed = true;
    this.emit("close");
  }
}

function nodeSocket(): { dgram: FakeDgram; socket: DatagramSocket; receiver: Receiver } {
  const dgram = new FakeDgram();
  const socket = new NodeSocket(dgram as unknown as Socket);
  const receiver = new Receiver();
  socket.open(receiver);
  return { dgram, socket, receiver };
}

Deno.test("Node socket: an exception or error for one packet stops no other packet", async () => {
  const { dgram, socket, receiver } = nodeSocket();
  dgram.thrown.set(0, systemError("ERR_SOCKET_BAD_PORT"));
  dgram.reported.set(2, systemError("ENETUNREACH"));
  await socket.send(batchTo("10.0.0.1:0", PEER, "10.0.0.1:2", PEER, "10.0.0.1:0"));
  assertEquals([dgram.sentTo, receiver.errors], [[80, 80], []]);
  await socket.send(batchTo());
  dgram.reported.set(3, systemError("EBADF"));
  await assertRejects(async () => await socket.send(batchTo("10.0.0.1:3")), Error, "EBADF");
  socket.close();
  assertEquals(receiver.errors, []);
});

Deno.test("Node socket: an error of receive that may pass does not end it", () => {
  const { dgram, socket, receiver } = nodeSocket();
  for (const code of ["ECONNREFUSED", "ENOMEM", "EMSGSIZE", "EINVAL"]) {
    dgram.emit("error", systemError(code));
  }
  dgram.emit("message", new Uint8Array(3), { address: "10.0.0.1", port: 80 });
  assertEquals([receiver.packetsFrom, receiver.errors], [[PEER], []]);
  dgram.emit("error", systemError("EBADF"));
  assertEquals(receiver.errors.length, 1);
  socket.close();
});

Deno.test("Node socket: a close ends a send whose packets are never reported", async () => {
  const { dgram, socket } = nodeSocket();
  dgram.silent.add(80);
  const sending = socket.send(batchTo(PEER));
  socket.close();
  await sending;
});

Deno.test("Node socket: a close by other code is a failure, and close does not throw", async () => {
  const { dgram, socket, receiver } = nodeSocket();
  dgram.silent.add(80);
  const sending = socket.send(batchTo(PEER));
  dgram.close();
  await sending;
  assertEquals(receiver.errors.length, 1);
  socket.close();
});
