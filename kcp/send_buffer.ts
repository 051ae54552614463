import type { Arena } from "./arena.ts";
import { ByteRing } from "./byte_ring.ts";
import { RateSampler } from "./congestion/rate_sampler.ts";
import { LossDetector } from "./loss_detector.ts";
import { distance, OVERHEAD, timestamp } from "./segment.ts";
import { SentLog } from "./sent_log.ts";

// Fields of a segment in the table.
const STRIDE = 4;
const POS = 0;
const LEN = 1;
/** The fragments that follow in the message, or {@linkcode STREAM}. */
const FRG = 2;
/** Bytes of the packet that the segment was last sent in. */
const PACKET = 3;

/** The `frg` of a segment of the byte stream: 0 on the wire. It may be cut elsewhere. */
export const STREAM = 256;

const MIN_CAPACITY = 16;
/** How many of the last segments are remembered when the tables are freed. */
const REMEMBERED = 8;
/** An acknowledgment that comes in this part of the shortest round trip is of an earlier transmission. */
const CERTAIN = 3 / 4;

/**
 * Segments from `snd_una` to the end of the send queue, at `sn & mask` of typed arrays.
 *
 * Their payloads are in one byte ring. The {@linkcode LossDetector} knows what happened to each
 * segment since it was first sent.
 */
export class SendBuffer {
  /** First sequence number that is not acknowledged. */
  una: number;
  /** First sequence number that was never sent. */
  nxt: number;
  /** Sequence number of the next segment to be queued. */
  end: number;
  /** Segments that are sent and not acknowledged, those due to be sent again included. */
  inFlight = 0;
  /** Segments that were acknowledged. */
  acknowledged = 0;
  /** Acknowledged segments whose first transmission was lost. */
  lost = 0;
  /** Segments that were acknowledged when the last loss was seen. */
  acknowledgedAtLoss = 0;
  /**
   * Bytes of the largest packet that was acknowledged since the sender last set it to 0, and when
   * it was sent, in ms.
   */
  arrivedSize = 0;
  arrivedAt = -Infinity;
  /** When the first of the segments was sent that the packet acknowledges, in ms. */
  oldestAt = Infinity;
  /** The `frg` of the segment before `una`. */
  frgBefore = 0;
  readonly rates = new RateSampler();
  readonly detector = new LossDetector(this.rates);
  readonly #ring: ByteRing;
  readonly #log = new SentLog();
  /** The first segment whose fields may still be in the tables. */
  #keptFrom: number;
  #mask = 0;
  #table = new Int32Array(0);

  constructor(arena: Arena, initialSn: number) {
    this.#ring = new ByteRing(arena);
    this.una =
      this.nxt =
      this.end =
      this.#keptFrom =
        initialSn | 0;
  }

  /** Payload bytes that are queued or unacknowledged. */
  get bytes(): number {
    return this.#ring.length;
  }

  /** Segments that wait for their first transmission. */
  get waiting(): number {
    return (this.end - this.nxt) | 0;
  }

