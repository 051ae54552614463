import type { Arena } from "./arena.ts";
import { ByteRing } from "./byte_ring.ts";
import { RTO_MAX, rtoGrowth } from "./rto.ts";
import { distance, timestamp } from "./segment.ts";

/** Why a segment is due to be sent again. */
export const REASON_TIMEOUT = 0;
export const REASON_FAST = 1;
export const REASON_EARLY = 2;

// Fields of a segment in the integer table.
const STRIDE = 8;
const POS = 0;
const LEN = 1;
const FRG = 2;
const XMIT = 3;
const TIMEOUTS = 4;
const LIST = 5;
const PREV = 6;
const NEXT = 7;
// Fields of a segment in the table of times.
const TIMES = 4;
const SENT = 0;
const FIRST_SENT = 1;
const ORDER = 2;
const REASON = 3;

const MIN_CAPACITY = 16;
/** Values of LIST beside the lists' own numbers. */
const UNSENT = -1;
const ACKED = -2;
/** Segments with as many timeouts or more share the last list. */
const LEVELS = 32;
/** Lists 0 to 31: in flight, by timeouts; 32 to 63: the same, past the fast retransmit limit. */
const DUE = 2 * LEVELS;
/** Segments beyond the peer's window, which wait for it to open. */
const PARKED = DUE + 1;
const NONE = -1;

/**
 * Segments from `snd_una` to the end of the send queue, at `sn & mask` of typed arrays.
 *
 * What is in flight stands in lists that are sorted by the time of the last transmission, one list per
 * number of timeouts, since the timeout depends on nothing else: so the next timeout is at the head of
 * a list, and an acknowledgment takes a segment out of the middle, whatever is in flight.
 *
 * Fast retransmit needs no counter per segment either. Transmissions are numbered; a segment has been
 * skipped `n` times exactly if `n` transmissions with a higher number have been acknowledged, that is,
 * if its number is below the n-th highest one acknowledged. Those segments are the heads of the lists.
 * (RFC 9002 §6.1.1 detects loss in the same way.)
 */
export class SendBuffer {
  /** First sequence number that is not acknowledged. */
  una: number;
  /** First sequence number that was never sent. */
  nxt: number;
  /** Sequence number of the next segment to be queued. */
  end: number;
  /** Segments that are sent and not acknowledged, on their way or due to be sent again. */
  inFlight = 0;
  /** Segments acknowledged so far, and how many of them had to be sent again for that. */
  acknowledged = 0;
  lost = 0;
  /** Payload bytes that are queued or unacknowledged. */
  get bytes(): number {
    return this.#ring.length;
  }

  readonly #ring: ByteRing;
  #mask = 0;
  #table = new Int32Array(0);
  #times = new Float64Array(0);
  /** Head and tail of each list: a place in the table, or NONE. */
  readonly #heads = new Int32Array(PARKED + 1).fill(NONE);
  readonly #tails = new Int32Array(PARKED + 1).fill(NONE);
  /** Bit n: list n, or n + 32, has a segment. */
  #occupied = 0;
  #occupiedSlow = 0;
  #order = 0;
  /** The highest transmission numbers acknowledged, descending. */
  #acked = new Float64Array(1);
  #growth = new Float64Array(LEVELS);
  #fastlimit = 0;
  #resend = 0;

  constructor(arena: Arena, initialSn: number) {
    this.#ring = new ByteRing(arena);
    this.una = this.nxt = this.end = initialSn | 0;
  }

