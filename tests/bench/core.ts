/**
 * How many segments per second two state machines transfer in one process, on a link in memory.
 *
 * In each millisecond of virtual time, the sender sends all that its window allows, and the
 * receiver reads and acknowledges it. The send queue is always full, so a full window is always in
 * flight. The measurement starts after three windows, when memory no longer grows.
 *
 * @module
 */
import { Arena, Kcp, PacketBatch, turbo } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";

/** Payload of a full segment at an MTU of 1400. */
const MESSAGE = 1376;

/** Transfers `total` messages with `window` segments in flight. Returns segments per second. */
export function runCore(window: number, loss: number, total: number): number {
  const arena = new Arena();
  const options = {
    ...turbo,
    sndWnd: window,
    rcvWnd: window,
    sndQueue: 255,
    // A link in memory has no receive buffer that can overflow.
    burst: Infinity,
  };
  const sender = new Kcp(1, options, arena);
  const receiver = new Kcp(1, options, arena);
  const batch = new PacketBatch({ arena });
  const random = new Random(1);
  const message = random.fill(new Uint8Array(MESSAGE));
  const buffer = new Uint8Array(MESSAGE);
  let now = 0;
  let received = 0;

  const transfer = (from: Kcp, to: Kcp, fill: () => void) => {
    from.tick(now);
    for (fill(), batch.clear(); from.output(batch) > 0; fill(), batch.clear()) {
      for (let i = 0; i < batch.count; i++) {
        if (loss > 0 && random.chance(loss)) continue;
        to.inputAt(batch.starts[i], batch.ends[i], now);
      }
      while (to.recv(buffer) >= 0) received++;
    }
  };

  const fill = () => {
    while (sender.send(message));
  };
  const round = () => {
    now++;
    transfer(sender, receiver, fill);
    transfer(receiver, sender, () => {});
  };
  while (received < 3 * window) round();
  const before = received;
  const started = performance.now();
  while (received < before + total) round();
  const seconds = (performance.now() - started) / 1000;
  if (buffer.some((byte, i) => byte !== message[i])) {
    throw new Error("the received message differs from the sent message");
  }
  return (received - before) / seconds;
}
