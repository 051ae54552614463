import type { AdaptiveParity } from "../../fec/adaptive_parity.ts";
import {
  ARRIVED,
  type Guard,
  LOST,
  type Outcome,
  OVERTAKEN,
  UNKNOWN,
} from "../../fec/loss_estimate.ts";
import {
  CMD,
  CMD_ACK,
  CMD_PUSH,
  CMD_WINS,
  distance,
  LEN,
  OVERHEAD,
  SN,
  TS,
  UNA,
} from "../../kcp/segment.ts";

/** Packets that are remembered at first, and at most. Those that were sent before are forgotten. */
const MIN_CAPACITY = 128;
const MAX_CAPACITY = 8192;

/** A retransmission brings an acknowledgment after this part of a round trip at the soonest. */
const SOONEST = 0.9;

/** A segment that is not the first one of its packet, or is no longer remembered. */
const NONE = 0;
/** Above these, the state of a packet is its {@linkcode Outcome}. */
const SENT = 8;
const SENT_AGAIN = 9;

/** {@linkcode kindOf}: data of the stream. */
export const DATA = 0;
/** Acknowledgments and window reports alone. */
export const CONTROL = 1;
/** Something else, such as a probe of the path MTU. */
export const OTHER = 2;

/** What a packet carries: {@linkcode DATA}, {@linkcode CONTROL} or {@linkcode OTHER}. */
export function kindOf(view: DataView, start: number, end: number): number {
  let kind = CONTROL;
  for (let at = start; end - at >= OVERHEAD; at += OVERHEAD + view.getUint32(at + LEN, true)) {
    const cmd = view.getUint8(at + CMD);
    if (cmd === CMD_PUSH) return DATA;
    if (cmd > CMD_WINS) kind = OTHER;
  }
  return kind;
}

/**
 * Finds out which packets with data arrived, from what the KCP machine sends and from what the peer
 * acknowledges.
 *
 * `una` shows which packet is the first that the peer lacks, and that all packets before it have
 * arrived. That is certain even if acknowledgments are lost. Of the packets after a missing one,
 * only those with an acknowledgment of their own are known to have arrived. They are no fair sample
 * of the losses. So the share of lost packets is taken from the packets before which nothing was
 * missing.
 *
 * Each packet is known by its first new segment. An acknowledgment echoes the `ts` of the copy that
 * arrived.
 */
export class PacketFates {
  readonly #adaptive: AdaptiveParity;
  #sns = new Int32Array(MIN_CAPACITY);
  #times = new Int32Array(MIN_CAPACITY);
  /** When each was sent again, in ms. */
  #againAt = new Float64Array(MIN_CAPACITY);
  #states = new Uint8Array(MIN_CAPACITY);
  #guards: (Guard | null)[] = new Array(MIN_CAPACITY).fill(null);
  #mask = MIN_CAPACITY - 1;
  /** The next segment that is new; null before the first one. */
  #next: number | null = null;
  /** The first segment whose fate is not settled. */
  #settled = 0;
  /** The last segment that the peer got while it lacked an earlier one. */
  #holeEnd = 0;
  /**
   * The last segment that the peer lacked while it lacked no earlier one; null before the first.
   */
  #missing: number | null = null;
  /** Packets that were settled since that one. */
  #behind = 0;
  /** The newest acknowledged segment. */
  #newest = 0;

  /** @param adaptive Is told the fate of each packet, in the order in which they were sent. */
  constructor(adaptive: AdaptiveParity) {
    this.#adaptive = adaptive;
  }

