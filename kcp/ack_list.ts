/** Acknowledgments that are kept at least, however small the window. */
const MIN_KEPT = 256;
const MIN_CAPACITY = 32;

/** Acknowledgments that wait to be sent, in the order in which the segments arrived. */
export class AckList {
  /** sn and ts by turns, from #head to #tail. */
  #entries = new Int32Array(MIN_CAPACITY);
  #head = 0;
  #tail = 0;

  /** How many wait. */
  get count(): number {
    return (this.#tail - this.#head) >> 1;
  }

  /** The oldest one's sequence number. */
  get sn(): number {
    return this.#entries[this.#head];
  }

  /** The oldest one's timestamp. */
  get ts(): number {
    return this.#entries[this.#head + 1];
  }

  /**
   * Adds one, unless twice the receive window waits already: the peer sends again what is not
   * acknowledged.
   */
  push(sn: number, ts: number, rcvWnd: number): void {
    if (this.#tail === this.#entries.length) {
      if (this.#tail >= 2 * Math.max(MIN_KEPT, 2 * rcvWnd)) return;
      const entries = new Int32Array(2 * this.#entries.length);
      entries.set(this.#entries);
      this.#entries = entries;
    }
    this.#entries[this.#tail] = sn;
    this.#entries[this.#tail + 1] = ts;
    this.#tail += 2;
  }

  /** Drops the oldest one. */
  shift(): void {
    this.#head += 2;
    if (this.#head === this.#tail) this.#head = this.#tail = 0;
  }

  /** Drops all. */
  clear(): void {
    this.#head = this.#tail = 0;
  }

  /** Gives memory back if none waits. */
  release(): void {
    if (this.#tail === 0) this.#entries = new Int32Array(MIN_CAPACITY);
  }
}
