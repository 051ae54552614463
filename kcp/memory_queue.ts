/** Something that waits for a block of an arena. */
export interface MemoryWaiter {
  /** Size of the block, in bytes. It does not change while the waiter is in a queue. */
  readonly need: number;
  /** Whether it is for data from the network: see {@linkcode Arena.fits}. */
  readonly received: boolean;
  /** Called when the arena has such a block. It must neither allocate nor free: it takes a note. */
  onMemory(): void;
}

/**
 * Those that wait for memory of an arena, in the order in which they came.
 *
 * One of them is woken at a time: the first whose block the arena has. It tries again what failed,
 * and then leaves the queue or waits again. Only then the next one is woken. So a free block wakes
 * one waiter and not all of them, and to free a block costs the same however many wait.
 */
export class MemoryQueue {
  /** The waiters and the class of the block that each needs. A map keeps the order. */
  readonly #waiters = new Map<MemoryWaiter, number>();
  /** How many waiters need a block of each class. */
  readonly #perClass = new Int32Array(32);
  /** Bit n: somebody needs a block of class n. */
  #classes = 0;
  #woken: MemoryWaiter | null = null;

  /** How many wait, the woken one included. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Adds a waiter. One that is in the queue keeps its place, and may be woken again. */
  add(waiter: MemoryWaiter, cls: number): void {
    if (this.#woken === waiter) this.#woken = null;
    if (this.#waiters.has(waiter)) return;
    this.#waiters.set(waiter, cls);
    this.#perClass[cls]++;
    this.#classes |= 1 << cls;
  }

  /** Removes a waiter; nothing happens if it is not in the queue. */
  remove(waiter: MemoryWaiter): void {
    const cls = this.#waiters.get(waiter);
    if (cls === undefined) return;
    this.#waiters.delete(waiter);
    if (--this.#perClass[cls] === 0) this.#classes &= ~(1 << cls);
    if (this.#woken === waiter) this.#woken = null;
  }

  /**
   * Wakes the first waiter that needs a block of at most this class, unless one is awake.
   *
   * @param largest Class of the largest block that the arena has; -1 if it has none.
   */
  wake(largest: number): void {
    if (this.#woken || largest < 0 || (this.#classes & (2 ** (largest + 1) - 1)) === 0) return;
    for (const [waiter, cls] of this.#waiters) {
      if (cls > largest) continue;
      this.#woken = waiter;
      waiter.onMemory();
      return;
    }
  }
}