  /** Whether a packet has segments that were never sent. */
  hasNews(view: DataView, start: number, end: number): boolean {
    for (let at = start; end - at >= OVERHEAD; at += OVERHEAD + view.getUint32(at + LEN, true)) {
      if (view.getUint8(at + CMD) !== CMD_PUSH) continue;
      if (this.#next === null) return true;
      const ahead = distance(view.getInt32(at + SN, true), this.#next);
      if (ahead >= 0 && ahead <= MAX_CAPACITY) return true;
    }
    return false;
  }

  /** Notes a packet with data that the machine sends now. */
  note(view: DataView, start: number, end: number, now: number): void {
    let leads = true;
    for (let at = start; end - at >= OVERHEAD; at += OVERHEAD + view.getUint32(at + LEN, true)) {
      if (view.getUint8(at + CMD) !== CMD_PUSH) continue;
      const sn = view.getInt32(at + SN, true);
      if (this.#sent(sn, view.getInt32(at + TS, true), now, leads)) leads = false;
    }
  }

  /** Notes a segment that is sent. Returns whether it is a new one. */
  #sent(sn: number, ts: number, now: number, leads: boolean): boolean {
    if (this.#next === null) {
      this.#next = this.#settled = sn;
      this.#newest = this.#holeEnd = (sn - 1) | 0;
    }
    const ahead = distance(sn, this.#next);
    if (ahead < 0) {
      const at = sn & this.#mask;
      if (this.#sns[at] === sn && this.#states[at] === SENT) {
        this.#states[at] = SENT_AGAIN;
        this.#againAt[at] = now;
      }
      return false;
    }
    // A segment of an empty sequence number is no segment of the stream.
    if (ahead > MAX_CAPACITY) return false;
    for (; distance(sn, this.#next) >= 0; this.#next = (this.#next + 1) | 0) this.#push(this.#next);
    if (leads) {
      const at = sn & this.#mask;
      this.#states[at] = SENT;
      this.#times[at] = ts;
      this.#guards[at] = this.#adaptive.guard;
    }
    return true;
  }

  #push(sn: number): void {
    if (distance(sn, this.#settled) > this.#mask) {
      if (this.#mask + 1 < MAX_CAPACITY) this.#grow();
      else this.#forget();
    }
    const at = sn & this.#mask;
    this.#sns[at] = sn;
    this.#states[at] = NONE;
    this.#guards[at] = null;
  }

  /** Forgets the first packet. */
  #forget(): void {
    const at = this.#settled & this.#mask;
    if (this.#states[at] !== NONE) this.#adaptive.addFate(UNKNOWN, this.#guards[at]);
    this.#settled = (this.#settled + 1) | 0;
  }

  #grow(): void {
    const sns = this.#sns;
    const times = this.#times;
    const againAt = this.#againAt;
    const states = this.#states;
    const guards = this.#guards;
    const oldMask = this.#mask;
    const capacity = 2 * (oldMask + 1);
    this.#mask = capacity - 1;
    this.#sns = new Int32Array(capacity);
    this.#times = new Int32Array(capacity);
    this.#againAt = new Float64Array(capacity);
    this.#states = new Uint8Array(capacity);
    this.#guards = new Array(capacity).fill(null);
    for (let sn = this.#settled; sn !== this.#next; sn = (sn + 1) | 0) {
      const from = sn & oldMask;
      const to = sn & this.#mask;
      this.#sns[to] = sns[from];
      this.#times[to] = times[from];
      this.#againAt[to] = againAt[from];
      this.#states[to] = states[from];
      this.#guards[to] = guards[from];
    }
  }

  /**
   * Reads the acknowledgments of a packet of the peer. `una` alone acknowledges most packets that
   * come in order.
   *
   * @param srtt The smoothed round-trip time in ms.
   */
  read(view: DataView, start: number, end: number, now: number, srtt: number): void {
    if (this.#next === null || end - start < OVERHEAD) return;
    const una = view.getInt32(start + UNA, true);
    if (distance(una, this.#next) > 0) return;
    let newest = this.#newest;
    for (let at = start; end - at >= OVERHEAD; at += OVERHEAD + view.getUint32(at + LEN, true)) {
      if (view.getUint8(at + CMD) !== CMD_ACK) continue;
      const sn = view.getInt32(at + SN, true);
      if (distance(sn, this.#next) >= 0 || distance(sn, this.#settled) < 0) continue;
      // One that `una` covers came last, not while another one was missing.
      if (distance(sn, una) > 0 || sn === this.#missing) {
        this.#acknowledged(sn, view.getInt32(at + TS, true), distance(sn, newest) < 0);
      }
      if (distance(sn, newest) > 0) newest = sn;
    }
    this.#newest = newest;
    // An `una` that is half of all numbers away lies on both sides.
    if (((una - this.#settled) >>> 0) <= ((this.#next - this.#settled) >>> 0)) {
      this.#settle(una, now - SOONEST * srtt);
    }
    if (distance(newest, una) <= 0) return;
    // The peer lacks `una`.
    if (distance(una, this.#holeEnd) > 0) this.#missing = una;
    this.#holeEnd = newest;
  }

  #acknowledged(sn: number, ts: number, overtaken: boolean): void {
    const at = sn & this.#mask;
    const state = this.#states[at];
    if (this.#sns[at] !== sn || state < SENT) return;
    if (state === SENT_AGAIN && ts !== this.#times[at]) this.#states[at] = LOST;
    else this.#states[at] = overtaken ? OVERTAKEN : ARRIVED;
  }

  /**
   * Tells the fates of the packets before `una`.
   *
   * @param again A retransmission after this time, in ms, can't be what was acknowledged.
   */
  #settle(una: number, again: number): void {
    let packets = 0;
    for (; distance(this.#settled, una) < 0; this.#settled = (this.#settled + 1) | 0) {
      const at = this.#settled & this.#mask;
      const state = this.#states[at];
      if (state === NONE) continue;
      packets++;
      if (this.#settled === this.#missing) {
        const late = state === LOST || state === SENT_AGAIN && this.#againAt[at] <= again;
        this.#adaptive.addFate(late ? LOST : OVERTAKEN, this.#guards[at]);
        this.#behind = 0;
        continue;
      }
      if (distance(this.#settled, this.#holeEnd) > 0) {
        this.#adaptive.addFate(ARRIVED, this.#guards[at]);
      } else {
        this.#adaptive.addBehindLoss(
          state < SENT ? state as Outcome : UNKNOWN,
          this.#behind,
          this.#guards[at],
        );
      }
      this.#behind++;
    }
    // More than these may have waited for a missing one.
    if (packets > 0 && distance(una, this.#holeEnd) > packets) this.#adaptive.addBatch(packets);
  }
}
