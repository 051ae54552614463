/** Something that may wait in a {@linkcode TimerHeap}. */
export interface Timed {
  /** The place in the heap that it waits in; -1 if it waits in none. Only the heap changes it. */
  place: number;
}

/**
 * A queue of values, each due at a time. Values leave in the order of their times. Values of equal
 * times leave in the order in which they were added, so a run is repeatable.
 *
 * It is a binary heap (Williams, "Algorithm 232: Heapsort", CACM 7(6), 1964) with time and sequence
 * number as the key. Each value knows its place in the heap, so it is there only once, and can be
 * moved and removed. Each operation costs at most O(log n), and allocates only when the arrays grow.
 *
 * It reads no clock. Times may be on any scale; here they are monotonic milliseconds.
 *
 * @typeParam T The values. A value can be in one heap at a time.
 */
export class TimerHeap<T extends Timed> {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #values: T[] = [];
  #pushed = 0;

  /** Number of values. */
  get size(): number {
    return this.#times.length;
  }

  /** The earliest time at which a value is due; `Infinity` when the queue is empty. */
  get deadline(): number {
    return this.#times.length === 0 ? Infinity : this.#times[0];
  }

  /** The time at which a value is due; `Infinity` when it is not in the queue. */
  timeOf({ place }: T): number {
    return place < 0 ? Infinity : this.#times[place];
  }

  /**
   * Adds a value. A value that is in the queue is moved: it leaves after the values of the same time.
   *
   * @param at The time at which it is due: any finite number, also in the past.
   * @param value The value.
   * @throws {RangeError} When the time is NaN or infinite.
   */
  push(at: number, value: T): void {
    if (!Number.isFinite(at)) {
      throw new RangeError(`Cannot schedule a value at ${at}: expected a finite time`);
    }
    const { place } = value;
    const order = this.#pushed++;
    if (place < 0) this.#rise(this.#times.length, at, order, value);
    else if (at < this.#times[place]) this.#rise(place, at, order, value);
    else this.#sink(place, at, order, value);
  }

  /**
   * Takes the earliest value, even if it is not due yet.
   *
   * @returns The value; `undefined` when the queue is empty.
   */
  pop(): T | undefined {
    if (this.#times.length === 0) return undefined;
    const first = this.#values[0];
    this.remove(first);
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

  /** Removes a value. It need not be in the queue. */
  remove(value: T): void {
    const { place } = value;
    if (place < 0) return;
    value.place = -1;
    const at = this.#times.pop()!;
    const order = this.#orders.pop()!;
    const last = this.#values.pop()!;
    // The last value takes the place.
    if (place === this.#times.length) return;
    // It may leave before the values above this place, or after those below it.
    const parent = (place - 1) >> 1;
    const time = place > 0 ? this.#times[parent] : -Infinity;
    if (at < time || at === time && order < this.#orders[parent]) {
      this.#rise(place, at, order, last);
    } else {
      this.#sink(place, at, order, last);
    }
  }

  /** Removes every value. */
  clear(): void {
    for (const value of this.#values) value.place = -1;
    this.#times.length = this.#orders.length = this.#values.length = 0;
  }

  /** Puts a value into a place, or nearer to the top, before all values that leave later. */
  #rise(hole: number, at: number, order: number, value: T): void {
    const times = this.#times;
    const orders = this.#orders;
    const values = this.#values;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const time = times[parent];
      if (time < at || time === at && orders[parent] < order) break;
      times[hole] = time;
      orders[hole] = orders[parent];
      (values[hole] = values[parent]).place = hole;
      hole = parent;
    }
    times[hole] = at;
    orders[hole] = order;
    (values[hole] = value).place = hole;
  }

  /** Puts a value into a place, or farther from the top, after all values that leave earlier. */
  #sink(hole: number, at: number, order: number, value: T): void {
    const times = this.#times;
    const orders = this.#orders;
    const values = this.#values;
    const size = times.length;
    for (let child; (child = 2 * hole + 1) < size; hole = child) {
      let time = times[child];
      const right = child + 1;
      if (right < size) {
        const other = times[right];
        if (other < time || other === time && orders[right] < orders[child]) {
          child = right;
          time = other;
        }
      }
      if (at < time || at === time && order < orders[child]) break;
      times[hole] = time;
      orders[hole] = orders[child];
      (values[hole] = values[child]).place = hole;
    }
    times[hole] = at;
    orders[hole] = order;
    (values[hole] = value).place = hole;
  }
}
