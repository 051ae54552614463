/** Round trips that are remembered. */
const ROUNDS = 8;

/** A fall is as steep as this, or more: in ms for each ms in which the segments were sent. */
const STEEP = 0.5;

/**
 * How much round trips differ because the path delays packets differently.
 *
 * Jitter makes samples fall again and again: in each round trip, some are much smaller than others just
 * before them. A queue can grow and drain, too, but not in each of several round trips, and while others
 * fill it, it drains slowly. So the least of the steep falls of the last round trips is jitter.
 */
export class Jitter {
  /** The least fall of the last round trips in ms. 0 before the first one has ended. */
  value = 0;
  /** The sample that the present fall began with, and when its segment was sent, in ms. */
  #peak = 0;
  #peakSentAt = 0;
  /** The largest fall of the present round trip in ms. */
  #fall = 0;
  #ends = -Infinity;
  /** The falls of the last round trips in ms. */
  readonly #falls = new Float64Array(ROUNDS).fill(Infinity);
  #at = 0;

  /**
   * Notes a sample.
   *
   * @param now The time in ms.
   * @param rtt The sample in ms.
   * @param smoothed The smoothed round-trip time in ms.
   */
  onSample(now: number, rtt: number, smoothed: number): void {
    if (now >= this.#ends) this.#endRound(now, smoothed);
    const sentAt = now - rtt;
    const fall = this.#peak - rtt;
    if (fall > 0 && fall >= STEEP * (sentAt - this.#peakSentAt)) {
      this.#fall = Math.max(this.#fall, fall);
    } else {
      this.#peak = rtt;
      this.#peakSentAt = sentAt;
    }
  }

  #endRound(now: number, smoothed: number): void {
    if (this.#ends > -Infinity) {
      const falls = this.#falls;
      this.#at = (this.#at + 1) % ROUNDS;
      falls[this.#at] = this.#fall;
      let least = Infinity;
      for (let i = 0; i < ROUNDS; i++) if (falls[i] < least) least = falls[i];
      this.value = least;
    }
    this.#fall = 0;
    this.#ends = now + smoothed;
  }
}
