import type { Pacer } from "./congestion/pacer.ts";
import type { PacketWriter } from "./packet_writer.ts";
import { CMD_PUSH, distance, OVERHEAD } from "./segment.ts";
import type { SendBuffer } from "./send_buffer.ts";

/**
 * How long after a retransmission its copy is sent, in ms. Longer, and a message that needs the copy is
 * among the slowest percent at 10 % loss; shorter, and a short burst of losses takes both.
 */
const COPY_DELAY = 3;
/** No copy is scheduled while more segments than this are in flight: it is a transfer, not a dialog. */
const MAX_FLIGHT = 256;
/** No copy of new data is scheduled while more segments than this are in flight. */
const MAX_NEW_FLIGHT = 64;
/** Copies that wait, at most: a power of two. */
const SIZE = 64;
/** Copies take at most this part of the bytes of first transmissions, and saved bytes of some packets. */
const BUDGET = 1 / 4;
const SAVED_BYTES = 16 * 1024;

/**
 * Sends segments more often than necessary, so that the loss of one packet costs no round trip.
 *
 * - Copies of retransmissions: what was lost once is sent twice. The loss of a retransmission is what makes the tail of
 *   the latency (Meng et al., "Hairpin: Rethinking Packet Loss Recovery in Edge-based Interactive Video
 *   Streaming", NSDI 2024). A copy leaves with the next packet that carries new data, or alone after
 *   3 ms. It is sent while nothing waits to be sent, within a budget of bytes.
 * - Copies of new data, in the same way: the loss of one of both packets costs no round trip.
 * - Ride-along: a packet with new data that has room carries the last segments before it again.
 *
 * Every KCP implementation drops the duplicates, and acknowledges a packet of them once.
 */
export class Redundancy {
  readonly counters = { copies: 0, copyBytes: 0, rideAlongs: 0, rideAlongBytes: 0 };
  #copies = 0;
  #newCopies = 0;
  #rideAlong = 0;
  #budget = SAVED_BYTES;
  // A queue of copies, in the order in which they are due.
  readonly #sns = new Int32Array(SIZE);
  readonly #left = new Int8Array(SIZE);
  /** When the retransmission left that is copied, and when the copy is due. */
  readonly #resentAt = new Float64Array(SIZE);
  readonly #dueAt = new Float64Array(SIZE);
  #head = 0;
  #tail = 0;
  readonly #onWrite: (sn: number) => void;

  /** @param onWrite Called after a segment was written whose packet is its own from now on. */
  constructor(onWrite: (sn: number) => void) {
    this.#onWrite = onWrite;
  }

  /** Takes over settings. */
  configure(copies: number, newCopies: number, rideAlong: number): void {
    this.#copies = copies;
    this.#newCopies = newCopies;
    this.#rideAlong = rideAlong;
    if (copies === 0 && newCopies === 0) this.clear();
  }

  /** Whether it has anything to do with new data that leaves now. */
  get active(): boolean {
    return this.#rideAlong > 0 || this.#head !== this.#tail;
  }

  /** Drops all copies that wait. */
  clear(): void {
    this.#head = this.#tail;
  }

  /** When the next copy is due, in ms; `Infinity` if none is. */
  get dueAt(): number {
    return this.#head === this.#tail ? Infinity : this.#dueAt[this.#head & (SIZE - 1)];
  }

