import type { Arena } from "../../kcp/arena.ts";
import type { MemoryWaiter } from "../../kcp/memory_queue.ts";

/** The place of a session in the queue for memory of its arena. */
export class MemoryWait implements MemoryWaiter {
  /** Size of the block that the session needs, in bytes. 0 while it does not wait. */
  need = 0;
  /** Whether the block is for received data. */
  received = false;
  /** Whether the arena has the block, and the session has not tried again yet. */
  woken = false;
  readonly #arena: Arena;
  readonly #onWake: () => void;

  /**
   * @param arena The arena.
   * @param onWake Called when the arena has the block. It must neither allocate nor free.
   */
  constructor(arena: Arena, onWake: () => void) {
    this.#arena = arena;
    this.#onWake = onWake;
  }

  /** {@linkcode MemoryWaiter.onMemory}. */
  onMemory(): void {
    this.woken = true;
    this.#onWake();
  }

  /**
   * Waits for a block of `need` bytes. 0 for none. A session that still waits for the same keeps
   * its place.
   *
   * @param received Whether the block is for received data.
   */
  update(need: number, received: boolean): void {
    if (this.need === 0 && need === 0) return;
    const sameBlock = need === this.need && received === this.received;
    if (sameBlock && !this.woken) return;
    if (!sameBlock) this.#arena.leave(this);
    this.woken = false;
    this.need = need;
    this.received = received;
    if (need > 0) this.#arena.wait(this);
  }
}
