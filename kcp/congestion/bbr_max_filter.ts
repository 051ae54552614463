/**
 * The largest value of the last slots of time. The owner says when a slot ends: after a round trip,
 * or after a cycle of probing.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.5.5 and §5.5.9, which need no finer time than that.
 */
export class MaxFilter {
  readonly #slots: Float64Array;
  #at = 0;
  #max = 0;

  /** @param length How many slots count, the present one included. */
  constructor(length: number) {
    this.#slots = new Float64Array(length);
  }

  /** The largest value. 0 if there is none. */
  get value(): number {
    return this.#max;
  }

  /** Notes a value in the present slot. */
  update(value: number): void {
    if (value > this.#slots[this.#at]) this.#slots[this.#at] = value;
    if (value > this.#max) this.#max = value;
  }

  /** Begins the next slot, and forgets the oldest one. */
  advance(): void {
    const slots = this.#slots;
    this.#at = (this.#at + 1) % slots.length;
    slots[this.#at] = 0;
    this.#max = 0;
    for (let i = 0; i < slots.length; i++) if (slots[i] > this.#max) this.#max = slots[i];
  }

  /** Multiplies all values by a factor. */
  scale(factor: number): void {
    const slots = this.#slots;
    for (let i = 0; i < slots.length; i++) slots[i] *= factor;
    this.#max *= factor;
  }

  /** Forgets everything but one value. */
  reset(value: number): void {
    this.#slots.fill(0);
    this.#slots[this.#at] = this.#max = value;
  }
}
