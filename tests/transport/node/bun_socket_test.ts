/** The socket of Bun over an imitation of Bun. tests/interop/node_test.ts runs the real one. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Arena, PacketBatch } from "../../../kcp/mod.ts";
import type { DatagramReceiver } from "../../../transport/mod.ts";
import type { BunUdpHandlers, BunUdpSocket } from "../../../transport/node.ts";
import { bun, BunSocket, connect, listen } from "../../../transport/node.ts";

/** What a call of `sendMany` does: it sends so many packets, or throws. */
type Step = number | Error;

/** A socket of an imitated Bun. */
class FakeUdp implements BunUdpSocket {
  readonly address: { address: string; port: number };
  closed = false;
  /** The first byte of each packet that was sent, and where to. */
  readonly sent: string[] = [];
  /** What the next calls do; without a step, all is sent. */
  readonly steps: Step[] = [];
  handlers: BunUdpHandlers;

  constructor(hostname: string, port: number, handlers: BunUdpHandlers) {
    this.address = { address: hostname.split("%")[0], port: port || 4000 };
    this.handlers = handlers;
  }

  sendMany(packets: readonly (Uint8Array | number | string)[]): number {
    if (this.closed) throw new Error("Socket is closed");
    const step = this.steps.shift() ?? packets.length / 3;
    if (step instanceof Error) throw step;
    for (let i = 0; i < step; i++) {
      const [bytes, port, host] = packets.slice(3 * i, 3 * i + 3) as [Uint8Array, number, string];
      this.sent.push(`${bytes[0]} to ${host} ${port}`);
    }
    return step;
  }

  reload(): void {}

  setTTL(ttl: number): number {
    return ttl;
  }

  close(): void {
    this.closed = true;
  }

  ref(): void {}

  unref(): void {}
}

/** Runs `use` with a socket of the imitated Bun at an address. */
async function withSocket(
  hostname: string,
  use: (socket: BunSocket, udp: FakeUdp) => Promise<void> | void,
): Promise<void> {
  const scope = globalThis as { Bun?: unknown };
  let udp: FakeUdp | undefined;
  scope.Bun = {
    udpSocket: (options: { hostname: string; port: number; socket: BunUdpHandlers }) =>
      Promise.resolve(udp = new FakeUdp(options.hostname, options.port, options.socket)),
  };
  try {
    const socket = await bun()(hostname, 0) as BunSocket;
    await use(socket, udp!);
  } finally {
    delete scope.Bun;
  }
}

/** A batch of packets, each of one byte: 0, 1, 2 and so on. */
function batchOf(...to: string[]): PacketBatch {
  const arena = new Arena();
  const batch = new PacketBatch({ arena });
  to.forEach((destination, i) => {
    batch.destination = destination;
    const at = batch.reserve(1);
    arena.bytes[at] = i;
    batch.commit(at + 1);
  });
  return batch;
}

const A = "10.0.0.1:80", B = "10.0.0.2:90";
const REFUSED = new Error("connection refused");

/** A receiver that notes what it is given. */
function receiverOf(seen: string[]): DatagramReceiver {
  return {
    arena: new Arena(),
    packet: (bytes, from, held) => seen.push(`${bytes[0]} from ${from}${held ? ", held" : ""}`),
    packets: () => {},
    settled: () => seen.push("settled"),
    failed: (error) => seen.push(String(error)),
  };
}

Deno.test("Bun's socket: a batch leaves in one call, without a promise", async () => {
  await withSocket("0.0.0.0", (socket, udp) => {
    assertEquals(socket.send(batchOf(A, B, A)), undefined);
    assertEquals(udp.sent, ["0 to 10.0.0.1 80", "1 to 10.0.0.2 90", "2 to 10.0.0.1 80"]);
    assertEquals(socket.send(batchOf(B)), undefined);
    assertEquals(udp.sent.slice(3), ["0 to 10.0.0.2 90"]);
    assertEquals([socket.adapter, socket.address, socket.socket], ["bun", "0.0.0.0:4000", udp]);
  });
});

Deno.test("Bun's socket: an IPv6 socket sends to mapped addresses", async () => {
  await withSocket("::", (socket, udp) => {
    socket.send(batchOf(A, "[fd00::1]:90"));
    assertEquals(udp.sent, ["0 to ::ffff:10.0.0.1 80", "1 to fd00::1 90"]);
    const seen: string[] = [];
    socket.open(receiverOf(seen));
    udp.handlers.data!(udp, new Uint8Array([7]), 80, "::ffff:10.0.0.1");
    assertEquals(seen, ["7 from 10.0.0.1:80, held"]);
  });
});

