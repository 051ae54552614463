/**
 * A queue of values, each due at a time. Values leave in the order of their times. Values of equal
 * times leave in the order in which they were added, so a run is repeatable.
 *
 * It is a binary heap (Williams, "Algorithm 232: Heapsort", CACM 7(6), 1964) with time and sequence
 * number as the key. `push` and `pop` cost O(log n), and allocate only when the arrays grow.
 *
 * It reads no clock. Times may be on any scale; here they are monotonic milliseconds.
 *
 * @typeParam T The values. If `undefined` may be one of them, test `size` rather than the result of
 * `pop`.
 */
export class TimerHeap<T> {
  #times: number[] = [];
  #orders: number[] = [];
  #values: T[] = [];
  #pushed = 0;

  /** Number of values. */
  get size(): number {
    return this.#times.length;
  }

  /** The earliest time at which a value is due; `Infinity` when the queue is empty. */
  get deadline(): number {
    return this.#times.length === 0 ? Infinity : this.#times[0];
  }

  /**
   * Adds a value.
   *
   * @param at The time at which it is due: any finite number, also in the past.
   * @param value The value.
   * @throws {RangeError} When the time is NaN or infinite.
   */
  push(at: number, value: T): void {
    if (!Number.isFinite(at)) {
      throw new RangeError(`Cannot schedule a value at ${at}: expected a finite time`);
    }
    const times = this.#times;
    let hole = times.length;
    // The new value has the highest sequence number, so it passes only values with later times.
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (times[parent] <= at) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, at, this.#pushed++, value);
  }

  /** The earliest value, which stays in the queue; `undefined` when the queue is empty. */
  peek(): T | undefined {
    return this.#values[0];
  }

  /**
   * Takes the earliest value, even if it is not due yet.
   *
   * @returns The value; `undefined` when the queue is empty.
   */
  pop(): T | undefined {
    if (this.#times.length === 0) return undefined;
    const first = this.#values[0];
    const at = this.#times.pop()!;
    const order = this.#orders.pop()!;
    const value = this.#values.pop()!;
    const size = this.#times.length;
    if (size === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && this.#earlier(right, this.#times[child], this.#orders[child])) {
        child = right;
      }
      if (!this.#earlier(child, at, order)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, at, order, value);
    return first;
  }

  /**
   * Takes the earliest value if it is due.
   *
   * @param now The present time.
   * @returns The value; `undefined` when no value is due at or before `now`.
   */
  popDue(now: number): T | undefined {
    return this.deadline <= now ? this.pop() : undefined;
  }

  /** Removes the values for which `keep` returns false. The others stay in order. */
  retain(keep: (value: T) => boolean): void {
    const times = this.#times;
    const orders = this.#orders;
    const values = this.#values;
    const kept = values.map((_, i) => i).filter((i) => keep(values[i]))
      .sort((a, b) => times[a] - times[b] || orders[a] - orders[b]);
    // A sorted array is a heap.
    this.#times = kept.map((i) => times[i]);
    this.#orders = kept.map((i) => orders[i]);
    this.#values = kept.map((i) => values[i]);
  }

  /** Removes every value. */
  clear(): void {
    this.#times.length = this.#orders.length = this.#values.length = 0;
  }

  #earlier(index: number, at: number, order: number): boolean {
    const time = this.#times[index];
    return time < at || (time === at && this.#orders[index] < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from], this.#orders[from], this.#values[from]);
  }

  #put(index: number, at: number, order: number, value: T): void {
    this.#times[index] = at;
    this.#orders[index] = order;
    this.#values[index] = value;
  }
}