  /** Notes that `bytes` of new payload left: copies may take a part of that. */
  allow(bytes: number): void {
    if (this.#copies === 0) return;
    const budget = Math.min(SAVED_BYTES, this.#budget + BUDGET * bytes);
    this.#budget = Math.max(this.#budget, budget);
  }

  /** Schedules the copies of a retransmission that leaves now. */
  schedule(buffer: SendBuffer, sn: number, now: number): void {
    if (this.#copies === 0 || buffer.waiting > 0 || buffer.inFlight > MAX_FLIGHT) return;
    this.#push(sn, this.#copies, now, now + COPY_DELAY);
  }

  /**
   * Schedules the copies of new segments that leave now, unless they are part of a transfer.
   *
   * @param from The first of them; the last is the last one in flight.
   */
  scheduleNew(buffer: SendBuffer, from: number, now: number): void {
    const copies = this.#newCopies;
    if (copies === 0 || buffer.waiting > 0 || buffer.inFlight > MAX_NEW_FLIGHT) return;
    for (let sn = from; sn !== buffer.nxt; sn = (sn + 1) | 0) {
      const bytes = copies * (OVERHEAD + buffer.length(sn));
      this.#budget = Math.min(2 * SAVED_BYTES, this.#budget + bytes);
      this.#push(sn, copies, now, now + COPY_DELAY);
    }
  }

  #push(sn: number, left: number, resentAt: number, dueAt: number): void {
    if (this.#tail - this.#head === SIZE) return;
    const at = this.#tail++ & (SIZE - 1);
    this.#sns[at] = sn;
    this.#left[at] = left;
    this.#resentAt[at] = resentAt;
    this.#dueAt[at] = dueAt;
  }

  /** Drops the copies at the head of the queue whose segment was acknowledged, or resent since. */
  #skipStale(buffer: SendBuffer): void {
    for (; this.#head !== this.#tail; this.#head++) {
      const at = this.#head & (SIZE - 1);
      const sn = this.#sns[at];
      const known = distance(sn, buffer.una) >= 0 && distance(sn, buffer.nxt) < 0;
      if (known && buffer.isCopyable(sn) && buffer.resentAt(sn) === this.#resentAt[at]) return;
    }
  }

  /**
   * Writes the copies that are due, each behind what the open packet has.
   *
   * @param edge The first sequence number that the peer's window has no room for.
   * @returns False when the batch is full, or the pacer stops.
   */
  writeDue(
    writer: PacketWriter,
    pacer: Pacer,
    buffer: SendBuffer,
    edge: number,
    ts: number,
    now: number,
  ): boolean {
    while (this.dueAt <= now) {
      this.#skipStale(buffer);
      if (this.dueAt > now) break;
      const sn = this.#sns[this.#head & (SIZE - 1)];
      const size = OVERHEAD + buffer.length(sn);
      if (!this.#mayCopy(writer, sn, size, edge)) {
        this.#head++;
        continue;
      }
      if (!writer.fits(size)) writer.close();
      if (!writer.carriesData && !pacer.ready) return false;
      if (!writer.reserve(size)) return false;
      this.#writeCopy(writer, buffer, sn, size, ts, now, false);
    }
    return true;
  }

  #mayCopy(writer: PacketWriter, sn: number, size: number, edge: number): boolean {
    return size <= this.#budget && size <= writer.mtu && distance(sn, edge) < 0;
  }

  /**
   * Writes the copy at the head of the queue.
   *
   * @param beside Whether its packet gets new data, too. That packet may be too large for the path, and the
   * acknowledgment of the retransmission before would look like one of it.
   */
  #writeCopy(
    writer: PacketWriter,
    buffer: SendBuffer,
    sn: number,
    size: number,
    ts: number,
    now: number,
    beside: boolean,
  ): void {
    const at = this.#head++ & (SIZE - 1);
    this.#budget -= size;
    this.counters.copies++;
    this.counters.copyBytes += size;
    this.#write(writer, buffer, sn, ts, now, true);
    if (!beside) this.#onWrite(sn);
    if (this.#left[at] > 1) {
      this.#push(sn, this.#left[at] - 1, this.#resentAt[at], now + COPY_DELAY);
    }
  }

  /**
   * Writes earlier segments into a packet that gets new data of `size` bytes, as far as there is room.
   * They come first: an acknowledgment names the last segment of a packet.
   *
   * @returns Whether it wrote any.
   */
  writeBeside(
    writer: PacketWriter,
    buffer: SendBuffer,
    size: number,
    edge: number,
    ts: number,
    now: number,
  ): boolean {
    let room = writer.room - size;
    if (room <= OVERHEAD) return false;
    let wrote = false;
    this.#skipStale(buffer);
    if (this.#head !== this.#tail && this.#resentAt[this.#head & (SIZE - 1)] < now) {
      const sn = this.#sns[this.#head & (SIZE - 1)];
      const copySize = OVERHEAD + buffer.length(sn);
      if (copySize <= room && this.#mayCopy(writer, sn, copySize, edge)) {
        if (!writer.reserve(copySize + size)) return false;
        this.#writeCopy(writer, buffer, sn, copySize, ts, now, true);
        room -= copySize;
        wrote = true;
      }
    }
    let count = 0, bytes = 0;
    while (count < this.#rideAlong) {
      const sn = (buffer.nxt - 1 - count) | 0;
      if (distance(sn, buffer.una) < 0) break;
      const more = buffer.isCopyable(sn) ? OVERHEAD + buffer.length(sn) : 0;
      if (bytes + more > room) break;
      bytes += more;
      count++;
    }
    if (bytes === 0 || !writer.reserve(bytes + size)) return wrote;
    for (let back = count; back > 0; back--) {
      const sn = (buffer.nxt - back) | 0;
      // One that is in this packet already was sent now.
      if (!buffer.isCopyable(sn) || buffer.copiedAt(sn) >= now) continue;
      this.counters.rideAlongs++;
      this.counters.rideAlongBytes += OVERHEAD + buffer.length(sn);
      this.#write(writer, buffer, sn, ts, now, false);
      wrote = true;
    }
    return wrote;
  }

  /**
   * Writes a segment that is in flight once more.
   *
   * @param restarts Whether its timeout counts from now on. It does not for one that rides along: that
   * may be just before the timeout, and be lost.
   */
  #write(
    writer: PacketWriter,
    buffer: SendBuffer,
    sn: number,
    ts: number,
    now: number,
    restarts: boolean,
  ): void {
    buffer.copyPayload(sn, writer.dataAt);
    writer.write(CMD_PUSH, buffer.frg(sn), ts, sn, buffer.length(sn));
    writer.carriesData = true;
    buffer.copy(sn, now, restarts);
  }
}
