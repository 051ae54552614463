import { RTO_MAX, rtoGrowth } from "./rto.ts";

/** Why a segment is due to be sent again. */
export const REASON_TIMEOUT = 0;
export const REASON_FAST = 1;
export const REASON_EARLY = 2;

// Fields of a segment in the integer table.
const STRIDE = 5;
const XMIT = 0;
const TIMEOUTS = 1;
const LIST = 2;
const PREV = 3;
const NEXT = 4;
// Fields of a segment in the table of times.
const TIMES = 4;
const SENT = 0;
const FIRST_SENT = 1;
const ORDER = 2;
const REASON = 3;

/** Values of LIST for a segment that is in no list. */
const UNSENT = -1;
const ACKED = -2;
/** Segments with this many timeouts or more share the last list. */
const LEVELS = 32;
/**
 * The list of segments that are due to be sent again. Lists 0 to 31 hold segments in flight, by
 * their number of timeouts. Lists 32 to 63 hold those that were sent more often than `fastlimit`
 * allows.
 */
const DUE = 2 * LEVELS;
/** The list of segments beyond the peer's window, which are sent again when it opens. */
const PARKED = DUE + 1;
/** No place in the table. */
const NONE = -1;

/**
 * Decides which segments are lost and due to be sent again. It knows a segment by its place in the
 * table of the send buffer.
 *
 * Segments in flight are in lists, sorted by the time of the last transmission. There is one list
 * per number of timeouts, since the timeout depends on nothing else. So the next timeout is at the
 * head of a list, and an acknowledgment takes a segment out of the middle in O(1).
 *
 * Fast retransmit needs no counter per segment. Transmissions are numbered. A segment has been
 * skipped `n` times if `n` transmissions with a higher number have been acknowledged, that is, if
 * its number is below the n-th highest acknowledged one. Such segments are at the heads of the
 * lists. RFC 9002 §6.1.1 detects loss in the same way.
 */
export class LossDetector {
  #table = new Int32Array(0);
  #times = new Float64Array(0);
  /** Head and tail of each list: a place in the table, or NONE. */
  readonly #heads = new Int32Array(PARKED + 1).fill(NONE);
  readonly #tails = new Int32Array(PARKED + 1).fill(NONE);
  /** Bit n is set while list n has a segment. */
  #occupied = 0;
  /** Bit n is set while list n + 32 has a segment. */
  #occupiedSlow = 0;
  /** Number of the last transmission. */
  #order = 0;
  /** The highest transmission numbers that were acknowledged, descending. */
  #acked = new Float64Array(1);
  #growth = new Float64Array(LEVELS);
  #fastlimit = 0;
  #resend = 0;
  /** What was not sent after this time, in ms, times out after the first timeout. */
  #forgivenUntil = -Infinity;

