/** The list always has room for this many acknowledgments. */
const MIN_KEPT = 256;
const MIN_CAPACITY = 32;
/** Entries that are searched, from the newest one on. More wait only while nothing can be sent. */
const SEARCHED = 16;

/** Acknowledgments that wait to be sent, in the order in which the segments arrived. */
export class AckList {
  /** Pairs of sn and ts, from #head to #tail. */
  #entries = new Int32Array(MIN_CAPACITY);
  #head = 0;
  #tail = 0;

  /** How many acknowledgments wait. */
  get count(): number {
    return (this.#tail - this.#head) >> 1;
  }

  /** Sequence number of the oldest acknowledgment. */
  get sn(): number {
    return this.#entries[this.#head];
  }

  /** Timestamp of the oldest acknowledgment. */
  get ts(): number {
    return this.#entries[this.#head + 1];
  }

  /** Whether an acknowledgment of a segment waits, among the newest ones. */
  waits(sn: number): boolean {
    const end = Math.max(this.#head, this.#tail - 2 * SEARCHED);
    for (let at = this.#tail - 2; at >= end; at -= 2) if (this.#entries[at] === sn) return true;
    return false;
  }

  /**
   * Adds an acknowledgment. It is dropped if twice the receive window waits already. The peer then
   * sends the segment again.
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

  /** Drops the oldest acknowledgment. */
  shift(): void {
    this.#head += 2;
    if (this.#head === this.#tail) this.#head = this.#tail = 0;
  }

  /** Drops every acknowledgment. */
  clear(): void {
    this.#head = this.#tail = 0;
  }

  /** Frees memory if no acknowledgment waits. */
  release(): void {
    const grown = this.#entries.length > MIN_CAPACITY;
    if (this.#tail === 0 && grown) this.#entries = new Int32Array(MIN_CAPACITY);
  }
}