  /** Payload bytes that wait for their first transmission. */
  get unsentBytes(): number {
    if (this.nxt === this.end) return 0;
    return (this.#ring.end - this.#table[(this.nxt & this.#mask) * STRIDE + POS]) | 0;
  }

  /** Keeps `length` bytes of payload for segments to come. False when the arena has no memory. */
  store(source: Uint8Array, length: number): boolean {
    return this.#ring.append(source, length);
  }

  /**
   * Queues a segment of stored payload.
   *
   * @param before Stored bytes that follow the segment's payload.
   */
  enqueue(length: number, frg: number, before: number): void {
    const count = (this.end - this.una) | 0;
    if (count >= this.#table.length / STRIDE) this.#grow();
    const slot = this.end & this.#mask;
    const at = slot * STRIDE;
    const table = this.#table;
    table[at + POS] = (this.#ring.end - before - length) | 0;
    table[at + LEN] = length;
    table[at + FRG] = frg;
    table[at + PACKET] = 0;
    this.detector.add(slot);
    this.end = (this.end + 1) | 0;
  }

  /** Length of the segment that was queued last. */
  get lastLength(): number {
    return this.#table[((this.end - 1) & this.#mask) * STRIDE + LEN];
  }

  /** Adds `length` stored bytes to the segment that was queued last. */
  extendLast(length: number): void {
    this.#table[((this.end - 1) & this.#mask) * STRIDE + LEN] += length;
  }

  /** Payload bytes of a segment. */
  length(sn: number): number {
    return this.#table[(sn & this.#mask) * STRIDE + LEN];
  }

  /** Fragments that follow a segment in its message. */
  frg(sn: number): number {
    return this.#table[(sn & this.#mask) * STRIDE + FRG] & 0xff;
  }

  /** Whether a segment belongs to the byte stream, not to a message. */
  isStream(sn: number): boolean {
    return this.#table[(sn & this.#mask) * STRIDE + FRG] === STREAM;
  }

  /** The `frg` of the segment before `sn`, which is `una` or a later one. */
  frgBeforeSn(sn: number): number {
    return sn === this.una ? this.frgBefore : this.frg((sn - 1) | 0);
  }

  /** Bytes of the packet that a segment was last sent in. */
  packetSize(sn: number): number {
    return this.#table[(sn & this.#mask) * STRIDE + PACKET];
  }

  /** Notes the size of the packet that a segment is sent in. */
  setPacketSize(sn: number, bytes: number): void {
    this.#table[(sn & this.#mask) * STRIDE + PACKET] = bytes;
  }

  /** Copies a segment's payload to `offset` of the arena. */
  copyPayload(sn: number, offset: number): void {
    const at = (sn & this.#mask) * STRIDE;
    const length = this.#table[at + LEN];
    if (length > 0) this.#ring.copyInside(this.#table[at + POS], length, offset);
  }

  /** Copies `length` bytes of a segment's payload from `from` on to `offset` of the arena. */
  copyPart(sn: number, from: number, length: number, offset: number): void {
    const at = (sn & this.#mask) * STRIDE;
    this.#ring.copyInside((this.#table[at + POS] + from) | 0, length, offset);
  }

  /** Time of the last transmission of a segment in flight, in ms. */
  sentAt(sn: number): number {
    return this.detector.sentAt(sn & this.#mask);
  }

  /** Time of the last transmission of a segment in flight that was no copy, in ms. */
  resentAt(sn: number): number {
    return this.detector.resentAt(sn & this.#mask);
  }

  /** Time of the last transmission of a segment in flight in any way, in ms. */
  copiedAt(sn: number): number {
    return this.detector.copiedAt(sn & this.#mask);
  }

  /** Whether a segment from `una` to before `nxt` is in flight, and not due to be sent again. */
  isCopyable(sn: number): boolean {
    return this.detector.isWaiting(sn & this.#mask);
  }

  /** Time of the first transmission of a segment in flight, in ms. */
  firstSentAt(sn: number): number {
    return this.detector.firstSentAt(sn & this.#mask);
  }

  /** Whether a segment from `una` on has been acknowledged. */
  isAcked(sn: number): boolean {
    return this.detector.isAcked(sn & this.#mask);
  }

  /**
   * Whether a transmission of a segment, in flight or acknowledged lately, left at this time.
   *
   * @param ts As a `ts` without the offset of this end, a 32-bit signed integer.
   */
  wasSentAt(sn: number, ts: number): boolean {
    if (distance(sn, this.nxt) >= 0) return false;
    if (distance(sn, this.#firstKept) < 0) return this.#log.has(sn, ts);
    return ts === (timestamp(this.sentAt(sn)) | 0) || ts === (timestamp(this.resentAt(sn)) | 0) ||
      ts === (timestamp(this.copiedAt(sn)) | 0) || ts === (timestamp(this.firstSentAt(sn)) | 0);
  }

  /** The first segment whose fields are in the tables: a later one takes the place of an acknowledged one. */
  get #firstKept(): number {
    const first = (this.end - this.#table.length / STRIDE) | 0;
    return distance(first, this.#keptFrom) > 0 ? first : this.#keptFrom;
  }

  /** Remembers the last segments that were sent before the tables are freed. */
  #remember(): void {
    const before = this.nxt;
    const recent = (before - REMEMBERED) | 0;
    const kept = this.#firstKept;
    for (let sn = distance(recent, kept) > 0 ? recent : kept; distance(sn, before) < 0;) {
      this.#log.add(
        sn,
        timestamp(this.firstSentAt(sn)) | 0,
        timestamp(this.sentAt(sn)) | 0,
        timestamp(this.resentAt(sn)) | 0,
        timestamp(this.copiedAt(sn)) | 0,
      );
      sn = (sn + 1) | 0;
    }
    this.#keptFrom = before;
  }

  /** Whether a segment is due to be sent again. */
  get due(): boolean {
    return this.detector.due;
  }

  /**
   * Sequence number of the first segment that is due to be sent again. Only valid if one is. The one that
   * the peer needs first comes before others: where a window holds them back, it would wait behind all
   * of them each time that it is lost.
   */
  get firstDue(): number {
    if (this.detector.isDue(this.una & this.#mask)) return this.una;
    // Places in the table are sequence numbers modulo its size, and una is the lowest of them.
    return (this.una + ((this.detector.firstDue - this.una) & this.#mask)) | 0;
  }

  /** Why a segment is due to be sent again. */
  reason(sn: number): number {
    return this.detector.reason(sn & this.#mask);
  }

  /** Notes that a segment is sent now. */
  transmit(sn: number, now: number): void {
    const slot = sn & this.#mask;
    const first = this.detector.transmit(slot, now);
    this.rates.send(slot, OVERHEAD + this.#table[slot * STRIDE + LEN], now);
    if (!first) return;
    this.inFlight++;
    this.nxt = (sn + 1) | 0;
  }

  /** Notes that a copy of a segment in flight is sent now: see {@linkcode LossDetector.copy}. */
  copy(sn: number, now: number, restarts: boolean): void {
    this.detector.copy(sn & this.#mask, now, restarts);
  }

  /** Notes that the last transmission of a segment arrived: earlier ones in flight were skipped. */
  noteArrived(sn: number, now: number): void {
    this.notePacketArrived(sn, this.sentAt(sn));
    this.detector.noteArrived(sn & this.#mask, now);
  }

  /** Notes that another transmission of a segment arrived: see {@linkcode LossDetector}. */
  noteEarlierArrived(sn: number, ts: number, rtt: number, now: number): void {
    this.notePacketArrived(sn, now - rtt);
    this.detector.noteEarlierArrived(sn & this.#mask, ts, rtt, now);
  }

  /** Notes that a packet with a segment arrived that was sent at `sentAt`. */
  notePacketArrived(sn: number, sentAt: number): void {
    const size = this.#table[(sn & this.#mask) * STRIDE + PACKET];
    if (size < this.arrivedSize || size === this.arrivedSize && sentAt < this.arrivedAt) return;
    this.arrivedSize = size;
    this.arrivedAt = sentAt;
  }

  /**
   * Marks a segment in flight as acknowledged by its own acknowledgment.
   *
   * @param ts The `ts` that the acknowledgment echoes. It shows which transmission arrived.
   * @param now The time in ms.
   */
  acknowledge(sn: number, ts: number, now: number): void {
    const { detector } = this;
    const slot = sn & this.#mask;
    let certain = true;
    if (detector.wasRepeated(slot)) {
      if (distance(ts, timestamp(detector.firstSentAt(slot))) !== 0) this.#noteLoss();
      certain = distance(ts, timestamp(this.rates.sentAt(slot))) === 0;
    }
    const firstSentAt = detector.firstSentAt(slot);
    if (firstSentAt < this.oldestAt) this.oldestAt = firstSentAt;
    this.rates.acknowledge(slot, detector.isWaiting(slot), certain, now);
    detector.acknowledge(slot);
    this.acknowledged++;
    this.inFlight--;
    if (sn === this.una) this.#advance(this.#nextUnacked((sn + 1) | 0));
  }

  /**
   * Marks every segment before `una` as acknowledged. The arguments are those of
   * {@linkcode SendBuffer.acknowledgeUnnamed}.
   */
  acknowledgeUpTo(una: number, now: number, minRtt: number, ts: number): void {
    const { detector } = this;
    const first = this.una;
    for (let sn = first; sn !== una; sn = (sn + 1) | 0) {
      const slot = sn & this.#mask;
      if (detector.isAcked(slot)) continue;
      if (sn === first && !detector.wasRepeated(slot)) detector.noteFilled(slot, now);
      this.#acknowledge(sn, now, minRtt, ts);
    }
    this.#advance(this.#nextUnacked(una));
  }

  /**
   * Marks a segment in flight as acknowledged that no acknowledgment names by itself: `una` or a selective
   * acknowledgment covers it.
   *
   * @param now The time in ms.
   * @param minRtt The shortest round trip in ms, Infinity if it is unknown. A transmission that was
   * sent later can't have been acknowledged yet: an earlier one of the segment arrived.
   * @param ts The `ts` that an acknowledgment of the same packet echoes, as a time of this end; NaN
   * if there is none.
   */
  acknowledgeUnnamed(sn: number, now: number, minRtt: number, ts: number): void {
    this.#acknowledge(sn, now, minRtt, ts);
    if (sn === this.una) this.#advance(this.#nextUnacked((sn + 1) | 0));
  }

  #acknowledge(sn: number, now: number, minRtt: number, ts: number): void {
    const { detector } = this;
    const slot = sn & this.#mask;
    const sentAt = detector.sentAt(slot);
    const repeated = detector.wasRepeated(slot);
    let firstSentAt = sentAt;
    if (repeated) {
      firstSentAt = detector.firstSentAt(slot);
      const again = detector.wasResent(slot);
      const last = !again || sentAt <= now - (minRtt < Infinity ? minRtt : 0);
      // Only the last segment of a packet is named. Its `ts` is that of the others, too.
      const copied = detector.noteCopyWith(slot, ts);
      if (again && last || copied) this.#noteLoss();
      // The path may have become shorter.
      else if (again && sentAt > now - CERTAIN * minRtt) detector.noteNeedless(slot, now);
      this.notePacketArrived(sn, last ? sentAt : firstSentAt);
    } else {
      this.notePacketArrived(sn, sentAt);
    }
    if (firstSentAt < this.oldestAt) this.oldestAt = firstSentAt;
    this.rates.acknowledge(slot, detector.isWaiting(slot), !repeated, now);
    detector.acknowledge(slot);
    this.inFlight--;
    this.acknowledged++;
  }

  #noteLoss(): void {
    this.lost++;
    this.acknowledgedAtLoss = this.acknowledged;
    this.detector.noteLoss();
  }

  /** The first segment from `sn` on that is not acknowledged. */
  #nextUnacked(sn: number): number {
    while (sn !== this.nxt && this.isAcked(sn)) sn = (sn + 1) | 0;
    return sn;
  }

  #advance(una: number): void {
    this.frgBefore = this.frg((una - 1) | 0);
    this.una = una;
    if (una !== this.end) {
      this.#ring.discard(this.#table[(una & this.#mask) * STRIDE + POS]);
    } else {
      this.#ring.discard(this.#ring.end);
      this.#ring.rewind();
    }
  }

  /** The place of a segment in the table. */
  slotOf(sn: number): number {
    return sn & this.#mask;
  }

  /** Makes the segments due that waited for the peer's window and lie before its end, `edge`. */
  unpark(edge: number): void {
    const { detector, una } = this;
    for (let slot = detector.firstParked; slot >= 0;) {
      const next = detector.nextParked(slot);
      const sn = (una + ((slot - una) & this.#mask)) | 0;
      if (distance(sn, edge) < 0) detector.unpark(slot);
      slot = next;
    }
  }

  /** How many of `length` payload bytes {@linkcode SendBuffer.store} can take at present. */
  storable(length: number): number {
    return this.#ring.appendable(length);
  }

  /** Gives memory back that the payloads do not fill. Returns whether there was any. */
  shrink(): boolean {
    return this.#ring.shrink();
  }

  /** Size of the block that the arena must have before `length` bytes can be stored. */
  blockFor(length: number): number {
    return this.#ring.blockFor(length);
  }

  /**
   * Replaces the segments that wait for their first transmission by others with the same bytes.
   *
   * @param frgs The `frg` of each segment, or {@linkcode STREAM}.
   */
  replaceWaiting(lengths: readonly number[], frgs: readonly number[]): void {
    let left = lengths.reduce((sum, length) => sum + length, 0);
    this.end = this.nxt;
    for (const [i, length] of lengths.entries()) this.enqueue(length, frgs[i], left -= length);
  }

  /** Makes every segment in flight one that was never sent. None of them has arrived. */
  rewind(): void {
    const { detector, una } = this;
    this.lost += this.inFlight;
    this.#dropInFlight();
    detector.clear();
    for (let sn = una; sn !== this.nxt; sn = (sn + 1) | 0) detector.add(sn & this.#mask);
    this.inFlight = 0;
    this.nxt = una;
  }

  /** Gives memory back to the arena if nothing is queued or in flight. */
  release(): void {
    // Segments without payload, such as the end of a stream, need no bytes.
    this.#ring.release();
    if (this.una !== this.end) return;
    this.#remember();
    this.detector.release();
    this.rates.release();
    this.#table = new Int32Array(0);
    this.#mask = 0;
  }

  /** Drops everything. */
  clear(): void {
    this.#remember();
    this.#keptFrom = this.end;
    this.#dropInFlight();
    this.una = this.nxt = this.end;
    this.inFlight = 0;
    this.detector.clear();
    this.#ring.clear();
    this.release();
  }

  /** Nothing is in flight any more. */
  #dropInFlight(): void {
    for (let sn = this.una; sn !== this.nxt; sn = (sn + 1) | 0) {
      const slot = sn & this.#mask;
      if (this.detector.isWaiting(slot)) this.rates.drop(slot);
    }
    this.rates.clear();
  }

  /** Doubles the tables. Every segment moves to its new place. */
  #grow(): void {
    this.#keptFrom = this.una;
    const old = this.#table;
    const oldMask = this.#mask;
    const capacity = Math.max(MIN_CAPACITY, 2 * old.length / STRIDE);
    const mask = capacity - 1;
    const table = new Int32Array(capacity * STRIDE);
    for (let sn = this.una; sn !== this.end; sn = (sn + 1) | 0) {
      const from = (sn & oldMask) * STRIDE;
      const to = (sn & mask) * STRIDE;
      for (let i = 0; i < STRIDE; i++) table[to + i] = old[from + i];
    }
    this.detector.grow(this.una, this.end, oldMask, mask);
    this.rates.grow(this.una, this.end, oldMask, mask);
    this.#table = table;
    this.#mask = mask;
  }
}
