/** Round trips that are remembered. */
const ROUNDS = 8;

/**
 * How much round trips differ because the path delays packets differently.
 *
 * Jitter makes samples fall again and again: in each round trip, some are smaller than others before them.
 * A queue can grow and drain in the same way, but not in each of several round trips. So the least fall
 * of the last round trips is jitter.
 */
export class Jitter {
  /** The least fall of the last round trips in ms. 0 before the first one has ended. */
  value = 0;
  /** The largest sample of the present round trip, and by how much a later one was smaller, in ms. */
  #peak = 0;
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
    if (rtt > this.#peak) this.#peak = rtt;
    else if (this.#peak - rtt > this.#fall) this.#fall = this.#peak - rtt;
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
    this.#peak = this.#fall = 0;
    this.#ends = now + smoothed;
  }
}