Deno.test("Bun's socket: a full buffer makes the send wait for room", async () => {
  await withSocket("0.0.0.0", async (socket, udp) => {
    udp.steps.push(1, 0, 1, 0);
    let sent = false;
    const sending = Promise.resolve(socket.send(batchOf(A, A, B))).then(() => sent = true);
    assertEquals(udp.sent.length, 1);
    udp.handlers.drain!(udp);
    assertEquals(udp.sent.length, 2);
    await Promise.resolve();
    assertEquals(sent, false);
    udp.handlers.drain!(udp);
    await sending;
    assertEquals(udp.sent.map((text) => text[0]), ["0", "1", "2"]);
    udp.handlers.drain!(udp);
    assertEquals(udp.sent.length, 3, "nothing is sent twice");
  });
});

Deno.test("Bun's socket: an error of an earlier packet costs none, a refused packet only itself", async () => {
  await withSocket("0.0.0.0", (socket, udp) => {
    // After the first packet, the error of an older one is reported.
    udp.steps.push(1, REFUSED);
    assertEquals(socket.send(batchOf(A, B, A)), undefined);
    assertEquals(udp.sent.map((text) => text[0]), ["0", "1", "2"]);
    udp.sent.length = 0;
    udp.steps.push(1, REFUSED, REFUSED, 1);
    assertEquals(socket.send(batchOf(A, B, A)), undefined);
    assertEquals(udp.sent.map((text) => text[0]), ["0", "2"]);
  });
});

Deno.test("Bun's socket: a send ends with the socket", async () => {
  await withSocket("0.0.0.0", async (socket, udp) => {
    udp.steps.push(0);
    const sending = socket.send(batchOf(A));
    socket.close();
    await sending;
    assertEquals(udp.sent, []);
    socket.send(batchOf(A));
    socket.sendNow(batchOf(A));
    assertThrows(() => socket.settings, Error, "is closed");
    assertThrows(() => socket.configure({}), Error, "is closed");
  });
  await withSocket("0.0.0.0", (socket, udp) => {
    udp.closed = true;
    assertThrows(() => socket.send(batchOf(A)), Error, "Socket is closed");
    socket.sendNow(batchOf(A));
  });
  await withSocket("0.0.0.0", async (socket, udp) => {
    udp.steps.push(0);
    const sending = socket.send(batchOf(A)) as Promise<void>;
    udp.closed = true;
    udp.handlers.drain!(udp);
    await assertRejects(() => sending, Error, "Socket is closed");
  });
});

Deno.test("Bun's socket: packets that arrive together are answered together", async () => {
  await withSocket("0.0.0.0", async (socket, udp) => {
    const seen: string[] = [];
    // Nothing is lost if packets arrive early: the peer repeats them.
    udp.handlers.data!(udp, new Uint8Array([9]), 80, "10.0.0.1");
    socket.open(receiverOf(seen));
    for (const byte of [1, 2]) udp.handlers.data!(udp, new Uint8Array([byte]), 80, "10.0.0.1");
    udp.handlers.error!(udp, REFUSED);
    assertEquals(seen, ["1 from 10.0.0.1:80, held", "2 from 10.0.0.1:80, held"]);
    assertEquals(socket.readErrors, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(seen.slice(2), ["settled"]);
    udp.handlers.data!(udp, new Uint8Array([3]), 80, "10.0.0.1");
    socket.close();
    udp.handlers.data!(udp, new Uint8Array([4]), 80, "10.0.0.1");
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(seen.slice(3), ["3 from 10.0.0.1:80, held"]);
  });
});

Deno.test("Bun's socket: sizes of buffers that can't be set are refused, defaults are left out", async () => {
  await withSocket("0.0.0.0", async (socket) => {
    assertThrows(() => socket.settings, Error, "C library");
    assertThrows(() => socket.configure({ sendBuffer: 10_000 }), Error, "C library");
    assertThrows(() => socket.configure({ sendBuffer: 1 }), RangeError, "sendBuffer");
    assertThrows(() => bun({ receiveBuffer: 1 }), RangeError, "receiveBuffer");
    await assertRejects(
      async () => await bun({ receiveBuffer: 10_000 })("0.0.0.0", 0),
      Error,
      "C library",
    );
  });
});

Deno.test("Bun's socket: other runtimes have none, and /node opens it on Bun", async () => {
  assertThrows(() => bun(), Error, "use node() instead");
  await withSocket("0.0.0.0", async () => {
    const listener = await listen({ hostname: "10.0.0.9", port: 80 });
    assertEquals([listener.adapter, listener.addr.port], ["bun", 80]);
    const conn = await connect({ hostname: "10.0.0.9", port: 80 });
    assertEquals(conn.socket instanceof BunSocket, true);
    conn.abort();
    listener.close();
    await listener.closed;
  });
});
