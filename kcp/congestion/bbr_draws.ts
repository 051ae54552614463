/**
 * Numbers that look random, made from what a flow has seen: flows that share a path must not probe at the
 * same times. A linear congruential generator, with the constants of Numerical Recipes.
 */
export class Draws {
  #state = 1;

  /** Mixes in something that other flows do not see. */
  mix(now: number, delivered: number): void {
    this.#state = Math.imul(this.#state ^ (now * 1000 | 0) ^ delivered, 0x9e3779b1);
  }

  /** A number from 0 to 1. */
  next(): number {
    this.#state = Math.imul(this.#state, 1664525) + 1013904223 | 0;
    return (this.#state >>> 8) / 0x1000000;
  }
}
