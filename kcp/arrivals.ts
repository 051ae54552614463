/** Most sizes that are remembered. */
const MAX_SIZES = 8;

/** Remembers for sizes of packets when the last one was sent that has arrived. */
export class Arrivals {
  /** Sizes in bytes, descending, and when the last packet of each was sent, ascending, in ms. */
  readonly #sizes: number[] = [];
  readonly #times: number[] = [];

  /** Notes that a packet arrived that was sent at `sentAt`. */
  note(size: number, sentAt: number): void {
    const sizes = this.#sizes;
    const times = this.#times;
    let at = sizes.length;
    if (at === 1 && sizes[0] === size) {
      // The usual case.
      if (sentAt > times[0]) times[0] = sentAt;
      return;
    }
    while (at > 0 && sizes[at - 1] <= size) at--;
    // A larger packet that was sent later tells more, and smaller ones that were sent before less.
    if (at > 0 && times[at - 1] >= sentAt) return;
    let count = 0;
    while (at + count < sizes.length && times[at + count] <= sentAt) count++;
    if (count === 1) {
      sizes[at] = size;
      times[at] = sentAt;
    } else if (count > 0 || sizes.length < MAX_SIZES) {
      sizes.splice(at, count, size);
      times.splice(at, count, sentAt);
    }
  }

  /** Whether a packet of `size` bytes or more arrived that was not sent before `since`. */
  has(size: number, since: number): boolean {
    const sizes = this.#sizes;
    for (let i = sizes.length - 1; i >= 0; i--) {
      if (sizes[i] >= size) return this.#times[i] >= since;
    }
    return false;
  }

  /** Forgets everything. */
  clear(): void {
    this.#sizes.length = this.#times.length = 0;
  }
}
