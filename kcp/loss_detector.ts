import type { RateSampler } from "./congestion/rate_sampler.ts";
import { ReorderingWindow } from "./reordering_window.ts";
import { RTO_MAX, rtoGrowth } from "./rto.ts";
import { distance, timestamp } from "./segment.ts";

/** Why a segment is due to be sent again. */
export const REASON_TIMEOUT = 0;
export const REASON_FAST = 1;
export const REASON_EARLY = 2;
export const REASON_PROBE = 3;

// Fields of a segment in the integer table.
const STRIDE = 5;
const XMIT = 0;
const TIMEOUTS = 1;
const LIST = 2;
const PREV = 3;
const NEXT = 4;
// Fields of a segment in the table of times.
const TIMES = 4;
/** When its timeout started: when it was last sent, not counting where it rode along. */
const SENT = 0;
const FIRST_SENT = 1;
/** Number of the last transmission. */
const ORDER = 2;
const REASON = 3;
// Fields of a segment that was sent more than once, in a table that others do not touch.
const REPEATS = 3;
/** When it was last sent for a reason of its own: not as a copy. */
const RESENT = 0;
/** Number of the first transmission. */
const FIRST_ORDER = 1;
/** When it was last sent in any way. */
const COPIED = 2;

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
/** The tail is probed after this many round trips without an acknowledgment. RFC 8985 §7.2: 2. */
const PROBE_ROUNDS = 1.5;
/**
 * With error correction, a segment that is late by more than this part of the round trip may be one
 * whose packet was lost and restored. That is no sign of reordering.
 */
const MOST_RESTORED = 1 / 8;
/**
 * So many acknowledgments of timed-out segments may have been lost one after another. If more do not come
 * in time, the peer holds them back.
 */
const LOST_IN_A_ROW = 8;

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
 *
 * On a path that reorders, such a segment may only be late. The acknowledgment of a needless
 * retransmission shows that, and by how much: it echoes the `ts` of the transmission that arrived. From
 * then on, a segment is lost when one that was sent later has arrived, and the reordering window has
 * passed: see {@linkcode ReorderingWindow}.
 */
export class LossDetector {
  #table = new Int32Array(0);
  #times = new Float64Array(0);
  #repeats = new Float64Array(0);
  /** 1 for a segment that was sent more than once, as a copy or for a reason of its own. */
  #repeated = new Uint8Array(0);
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
  /** Number of the newest transmission that has arrived, and its round-trip time in ms. */
  #newest = 0;
  #newestRtt = 0;
  /** That number before the packet that is being read. */
  #newestBefore = 0;
  /** The segment that was skipped last while it was the first that the peer lacked. */
  #hole = NONE;
  readonly #reordering = new ReorderingWindow();
  /**
   * How much later than others an answer may come without a loss: the peer may hold acknowledgments back
   * for longer than this end, and tell the round trip of the last one. It follows needless timeouts.
   */
  readonly #heldBack = new ReorderingWindow();
  /** Needless timeouts since a loss was seen. */
  #needlessTimeouts = 0;
  /** When something was last sent, in ms. The tail is not probed before the next acknowledgment. */
  #lastSentAt = -Infinity;
  #tailProbed = false;
  /** Whether an outer layer restores packets that were lost: their segments arrive late. */
  restores = false;
  /** Retransmissions that were needless: an earlier transmission of the segment has arrived. */
  needless = 0;
  /** Segments whose copy arrived first: of a retransmission, or beside another segment. */
  copiesFirst = 0;
  rideAlongsFirst = 0;
  readonly #rates: RateSampler;

