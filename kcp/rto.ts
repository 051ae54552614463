/** The RTO before the first sample, in ms. Source: the C reference. */
export const RTO_DEFAULT = 200;
/** Largest RTO in ms. Source: the C reference, RFC 6298 §2.5. */
export const RTO_MAX = 60_000;
/** Smallest RTO in normal mode, in ms. */
export const RTO_MIN = 100;
/** Smallest RTO in nodelay mode, in ms. */
export const RTO_MIN_NODELAY = 30;

/**
 * A sample that is so many times shorter than the estimate replaces it: the path does not get
 * faster by that, so the samples before it had waited for something else. RFC 6298 would remember
 * them for dozens of samples, and take the difference for a variation first.
 */
const STALE = 16;
/**
 * But not if it is shorter by less than this, in ms: a peer may hold one acknowledgment back and send the
 * next one at once, again and again. RFC 1122 §4.2.3.2 allows a delay of less than 500 ms.
 */
const MAX_ACK_DELAY = 500;

/**
 * Granularity of clocks and timers in ms. RFC 9002 §6.1.2: 1. A timeout at the very time at which the peer
 * sends what it holds back would come first.
 */
const GRANULARITY = 1;
/** An acknowledgment that waited for this part of the flush interval is late. */
const LATE_PART = 3 / 4;
/**
 * If acknowledgments are late in a larger part of the packets than this, the peer holds them back. An
 * acknowledgment that was lost makes few of them late.
 */
const MOST_LOST = 0.5;
/** The longest wait for an acknowledgment is so many times the average one. */
const SLACK = 1.25;

/** Round-trip time estimation and the retransmission timeout, as in RFC 6298 §2. */
export class RtoEstimator {
  /** Smoothed round-trip time in ms, -1 before the first sample. */
  srtt = -1;
  /** Variation of the round-trip time in ms. */
  rttvar = 0;
  /** Shortest round-trip time seen, in ms, `Infinity` before the first sample. */
  min = Infinity;
  /** Retransmission timeout of a first transmission, in ms. */
  rto = RTO_DEFAULT;
  /**
   * How long the peer holds acknowledgments back, in ms, on average over those that were late, and which
   * part of the packets had late ones. Samples do not show it: they come from the segment that arrived
   * last.
   */
  #ackDelay = 0;
  #lateShare = 0;

  /**
   * Takes a round-trip sample.
   *
   * @param rtt The sample in ms.
   * @param interval The flush interval in ms: the peer may delay an acknowledgment by that long.
   * @param minRto Lower bound of the timeout in ms.
   * @param waited The time that the answer took in ms, if `rtt` was bounded.
   */
  sample(rtt: number, interval: number, minRto: number, waited: number = rtt): void {
    if (waited < this.min) this.min = waited;
    if (this.srtt < 0 || rtt < this.srtt / STALE && rtt < this.srtt - MAX_ACK_DELAY) {
      this.srtt = rtt;
      this.rttvar = rtt / 2;
    } else {
      this.rttvar += (Math.abs(rtt - this.srtt) - this.rttvar) / 4;
      this.srtt += (rtt - this.srtt) / 8;
    }
    this.bound(interval, minRto);
  }

  /**
   * Notes by how much the first segment that a packet acknowledges had waited longer than the last one.
   *
   * @param interval The flush interval of this end in ms. Most of that, or more, is late.
   */
  noteAckDelay(delay: number, interval: number): void {
    const late = delay >= LATE_PART * interval;
    if (late) this.#ackDelay += (delay - this.#ackDelay) / 4;
    this.#lateShare += ((late ? 1 : 0) - this.#lateShare) / 4;
  }

  /**
   * How long an acknowledgment may be held back, in ms.
   *
   * @param interval The flush interval of this end in ms. That of the peer may be longer.
   */
  heldBack(interval: number): number {
    const held = this.#lateShare > MOST_LOST ? SLACK * this.#ackDelay : 0;
    return Math.max(interval + GRANULARITY, held);
  }

  /**
   * Moves the estimate to `rtt`, the first sample after a long time: the path may be another one. The
   * variation grows with the step, so that the timeout does not become too short.
   */
  replace(rtt: number): void {
    this.rttvar = Math.max(this.rttvar, Math.abs(rtt - this.srtt) / 2);
    this.srtt = rtt;
  }

  /** Computes the timeout again after `interval` or `minRto` changed. */
  bound(interval: number, minRto: number): void {
    const rto = this.srtt < 0
      ? RTO_DEFAULT
      : this.srtt + Math.max(this.heldBack(interval), 4 * this.rttvar);
    this.rto = Math.min(Math.max(rto, minRto), RTO_MAX);
  }
}

/**
 * The factor for `rto` after `timeouts` timeouts of one segment.
 *
 * - nodelay 0: doubles it each time. The first wait is an eighth longer. Source: the C reference.
 * - nodelay 1 and 2: add half of the first wait each time. Source: kcp-go for 1, the C reference for 2.
 *   In the C reference, 1 multiplies by 1.5, which makes the longest waits longer.
 */
export function rtoGrowth(nodelay: 0 | 1 | 2, timeouts: number): number {
  if (nodelay === 0) return timeouts === 0 ? 1.125 : 2 ** timeouts;
  return 1 + timeouts / 2;
}
