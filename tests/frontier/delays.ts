/**
 * Delays of many messages, and their percentiles.
 *
 * @module
 */

/** How many steps one ms has. A delay is rounded to the nearest step. */
export const STEPS_PER_MS = 10;

/** How many messages had which delay. */
export class Delays {
  /** The count for each delay, in steps. */
  readonly #counts = new Map<number, number>();
  #messages = 0;

  /** How many messages there are. */
  get messages(): number {
    return this.#messages;
  }

  /** Adds a message with a delay in ms. */
  add(delay: number): void {
    this.#addSteps(Math.round(delay * STEPS_PER_MS), 1);
  }

  #addSteps(steps: number, count: number): void {
    this.#counts.set(steps, (this.#counts.get(steps) ?? 0) + count);
    this.#messages += count;
  }

  /** Adds the counts of others, by delay in steps: what {@linkcode Delays.entries} returned. */
  merge(entries: Iterable<readonly [steps: number, count: number]>): void {
    for (const [steps, count] of entries) this.#addSteps(steps, count);
  }

  /** The count for each delay, in steps. */
  entries(): [steps: number, count: number][] {
    return [...this.#counts];
  }

  /** The mean delay in ms; NaN without messages. */
  get mean(): number {
    let sum = 0;
    for (const [steps, count] of this.#counts) sum += steps * count;
    return sum / this.#messages / STEPS_PER_MS;
  }

  /**
   * Percentiles by the nearest rank: the smallest delay such that the share of messages that had it or
   * less is at least as large as asked.
   *
   * @param shares Shares, 0 to 1, in rising order.
   * @returns The delays in ms; NaN without messages.
   */
  quantiles(shares: readonly number[]): number[] {
    const sorted = this.entries().sort(([a], [b]) => a - b);
    let at = -1;
    let passed = 0;
    return shares.map((share) => {
      // Without the small term, a product such as 0.99 x 100 could be just above a whole number.
      const rank = Math.max(1, Math.ceil(share * this.#messages - 1e-9));
      while (passed < rank && at + 1 < sorted.length) passed += sorted[++at][1];
      return at < 0 ? NaN : sorted[at][0] / STEPS_PER_MS;
    });
  }
}