  /** @param rates Takes the losses. */
  constructor(rates: RateSampler) {
    this.#rates = rates;
  }

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
    this.#repeated[slot] = 0;
  }

  /** Notes that a segment is sent now. Returns whether it is the first transmission. */
  transmit(slot: number, now: number): boolean {
    const at = slot * STRIDE;
    const time = slot * TIMES;
    const table = this.#table;
    const first = table[at + LIST] === UNSENT;
    if (first) {
      this.#times[time + FIRST_SENT] = now;
    } else {
      this.#unlink(slot);
      this.#repeat(slot, now);
      this.#repeats[slot * REPEATS + RESENT] = now;
    }
    const xmit = ++table[at + XMIT];
    this.#times[time + SENT] = now;
    this.#times[time + ORDER] = ++this.#order;
    this.#lastSentAt = now;
    const level = Math.min(table[at + TIMEOUTS], LEVELS - 1);
    const fast = this.#fastlimit === 0 || xmit <= this.#fastlimit;
    this.#link(slot, fast ? level : level + LEVELS);
    return first;
  }

  /**
   * Notes that a copy of a segment in flight is sent now. For `fastlimit` it is no transmission.
   *
   * @param restarts Whether the timeout counts from the copy on.
   */
  copy(slot: number, now: number, restarts: boolean): void {
    this.#repeat(slot, now);
    if (!restarts) return;
    const list = this.#table[slot * STRIDE + LIST];
    this.#unlink(slot);
    this.#times[slot * TIMES + SENT] = now;
    this.#times[slot * TIMES + ORDER] = ++this.#order;
    this.#lastSentAt = now;
    this.#link(slot, list);
  }

  /** Notes that a segment is sent now that was sent before. */
  #repeat(slot: number, now: number): void {
    const at = slot * REPEATS;
    if (this.#repeated[slot] === 0) {
      this.#repeated[slot] = 1;
      this.#repeats[at + RESENT] = this.#times[slot * TIMES + SENT];
      this.#repeats[at + FIRST_ORDER] = this.#times[slot * TIMES + ORDER];
    }
    this.#repeats[at + COPIED] = now;
  }

  /** Whether a segment is in flight and not due to be sent again. */
  isWaiting(slot: number): boolean {
    const list = this.#table[slot * STRIDE + LIST];
    return list >= 0 && list < DUE;
  }

  /** Whether a segment is due to be sent again. */
  isDue(slot: number): boolean {
    return this.#table[slot * STRIDE + LIST] === DUE;
  }

  /** Marks a segment as acknowledged. */
  acknowledge(slot: number): void {
    this.#unlink(slot);
    if (slot === this.#hole) this.#hole = NONE;
    this.#table[slot * STRIDE + LIST] = ACKED;
  }

  /** Whether a segment has been acknowledged. */
  isAcked(slot: number): boolean {
    return this.#table[slot * STRIDE + LIST] === ACKED;
  }

  /** Whether a segment was sent more than once, not counting copies. */
  wasResent(slot: number): boolean {
    return this.#table[slot * STRIDE + XMIT] > 1;
  }

  /** Whether a segment was sent more than once, as a copy or for a reason of its own. */
  wasRepeated(slot: number): boolean {
    return this.#repeated[slot] === 1;
  }

  /** Time of the last transmission in any way, in ms. */
  copiedAt(slot: number): number {
    return this.#repeated[slot] === 1 ? this.#repeats[slot * REPEATS + COPIED] : this.sentAt(slot);
  }

  /** Time of the last transmission that was no copy, in ms. */
  resentAt(slot: number): number {
    return this.#repeated[slot] === 1 ? this.#repeats[slot * REPEATS + RESENT] : this.sentAt(slot);
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

  /** Notes that the last transmission of a segment arrived at `now`. */
  noteArrived(slot: number, now: number): void {
    const time = slot * TIMES;
    const sent = this.#times[time + SENT];
    if (this.#repeated[slot] === 1 && sent !== this.resentAt(slot)) this.#noteCopy(slot);
    this.#noteOrder(this.#times[time + ORDER], now - sent, false, now);
  }

  /**
   * Notes that a transmission of a segment arrived at `now` which was not the last one.
   *
   * @param ts Its time in ms, as the `ts` of a packet.
   * @param rtt Its round-trip time in ms.
   */
  noteEarlierArrived(slot: number, ts: number, rtt: number, now: number): void {
    const time = slot * TIMES;
    const order = distance(ts, timestamp(this.resentAt(slot)));
    if (order > 0 && this.#repeated[slot] === 1) this.#noteCopy(slot);
    // The last retransmission was needless. A probe of the tail is no sign of reordering.
    const needless = order < 0 && this.#repeated[slot] === 1 &&
      this.#times[time + REASON] !== REASON_PROBE;
    if (needless) this.needless++;
    const first = this.#repeated[slot] === 1
      ? this.#repeats[slot * REPEATS + FIRST_ORDER]
      : this.#times[time + ORDER];
    this.#noteOrder(first, rtt, needless, now);
  }

  /** Notes that a transmission was lost: acknowledgments may be lost, too. */
  noteLoss(): void {
    this.#needlessTimeouts = 0;
  }

  /** Starts on a packet of the peer. */
  startPacket(): void {
    this.#newestBefore = this.#newest;
  }

  /**
   * Notes that `una` acknowledges a segment whose last transmission can't have arrived yet: an earlier one
   * has, so that one was needless.
   */
  noteNeedless(slot: number, now: number): void {
    const reason = this.#times[slot * TIMES + REASON];
    if (reason === REASON_PROBE) return;
    this.needless++;
    const waited = now - this.#times[slot * TIMES + FIRST_SENT];
    if (
      reason === REASON_TIMEOUT && this.#table[slot * STRIDE + XMIT] === 2 &&
      ++this.#needlessTimeouts > LOST_IN_A_ROW
    ) this.#noteHeldBack(waited, now);
    // Its acknowledgment may have been lost, unless `una` had shown that the peer lacked it.
    if (slot !== this.#hole || this.#table[slot * STRIDE + XMIT] !== 2) return;
    this.#noteLate(waited, now);
  }

  /**
   * Notes that `una` acknowledges a segment that was sent once, and that the peer lacked before. It is
   * late if it had been skipped then.
   */
  noteFilled(slot: number, now: number): void {
    if (!this.#reordering.open) return;
    const time = slot * TIMES;
    if (this.#times[time + ORDER] >= this.#newestBefore) return;
    this.#noteLate(now - this.#times[time + SENT], now);
  }

  /** Notes that an answer came after `rtt` ms, though nothing was lost, when its segment had timed out. */
  #noteHeldBack(rtt: number, now: number): void {
    const late = rtt - this.#newestRtt;
    if (late > 0) this.#heldBack.widen(now, this.#newestRtt, late);
  }

  /** Notes that a segment arrived after `rtt` ms, and after one that was sent later. */
  #noteLate(rtt: number, now: number): void {
    const late = rtt - this.#newestRtt;
    // With timeouts alone, no segment is skipped.
    if (this.#resend === 0 || late <= 0) return;
    if (this.restores && late > MOST_RESTORED * this.#newestRtt) return;
    this.#reordering.widen(now, this.#newestRtt, late);
  }

  /**
   * Notes that a segment arrived with a packet of this `ts`, if that was a copy of it.
   *
   * @param ts As a time of this end; NaN if the packet that acknowledges it echoes none.
   */
  noteCopyWith(slot: number, ts: number): boolean {
    const copied = this.copiedAt(slot);
    if (copied === this.resentAt(slot) || ts !== (timestamp(copied) | 0)) return false;
    this.#noteCopy(slot);
    return true;
  }

  #noteCopy(slot: number): void {
    // A segment that rides along does not restart the timeout.
    if (this.wasResent(slot) || this.sentAt(slot) === this.copiedAt(slot)) this.copiesFirst++;
    else this.rideAlongsFirst++;
  }

  /** Notes that the transmission with this number arrived: earlier ones in flight were skipped. */
  #noteOrder(order: number, rtt: number, needless: boolean, now: number): void {
    if (order > this.#newest) {
      this.#newest = order;
      this.#newestRtt = rtt;
    } else if (needless || this.#reordering.open) {
      this.#noteLate(rtt, now);
    }
    const acked = this.#acked;
    let i = acked.length - 1;
    if (order <= acked[i]) return;
    for (; i > 0 && acked[i - 1] < order; i--) acked[i] = acked[i - 1];
    acked[i] = order;
  }

  /**
   * Makes segments due that were skipped `resend` times, or once if `early`. On a path that reorders,
   * those that were skipped once and are late by more than the reordering window. Returns how many.
   *
   * @param una The first segment that the peer lacks.
   */
  collectSkipped(una: number, early: boolean, now: number): number {
    if (this.#resend === 0) return 0;
    const window = this.#reordering.at(now, this.#newestRtt);
    const threshold = this.#acked[early || window > 0 ? 0 : this.#acked.length - 1];
    const rtt = this.#newestRtt;
    const reason = early ? REASON_EARLY : REASON_FAST;
    let count = 0;
    for (let bits = this.#occupied; bits !== 0;) {
      const level = 31 - Math.clz32(bits);
      bits &= ~(1 << level);
      for (let slot; (slot = this.#heads[level]) !== NONE;) {
        if (this.#times[slot * TIMES + ORDER] >= threshold) break;
        // The same sum as in nextSkipped, rounded in the same way.
        if (window > 0 && this.#times[slot * TIMES + SENT] + rtt + window > now) break;
        if (slot === una) this.#hole = slot;
        // What was sent later has arrived: the path works, and the next timeout is a first one.
        this.#table[slot * STRIDE + TIMEOUTS] = 0;
        this.#lose(slot, reason, now);
        count++;
      }
    }
    return count;
  }

  /**
   * When the reordering window of a skipped segment has passed, in ms. `Infinity` if there is none:
   * then {@linkcode LossDetector.collectSkipped} depends on acknowledgments only.
   */
  nextSkipped(now: number): number {
    if (this.#resend === 0 || !this.#reordering.open) return Infinity;
    const window = this.#reordering.at(now, this.#newestRtt);
    let next = Infinity;
    for (let bits = this.#occupied; bits !== 0;) {
      const level = 31 - Math.clz32(bits);
      bits &= ~(1 << level);
      const time = this.#heads[level] * TIMES;
      if (this.#times[time + ORDER] >= this.#acked[0]) continue;
      next = Math.min(next, this.#times[time + SENT] + this.#newestRtt + window);
    }
    return next;
  }

  /** Notes that something was acknowledged: the tail may be probed again. */
  allowTailProbe(): void {
    this.#tailProbed = false;
  }

  /**
   * When the tail is probed, in ms, if no acknowledgment comes before: the segment that was sent last is
   * sent again, and its acknowledgment shows what was lost before it (RFC 8985 §7). `Infinity` if it
   * is not, or was.
   *
   * @param srtt The smoothed round-trip time in ms, -1 if it is unknown.
   * @param delay How long the peer may hold an acknowledgment back, in ms.
   */
  tailProbeAt(srtt: number, delay: number): number {
    // After a timeout, timeouts go on. Bit 0 alone: nothing has timed out.
    if (this.#occupied !== 1 || this.#occupiedSlow !== 0) return Infinity;
    if (this.#tailProbed || this.#resend === 0 || srtt < 0) return Infinity;
    return this.#lastSentAt + PROBE_ROUNDS * srtt + delay;
  }

  /** Makes the segment due that was sent last. Only valid if {@linkcode tailProbeAt} is finite. */
  probeTail(): void {
    this.#tailProbed = true;
    this.#recall(this.#tails[0], REASON_PROBE);
  }

  /**
   * Makes segments due whose timeout has passed. Returns how many.
   *
   * @param longest Upper bound of the timeout in ms, if it is not below the first one.
   */
  collectTimeouts(now: number, rto: number, longest: number): number {
    let count = 0;
    rto = this.#patient(rto, now);
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
          this.#lose(slot, REASON_TIMEOUT, now);
          count++;
        }
      }
    }
    return count;
  }

  /** The time of the next timeout in ms, `Infinity` if nothing is in flight. */
  nextTimeout(now: number, rto: number, longest: number): number {
    rto = this.#patient(rto, now);
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

  /** The timeout, but not before the reordering window and the wait for late answers have passed. */
  #patient(rto: number, now: number): number {
    const rtt = this.#newestRtt;
    const window = Math.max(this.#reordering.at(now, rtt), this.#heldBack.at(now, rtt));
    // After an outage the last sample may be long: see Sender.
    return window > 0 ? Math.max(rto, Math.min(rto, this.#newestRtt) + window) : rto;
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
      this.#recall(oldest, REASON_TIMEOUT);
    }
    if (!all) return;
    for (let list = 1; list < DUE; list++) {
      if (list === LEVELS) continue;
      for (let slot; (slot = this.#heads[list]) !== NONE;) {
        this.#table[slot * STRIDE + TIMEOUTS] = 0;
        this.#recall(slot, REASON_TIMEOUT);
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

  /** Makes a segment in flight due that counts as lost. */
  #lose(slot: number, reason: number, now: number): void {
    this.#makeDue(slot, reason);
    this.#rates.lose(slot, reason === REASON_TIMEOUT, this.wasResent(slot), now);
  }

  /** Makes a segment in flight due that need not be lost. */
  #recall(slot: number, reason: number): void {
    this.#makeDue(slot, reason);
    this.#rates.remove(slot);
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
    const repeats = new Float64Array((mask + 1) * REPEATS);
    const repeated = new Uint8Array(mask + 1);
    const move = (slot: number) => slot === NONE ? NONE : (una + ((slot - una) & oldMask)) & mask;
    for (let sn = una; sn !== end; sn = (sn + 1) | 0) {
      const from = (sn & oldMask) * STRIDE;
      const to = (sn & mask) * STRIDE;
      for (let i = 0; i < PREV; i++) table[to + i] = old[from + i];
      table[to + PREV] = move(old[from + PREV]);
      table[to + NEXT] = move(old[from + NEXT]);
      const time = (sn & oldMask) * TIMES;
      for (let i = 0; i < TIMES; i++) times[(sn & mask) * TIMES + i] = oldTimes[time + i];
      if (this.#repeated[sn & oldMask] === 0) continue;
      repeated[sn & mask] = 1;
      const repeat = (sn & oldMask) * REPEATS;
      for (let i = 0; i < REPEATS; i++) {
        repeats[(sn & mask) * REPEATS + i] = this.#repeats[repeat + i];
      }
    }
    this.#hole = move(this.#hole);
    for (let list = 0; list <= PARKED; list++) {
      this.#heads[list] = move(this.#heads[list]);
      this.#tails[list] = move(this.#tails[list]);
    }
    this.#table = table;
    this.#times = times;
    this.#repeats = repeats;
    this.#repeated = repeated;
  }

  /** Frees the tables. Only valid while no segment is kept. */
  release(): void {
    this.#table = new Int32Array(0);
    this.#times = new Float64Array(0);
    this.#repeats = new Float64Array(0);
    this.#repeated = new Uint8Array(0);
  }

  /** Drops every segment. */
  clear(): void {
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#occupied = this.#occupiedSlow = 0;
    this.#hole = NONE;
  }
}
