/** Growth of the delivery rate that shows room for more. Draft §5.3.1.2: 25 %. */
const GROWTH = 1.25;
/** Rounds without it that show a full pipe. Draft §5.3.1.2: 3. */
const ROUNDS = 3;

/**
 * Finds out whether the delivery rate still grows while the flow sends faster and faster.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.3.1.2. One round is enough if it is seen why the delivery rate does
 * not grow: a queue stands, or what the flow sends in addition is lost. Others may keep the queue full.
 */
export class FullPipe {
  /** Whether it does not grow any more. */
  full = false;
  /** Rounds without growth. */
  count = 0;
  /** The highest rate so far, and the part that was lost of what was sent then. */
  #base = 0;
  #lost = 0;

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
   * @param lost The part that was lost of what was sent, 0 to 1.
   * @param queued Whether a queue stands.
   */
  onRound(rate: number, lost: number, queued: boolean): void {
    if (this.full) return;
    if (rate >= this.#base * GROWTH) {
      this.#base = rate;
      this.#lost = lost;
      this.count = 0;
      return;
    }
    const wasted = rate / (1 - lost) >= GROWTH * this.#base / (1 - this.#lost);
    this.count += queued || wasted ? ROUNDS : 1;
    this.full = this.count >= ROUNDS;
  }
}
