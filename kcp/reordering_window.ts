/** The window is this many times the largest lateness that was seen, since the next may be larger. */
const MARGIN = 1.25;
/** Lateness is rounded up by this, in ms: an adapter reads its socket and clock in steps. */
const GRANULARITY = 1;
/** A value is forgotten after one to two periods of this many round trips. */
const PERIOD_ROUNDS = 16;
/** Shortest and longest period in ms. A round trip that spans a pause of the process is long. */
const MIN_PERIOD = 1_000;
const MAX_PERIOD = 16_000;

/**
 * How much later than a segment that was sent after it a segment may arrive without being lost: the
 * reordering window of RACK-TLP (RFC 8985 §6.2).
 *
 * It is 0 while no retransmission was needless. RACK counts the round trips with needless
 * retransmissions, since TCP does not know how late the segment was. An acknowledgment of KCP echoes the
 * `ts` of the transmission that arrived, so the lateness is known, and the window follows it.
 */
export class ReorderingWindow {
  #present = 0;
  #last = 0;
  #periodEnds = Infinity;
  #period = 0;

  /** Whether reordering was seen lately. */
  get open(): boolean {
    return this.#present > 0 || this.#last > 0;
  }

  /**
   * The window in ms.
   *
   * @param now The time in ms.
   * @param rtt The round-trip time in ms.
   */
  at(now: number, rtt: number): number {
    if (!this.open) return 0;
    if (now >= this.#periodEnds) this.#startPeriod(now, rtt);
    return Math.max(this.#present, this.#last);
  }

  /**
   * Takes the lateness of a segment that arrived after one that was sent later.
   *
   * @param late In ms, against the round trip `rtt` of the later one.
   */
  widen(now: number, rtt: number, late: number): void {
    if (!this.open || now >= this.#periodEnds) this.#startPeriod(now, rtt);
    // A segment that is a round trip late has timed out.
    this.#present = Math.max(this.#present, Math.min(rtt, MARGIN * late + GRANULARITY));
  }

  #startPeriod(now: number, rtt: number): void {
    const follows = this.#periodEnds < Infinity && now < this.#periodEnds + this.#period;
    this.#last = follows ? this.#present : 0;
    this.#present = 0;
    this.#period = Math.min(MAX_PERIOD, Math.max(MIN_PERIOD, PERIOD_ROUNDS * rtt));
    this.#periodEnds = (follows ? this.#periodEnds : now) + this.#period;
  }
}
