/**
 * How many segments per second two state machines carry, both in this process, on a link in memory.
 *
 * The sender's queue is kept full, the link carries at once all that the window allows, the receiver reads
 * after each batch of packets and acknowledges, and a millisecond of virtual time has passed: so a window's
 * worth of data is in flight all the time. The clock starts when three windows have been carried and memory has grown to what
 * it will be.
 *
 * @module
 */
import { Arena, Kcp, PacketBatch, turbo } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";

/** Payload of a full segment at an MTU of 1400. */
const MESSAGE = 1376;

/** Carries `total` messages with `window` segments in flight, and returns segments per second. */
export function runCore(window: number, loss: number, total: number): number {
  const arena = new Arena();
  const options = {
    ...turbo,
    sndWnd: window,
    rcvWnd: window,
    sndQueue: 255,
    // A link in memory has no receive buffer that could overflow.
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

  const carry = (from: Kcp, to: Kcp, fill: () => void) => {
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
    carry(sender, receiver, fill);
    carry(receiver, sender, () => {});
  };
  while (received < 3 * window) round();
  const before = received;
  const started = performance.now();
  while (received < before + total) round();
  const seconds = (performance.now() - started) / 1000;
  if (buffer.some((byte, i) => byte !== message[i])) {
    throw new Error("what arrived is not what was sent");
  }
  return (received - before) / seconds;
}
