/**
 * When the answers of an application leave: many small ones share packets, a single one leaves at once.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { listenOn } from "../../../transport/mod.ts";
import { Mux } from "../../../transport/mux.ts";
import { decode, encode, PUSH } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, settle } from "../harness.ts";
import { concat, frame } from "./harness.ts";

const PEER = "10.0.0.1:80";
const SYN = 0;
const PSH = 2;

/** A server that answers each stream with a byte, after some turns of the microtask queue. */
async function server(): Promise<FakeSocket> {
  const socket = new FakeSocket();
  const listener = listenOn(socket, new FakeClock(), { idleTimeout: Infinity, nc: true });
  // The first segment opens the conversation.
  const hello = concat([frame(2, SYN, 3), frame(2, PSH, 3, new Uint8Array(1))]);
  socket.receiver!.packet(encode({ conv: 7, sn: 0, data: hello, wnd: 1000 }), PEER);
  const mux = new Mux(await listener.accept(), { client: false });
  (async () => {
    for await (const stream of mux) {
      stream.read(new Uint8Array(1)).then(() => stream.write(new Uint8Array(1))).catch(() => {});
    }
  })().catch(() => {});
  await settle();
  socket.sent.length = 0;
  return socket;
}

/** A packet that opens streams, with a byte on each. */
function opening(count: number, size: number): Uint8Array {
  const frames = Array.from({ length: count }, (_, i) => {
    return [frame(2, SYN, 5 + 2 * i), frame(2, PSH, 5 + 2 * i, new Uint8Array(size))];
  });
  return encode({ conv: 7, sn: 1, data: concat(frames.flat()), wnd: 1000 });
}

/** Packets with data that were sent since the last call. */
function dataPackets(socket: FakeSocket): number {
  const sent = socket.sent.splice(0);
  return sent.filter(({ packet }) => decode(packet).some(({ cmd }) => cmd === PUSH)).length;
}

for (
  const [what, count, size, held] of [
    ["many small frames are answered together", 20, 1, true],
    ["a single stream is answered at once", 1, 1, false],
    ["large frames are answered at once", 2, 4000, false],
  ] as const
) {
  Deno.test(`answers: ${what}`, async () => {
    const socket = await server();
    socket.receiver!.packet(opening(count, size), PEER, true);
    await settle();
    const before = dataPackets(socket);
    socket.receiver!.settled();
    await settle();
    const after = dataPackets(socket);
    assertEquals([before > 0, after], held ? [false, 1] : [true, 0]);
    socket.receiver!.failed(new Error("The test is over"));
    await settle();
  });
}

Deno.test("answers: a socket that does not tell when the application had time gets them at once", async () => {
  const socket = await server();
  socket.receiver!.packet(opening(20, 1), PEER);
  await settle();
  assertEquals(dataPackets(socket) > 0, true);
  socket.receiver!.failed(new Error("The test is over"));
  await settle();
});