  /** Takes over settings; both may change while segments are in flight. */
  configure(nodelay: 0 | 1 | 2, resend: number, fastlimit: number): void {
    for (let n = 0; n < LEVELS; n++) this.#growth[n] = rtoGrowth(nodelay, n);
    this.#fastlimit = fastlimit;
    this.#resend = resend;
    const acked = new Float64Array(Math.max(1, resend));
    acked.set(this.#acked.subarray(0, acked.length));
    this.#acked = acked;
  }

  /** Segments that wait for their first transmission. */
  get waiting(): number {
    return (this.end - this.nxt) | 0;
  }

  /** Whether a segment is due to be sent again. */
  get due(): boolean {
    return this.#heads[DUE] !== NONE;
  }

  /** Keeps `length` bytes of payload for segments to come; false when memory is out. */
  store(source: Uint8Array, length: number): boolean {
    return this.#ring.append(source, length);
  }

  /** Queues a segment whose payload is the `length` bytes that end `before` bytes before the last. */
  enqueue(length: number, frg: number, before: number): void {
    const count = (this.end - this.una) | 0;
    if (count >= this.#table.length / STRIDE) this.#grow();
    const at = (this.end & this.#mask) * STRIDE;
    const table = this.#table;
    table[at + POS] = (this.#ring.end - before - length) | 0;
    table[at + LEN] = length;
    table[at + FRG] = frg;
    table[at + XMIT] = 0;
    table[at + TIMEOUTS] = 0;
    table[at + LIST] = UNSENT;
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

  length(sn: number): number {
    return this.#table[(sn & this.#mask) * STRIDE + LEN];
  }

  frg(sn: number): number {
    return this.#table[(sn & this.#mask) * STRIDE + FRG];
  }

  /** Time of the last transmission of a segment in flight. */
  sentAt(sn: number): number {
    return this.#times[(sn & this.#mask) * TIMES + SENT];
  }

  /** Time of the first transmission of a segment in flight. */
  firstSentAt(sn: number): number {
    return this.#times[(sn & this.#mask) * TIMES + FIRST_SENT];
  }

  /** Copies a segment's payload to `offset` of the arena. */
  copyPayload(sn: number, offset: number): void {
    const at = (sn & this.#mask) * STRIDE;
    const length = this.#table[at + LEN];
    if (length > 0) this.#ring.copyInside(this.#table[at + POS], length, offset);
  }

  /** Sequence number of the first segment that is due to be sent again; only if one is. */
  get firstDue(): number {
    // Places in the table are sequence numbers modulo its size, and una is the lowest of them.
    return (this.una + ((this.#heads[DUE] - this.una) & this.#mask)) | 0;
  }

  /** Why a due segment is due. */
  reason(sn: number): number {
    return this.#times[(sn & this.#mask) * TIMES + REASON];
  }

  /** Notes that segment `sn` leaves now. */
  transmit(sn: number, now: number): void {
    const slot = sn & this.#mask;
    const at = slot * STRIDE;
    const time = slot * TIMES;
    const table = this.#table;
    if (table[at + LIST] === UNSENT) {
      this.#times[time + FIRST_SENT] = now;
      this.inFlight++;
      this.nxt = (sn + 1) | 0;
    } else {
      this.#unlink(slot);
    }
    const xmit = ++table[at + XMIT];
    this.#times[time + SENT] = now;
    this.#times[time + ORDER] = ++this.#order;
    const level = Math.min(table[at + TIMEOUTS], LEVELS - 1);
    const fast = this.#fastlimit === 0 || xmit <= this.#fastlimit;
    this.#link(slot, fast ? level : level + LEVELS);
  }

  /** Whether a segment from `una` on has been acknowledged. */
  isAcked(sn: number): boolean {
    return this.#table[(sn & this.#mask) * STRIDE + LIST] === ACKED;
  }

  /**
   * Takes a segment in flight as acknowledged, and returns its payload bytes.
   *
   * @param ts The `ts` that the acknowledgment echoes. If it is the first transmission's, that one arrived.
   */
  acknowledge(sn: number, ts: number): number {
    const slot = sn & this.#mask;
    const at = slot * STRIDE;
    this.#unlink(slot);
    this.acknowledged++;
    const again = this.#table[at + XMIT] > 1;
    if (again && distance(ts, timestamp(this.firstSentAt(sn))) !== 0) this.lost++;
    this.#table[at + LIST] = ACKED;
    this.inFlight--;
    if (sn === this.una) this.#advance(this.#nextUnacked((sn + 1) | 0));
    return this.#table[at + LEN];
  }

  /**
   * Takes every segment before `una` as acknowledged, and returns the payload bytes of those new.
   *
   * @param arrivable When the last transmission was after this time, this acknowledges an earlier one.
   */
  acknowledgeUpTo(una: number, arrivable: number): number {
    let bytes = 0;
    const table = this.#table;
    for (let sn = this.una; sn !== una; sn = (sn + 1) | 0) {
      const slot = sn & this.#mask;
      if (table[slot * STRIDE + LIST] === ACKED) continue;
      this.#unlink(slot);
      this.inFlight--;
      this.acknowledged++;
      if (table[slot * STRIDE + XMIT] > 1 && this.sentAt(sn) <= arrivable) this.lost++;
      bytes += table[slot * STRIDE + LEN];
    }
    this.#advance(this.#nextUnacked(una));
    return bytes;
  }

  /** The first segment from `sn` on that is not acknowledged. */
  #nextUnacked(sn: number): number {
    while (sn !== this.nxt && this.isAcked(sn)) sn = (sn + 1) | 0;
    return sn;
  }

  #advance(una: number): void {
    this.una = una;
    if (una !== this.end) {
      this.#ring.discard(this.#table[(una & this.#mask) * STRIDE + POS]);
    } else {
      this.#ring.discard(this.#ring.end);
      this.#ring.rewind();
    }
  }

  /** Notes that the last transmission of `sn` has been acknowledged: earlier ones were skipped. */
  noteAcked(sn: number): void {
    const order = this.#times[(sn & this.#mask) * TIMES + ORDER];
    const acked = this.#acked;
    let i = acked.length - 1;
    if (order <= acked[i]) return;
    for (; i > 0 && acked[i - 1] < order; i--) acked[i] = acked[i - 1];
    acked[i] = order;
  }

  /** Makes the segments due that were skipped `resend` times, or once if `early`; counts them. */
  collectSkipped(early: boolean): number {
    if (this.#resend === 0) return 0;
    const threshold = this.#acked[early ? 0 : this.#acked.length - 1];
    const reason = early ? REASON_EARLY : REASON_FAST;
    let count = 0;
    for (let bits = this.#occupied; bits !== 0;) {
      const level = 31 - Math.clz32(bits);
      bits &= ~(1 << level);
      for (let slot; (slot = this.#heads[level]) !== NONE;) {
        if (this.#times[slot * TIMES + ORDER] >= threshold) break;
        this.#makeDue(slot, reason);
        count++;
      }
    }
    return count;
  }

  /** Makes the segments due whose timeout has passed; counts them. */
  collectTimeouts(now: number, rto: number, longest: number): number {
    let count = 0;
    const most = this.#longestTimeout(rto, longest);
    for (let half = 0; half < 2; half++) {
      for (let bits = half === 0 ? this.#occupied : this.#occupiedSlow; bits !== 0;) {
        const level = 31 - Math.clz32(bits);
        bits &= ~(1 << level);
        const timeout = Math.min(most, rto * this.#growth[level]);
        for (let slot; (slot = this.#heads[level + half * LEVELS]) !== NONE;) {
          if (this.#times[slot * TIMES + SENT] + timeout > now) break;
          this.#table[slot * STRIDE + TIMEOUTS]++;
          this.#makeDue(slot, REASON_TIMEOUT);
          count++;
        }
      }
    }
    return count;
  }

  /** No timeout is longer than `longest`, unless the first one is. */
  #longestTimeout(rto: number, longest: number): number {
    return Math.min(RTO_MAX, Math.max(longest, rto * this.#growth[0]));
  }

  /** Whether the oldest segment timed out and was sent again, before `time`. */
  backedOff(time: number): boolean {
    const slot = this.una & this.#mask;
    const list = this.#table[slot * STRIDE + LIST];
    return this.inFlight > 0 && list >= 0 && list < DUE &&
      this.#table[slot * STRIDE + TIMEOUTS] > 0 && this.#times[slot * TIMES + SENT] <= time;
  }

  /**
   * Makes the oldest segment due, if it is in flight.
   *
   * @param all Whether all segments in flight start again with the first timeout.
   */
  resume(now: number, all: boolean): void {
    if (this.inFlight === 0) return;
    const table = this.#table;
    const oldest = this.una & this.#mask;
    const list = table[oldest * STRIDE + LIST];
    if (list >= 0 && list < DUE && this.#times[oldest * TIMES + SENT] < now) {
      this.#makeDue(oldest, REASON_TIMEOUT);
    }
    if (!all) return;
    for (let level = LEVELS - 1; level > 0; level--) {
      for (let half = 0; half < 2; half++) {
        for (let slot; (slot = this.#heads[level + half * LEVELS]) !== NONE;) {
          table[slot * STRIDE + TIMEOUTS] = 0;
          this.#makeDue(slot, REASON_TIMEOUT);
        }
      }
    }
  }

  /** Whether segments wait for the peer's window. */
  get parked(): boolean {
    return this.#heads[PARKED] !== NONE;
  }

  /** Lets a due segment wait until the peer's window reaches it. */
  park(sn: number): void {
    const slot = sn & this.#mask;
    this.#unlink(slot);
    this.#link(slot, PARKED);
  }

  /** Makes the parked segments due that lie before `edge`, the end of the peer's window. */
  unpark(edge: number): void {
    for (let slot = this.#heads[PARKED]; slot !== NONE;) {
      const next = this.#table[slot * STRIDE + NEXT];
      const sn = (this.una + ((slot - this.una) & this.#mask)) | 0;
      if (distance(sn, edge) < 0) this.#makeDue(slot, REASON_TIMEOUT);
      slot = next;
    }
  }

  /** Payload bytes that {@linkcode SendBuffer.store} can take though the arena is full. */
  get storable(): number {
    return this.#ring.free;
  }

  /** The time of the next timeout. */
  nextTimeout(rto: number, longest: number): number {
    const most = this.#longestTimeout(rto, longest);
    let next = Infinity;
    for (let half = 0; half < 2; half++) {
      for (let bits = half === 0 ? this.#occupied : this.#occupiedSlow; bits !== 0;) {
        const level = 31 - Math.clz32(bits);
        bits &= ~(1 << level);
        const sent = this.#times[this.#heads[level + half * LEVELS] * TIMES + SENT];
        next = Math.min(next, sent + Math.min(most, rto * this.#growth[level]));
      }
    }
    return next;
  }

  /** Gives memory back if nothing is queued or in flight. */
  release(): void {
    if (this.una !== this.end) return;
    this.#ring.release();
    this.#table = new Int32Array(0);
    this.#times = new Float64Array(0);
    this.#mask = 0;
  }

  /** Drops everything. */
  clear(): void {
    this.una = this.nxt = this.end;
    this.inFlight = 0;
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#occupied = this.#occupiedSlow = 0;
    this.#ring.clear();
    this.release();
  }

  #makeDue(slot: number, reason: number): void {
    this.#unlink(slot);
    this.#times[slot * TIMES + REASON] = reason;
    this.#link(slot, DUE);
  }

  #link(slot: number, list: number): void {
    const table = this.#table;
    const tail = this.#tails[list];
    table[slot * STRIDE + LIST] = list;
    table[slot * STRIDE + PREV] = tail;
    table[slot * STRIDE + NEXT] = NONE;
    this.#tails[list] = slot;
    if (tail !== NONE) {
      table[tail * STRIDE + NEXT] = slot;
    } else {
      this.#heads[list] = slot;
      if (list < LEVELS) this.#occupied |= 1 << list;
      else if (list < DUE) this.#occupiedSlow |= 1 << (list - LEVELS);
    }
  }

  #unlink(slot: number): void {
    const table = this.#table;
    const list = table[slot * STRIDE + LIST];
    const prev = table[slot * STRIDE + PREV];
    const next = table[slot * STRIDE + NEXT];
    if (prev === NONE) this.#heads[list] = next;
    else table[prev * STRIDE + NEXT] = next;
    if (next === NONE) this.#tails[list] = prev;
    else table[next * STRIDE + PREV] = prev;
    if (prev === NONE && next === NONE) {
      if (list < LEVELS) this.#occupied &= ~(1 << list);
      else if (list < DUE) this.#occupiedSlow &= ~(1 << (list - LEVELS));
    }
  }

  /** Doubles the tables; every segment and every link moves to its new place. */
  #grow(): void {
    const old = this.#table;
    const oldTimes = this.#times;
    const oldMask = this.#mask;
    const capacity = Math.max(MIN_CAPACITY, 2 * old.length / STRIDE);
    const mask = capacity - 1;
    const table = new Int32Array(capacity * STRIDE);
    const times = new Float64Array(capacity * TIMES);
    const { una } = this;
    const move = (slot: number) => slot === NONE ? NONE : (una + ((slot - una) & oldMask)) & mask;
    for (let sn = una; sn !== this.end; sn = (sn + 1) | 0) {
      const from = (sn & oldMask) * STRIDE;
      const to = (sn & mask) * STRIDE;
      for (let i = 0; i < PREV; i++) table[to + i] = old[from + i];
      table[to + PREV] = move(old[from + PREV]);
      table[to + NEXT] = move(old[from + NEXT]);
      const time = (sn & oldMask) * TIMES;
      for (let i = 0; i < TIMES; i++) times[(sn & mask) * TIMES + i] = oldTimes[time + i];
    }
    for (let list = 0; list <= PARKED; list++) {
      this.#heads[list] = move(this.#heads[list]);
      this.#tails[list] = move(this.#tails[list]);
    }
    this.#table = table;
    this.#times = times;
    this.#mask = mask;
  }
}