  /** Takes over settings. They may change while segments are in flight. */
  configure(nodelay: 0 | 1 | 2, resend: number, fastlimit: number): void {
    for (let n = 0; n < LEVELS; n++) this.#growth[n] = rtoGrowth(nodelay, n);
    this.#fastlimit = fastlimit;
    this.#resend = resend;
    const acked = new Float64Array(Math.max(1, resend));
    acked.set(this.#acked.subarray(0, acked.length));
    this.#acked = acked;
  }

  /** Adds a segment that was never sent. */
  add(slot: number): void {
    const at = slot * STRIDE;
    this.#table[at + XMIT] = 0;
    this.#table[at + TIMEOUTS] = 0;
    this.#table[at + LIST] = UNSENT;
  }

  /** Notes that a segment is sent now. Returns whether it is the first transmission. */
  transmit(slot: number, now: number): boolean {
    const at = slot * STRIDE;
    const time = slot * TIMES;
    const table = this.#table;
    const first = table[at + LIST] === UNSENT;
    if (first) this.#times[time + FIRST_SENT] = now;
    else this.#unlink(slot);
    const xmit = ++table[at + XMIT];
    this.#times[time + SENT] = now;
    this.#times[time + ORDER] = ++this.#order;
    const level = Math.min(table[at + TIMEOUTS], LEVELS - 1);
    const fast = this.#fastlimit === 0 || xmit <= this.#fastlimit;
    this.#link(slot, fast ? level : level + LEVELS);
    return first;
  }

  /** Marks a segment as acknowledged. */
  acknowledge(slot: number): void {
    this.#unlink(slot);
    this.#table[slot * STRIDE + LIST] = ACKED;
  }

  /** Whether a segment has been acknowledged. */
  isAcked(slot: number): boolean {
    return this.#table[slot * STRIDE + LIST] === ACKED;
  }

  /** Whether a segment was sent more than once. */
  wasResent(slot: number): boolean {
    return this.#table[slot * STRIDE + XMIT] > 1;
  }

  /** Time of the last transmission of a segment in flight, in ms. */
  sentAt(slot: number): number {
    return this.#times[slot * TIMES + SENT];
  }

  /** Time of the first transmission of a segment in flight, in ms. */
  firstSentAt(slot: number): number {
    return this.#times[slot * TIMES + FIRST_SENT];
  }

  /** Whether a segment is due to be sent again. */
  get due(): boolean {
    return this.#heads[DUE] !== NONE;
  }

  /** The first segment that is due to be sent again. Only valid if one is. */
  get firstDue(): number {
    return this.#heads[DUE];
  }

  /** Why a segment is due. */
  reason(slot: number): number {
    return this.#times[slot * TIMES + REASON];
  }

  /** Notes that the last transmission of a segment arrived: earlier ones in flight were skipped. */
  noteArrived(slot: number): void {
    const order = this.#times[slot * TIMES + ORDER];
    const acked = this.#acked;
    let i = acked.length - 1;
    if (order <= acked[i]) return;
    for (; i > 0 && acked[i - 1] < order; i--) acked[i] = acked[i - 1];
    acked[i] = order;
  }

  /** Makes segments due that were skipped `resend` times, or once if `early`. Returns how many. */
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

  /**
   * Makes segments due whose timeout has passed. Returns how many.
   *
   * @param longest Upper bound of the timeout in ms, if it is not below the first one.
   */
  collectTimeouts(now: number, rto: number, longest: number): number {
    let count = 0;
    const most = this.#longestTimeout(rto, longest);
    for (let half = 0; half < 2; half++) {
      for (let bits = half === 0 ? this.#occupied : this.#occupiedSlow; bits !== 0;) {
        const level = 31 - Math.clz32(bits);
        bits &= ~(1 << level);
        const timeout = Math.min(most, rto * this.#growth[level]);
        const first = Math.min(most, rto * this.#growth[0]);
        for (let slot; (slot = this.#heads[level + half * LEVELS]) !== NONE;) {
          const sent = this.#times[slot * TIMES + SENT];
          const forgiven = level > 0 && sent <= this.#forgivenUntil;
          if (sent + (forgiven ? first : timeout) > now) break;
          if (forgiven) this.#table[slot * STRIDE + TIMEOUTS] = 0;
          else this.#table[slot * STRIDE + TIMEOUTS]++;
          this.#makeDue(slot, REASON_TIMEOUT);
          count++;
        }
      }
    }
    return count;
  }

  /** The time of the next timeout in ms, `Infinity` if nothing is in flight. */
  nextTimeout(rto: number, longest: number): number {
    const most = this.#longestTimeout(rto, longest);
    let next = Infinity;
    for (let half = 0; half < 2; half++) {
      for (let bits = half === 0 ? this.#occupied : this.#occupiedSlow; bits !== 0;) {
        const level = 31 - Math.clz32(bits);
        bits &= ~(1 << level);
        const sent = this.#times[this.#heads[level + half * LEVELS] * TIMES + SENT];
        const factor = this.#growth[sent <= this.#forgivenUntil ? 0 : level];
        next = Math.min(next, sent + Math.min(most, rto * factor));
      }
    }
    return next;
  }

  /** A bound on the timeout never makes it shorter than the first one. */
  #longestTimeout(rto: number, longest: number): number {
    return Math.min(RTO_MAX, Math.max(longest, rto * this.#growth[0]));
  }

  /**
   * Lets everything that is in flight at the time `now` time out after the first timeout, however often
   * it has timed out before. Those timeouts show nothing: the path was down.
   */
  forgive(now: number): void {
    this.#forgivenUntil = now;
  }

  /** Whether a segment is in flight, has timed out, and was not sent after `time`. */
  hasTimedOut(slot: number, time: number): boolean {
    const at = slot * STRIDE;
    const list = this.#table[at + LIST];
    return list >= 0 && list < DUE && this.#table[at + TIMEOUTS] > 0 && this.sentAt(slot) <= time;
  }

  /**
   * Makes the oldest segment due if it is in flight.
   *
   * @param all Whether every segment that has timed out is due, too, and starts with the first
   * timeout again.
   */
  resume(oldest: number, now: number, all: boolean): void {
    const list = this.#table[oldest * STRIDE + LIST];
    if (list >= 0 && list < DUE && this.sentAt(oldest) < now) {
      if (all) this.#table[oldest * STRIDE + TIMEOUTS] = 0;
      this.#makeDue(oldest, REASON_TIMEOUT);
    }
    if (!all) return;
    for (let list = 1; list < DUE; list++) {
      if (list === LEVELS) continue;
      for (let slot; (slot = this.#heads[list]) !== NONE;) {
        this.#table[slot * STRIDE + TIMEOUTS] = 0;
        this.#makeDue(slot, REASON_TIMEOUT);
      }
    }
  }

  /** The first segment that waits for the peer's window, -1 if none does. */
  get firstParked(): number {
    return this.#heads[PARKED];
  }

  /** The segment that waits for the window behind `slot`, -1 if none does. */
  nextParked(slot: number): number {
    return this.#table[slot * STRIDE + NEXT];
  }

  /** Whether segments wait for the peer's window. */
  get parked(): boolean {
    return this.#heads[PARKED] !== NONE;
  }

  /** Lets a due segment wait for the peer's window. */
  park(slot: number): void {
    this.#unlink(slot);
    this.#link(slot, PARKED);
  }

  /** Makes a segment due that waited for the peer's window. */
  unpark(slot: number): void {
    this.#makeDue(slot, REASON_TIMEOUT);
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

  /** Moves segments `una` to before `end` to larger tables, and every link with them. */
  grow(una: number, end: number, oldMask: number, mask: number): void {
    const old = this.#table;
    const oldTimes = this.#times;
    const table = new Int32Array((mask + 1) * STRIDE);
    const times = new Float64Array((mask + 1) * TIMES);
    const move = (slot: number) => slot === NONE ? NONE : (una + ((slot - una) & oldMask)) & mask;
    for (let sn = una; sn !== end; sn = (sn + 1) | 0) {
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
  }

  /** Frees the tables. Only valid while no segment is kept. */
  release(): void {
    this.#table = new Int32Array(0);
    this.#times = new Float64Array(0);
  }

  /** Drops every segment. */
  clear(): void {
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#occupied = this.#occupiedSlow = 0;
  }
}
