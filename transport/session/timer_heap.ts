/**
 * What is due when: the one queue behind the one timer of a simulator or of a proxy.
 *
 * @module
 */

/**
 * A queue of values, each due at a time. Values leave by time and, where times are equal, in the
 * order in which they came: a run is repeatable. It is a binary heap (Williams, "Algorithm 232:
 * Heapsort", CACM 7(6), 1964) keyed by time and sequence number; `push` and `pop` cost O(log n) and
 * allocate nothing but the growth of three arrays.
 *
 * It reads no clock: times are whatever scale the caller uses, usually monotonic milliseconds.
 *
 * @example
 * ```ts
 * import { TimerHeap } from "./timer_heap.ts";
 *
 * const heap = new TimerHeap<string>();
 * heap.push(20, "second");
 * heap.push(10, "first");
 * console.log(heap.deadline); // 10
 * console.log(heap.popDue(15), heap.popDue(15)); // first undefined
 * ```
 *
 * @typeParam T What the queue holds. With `undefined` among the values, test `size` rather than
 * what `pop` returns.
 */
export class TimerHeap<T> {
  #times: number[] = [];
  #orders: number[] = [];
  #values: T[] = [];
  #pushed = 0;

  /** How many values are waiting. */
  get size(): number {
    return this.#times.length;
  }

  /** The earliest time at which a value is due; `Infinity` when none is waiting. */
  get deadline(): number {
    return this.#times.length === 0 ? Infinity : this.#times[0];
  }

  /**
   * Adds a value.
   *
   * @param at When it is due: any finite time, also one that has passed.
   * @param value The value.
   * @throws {RangeError} If the time is NaN or infinite: what is never due is not put in the queue.
   */
  push(at: number, value: T): void {
    if (!Number.isFinite(at)) {
      throw new RangeError(`Cannot schedule a value at ${at}: expected a finite time`);
    }
    const times = this.#times;
    let hole = times.length;
    // The newest value has the highest order, so it rises past later times only.
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (times[parent] <= at) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, at, this.#pushed++, value);
  }

  /** The earliest value, which stays; `undefined` when none is waiting. */
  peek(): T | undefined {
    return this.#values[0];
  }

  /**
   * Takes the earliest value, whatever the time is.
   *
   * @returns The value, or `undefined` when none is waiting.
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
   * Takes the earliest value if its time has come.
   *
   * @param now The present time.
   * @returns The value, or `undefined` when none is due at or before `now`.
   */
  popDue(now: number): T | undefined {
    return this.deadline <= now ? this.pop() : undefined;
  }

  /** Drops the values that `keep` refuses; the order of the others stays. */
  retain(keep: (value: T) => boolean): void {
    const times = this.#times;
    const orders = this.#orders;
    const values = this.#values;
    const kept = values.map((_, i) => i).filter((i) => keep(values[i]))
      .sort((a, b) => times[a] - times[b] || orders[a] - orders[b]);
    // What is sorted is a heap.
    this.#times = kept.map((i) => times[i]);
    this.#orders = kept.map((i) => orders[i]);
    this.#values = kept.map((i) => values[i]);
  }

  /** Drops every value. */
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
