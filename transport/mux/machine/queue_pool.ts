/** Most queues that are kept. */
const MAX_KEPT = 1024;

/**
 * Queues that no stream uses. A stream has one only while something waits in it: so an idle stream
 * needs none, and a busy one allocates none.
 *
 * @typeParam T The queues. They are empty.
 */
export class QueuePool<T> {
  readonly #make: () => T;
  readonly #free: T[] = [];

  /** @param make Makes a queue. */
  constructor(make: () => T) {
    this.#make = make;
  }

  /** Takes a queue. */
  take(): T {
    return this.#free.pop() ?? this.#make();
  }

  /** Gives an empty queue back. */
  give(queue: T): void {
    if (this.#free.length < MAX_KEPT) this.#free.push(queue);
  }
}
