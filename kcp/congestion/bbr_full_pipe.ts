/** Growth of the delivery rate that shows room for more. Draft §5.3.1.2: 25 %. */
const GROWTH = 1.25;
/** Rounds without it that show a full pipe. Draft §5.3.1.2: 3. */
const ROUNDS = 3;

/**
 * Finds out whether the delivery rate still grows while the flow sends faster and faster.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.3.1.2. A round in which a queue stands is enough: the delivery rate
 * does not grow, and it is seen why.
 */
export class FullPipe {
  /** Whether it does not grow any more. */
  full = false;
  /** Rounds without growth. */
  count = 0;
  #base = 0;

  /** Begins anew. */
  reset(): void {
    this.full = false;
    this.count = 0;
    this.#base = 0;
  }

  /**
   * A round has ended that the application did not limit.
   *
   * @param rate The highest delivery rate of the round.
   * @param queued Whether a queue stands.
   */
  onRound(rate: number, queued: boolean): void {
    if (this.full) return;
    if (rate >= this.#base * GROWTH) {
      this.#base = rate;
      this.count = 0;
      return;
    }
    this.count += queued ? ROUNDS : 1;
    this.full = this.count >= ROUNDS;
  }
}
