import { Arena } from "../../../kcp/arena.ts";

/** Most bytes of the connection below that are copied into the memory at a time. */
export const MAX_SCRATCH = 65_536;
/**
 * Memory beyond the limit for what is full: the bytes that arrive, and the last block of data, which
 * is at most 64 KiB. Twice that, because free blocks need not lie together.
 */
const RESERVE = 4 * MAX_SCRATCH;

/** The memory of one session for data that was not read yet. */
export class ReceiveMemory {
  /** It is full when this many bytes are in use. */
  readonly limit: number;
  /** The blocks. */
  readonly arena: Arena;
  #scratchSize = 0;

  /** @param limit Bytes of data that it may hold. */
  constructor(limit: number) {
    this.limit = limit;
    this.arena = new Arena(limit + RESERVE);
  }

  /** Bytes in blocks that hold data. */
  get used(): number {
    return this.arena.used - this.#scratchSize;
  }

  /** How many bytes may be added at present: 0 if the memory is full. */
  get room(): number {
    return Math.max(0, this.limit - this.used);
  }

  /**
   * Takes a block for bytes that have arrived. There is one at a time.
   *
   * @param size Bytes, at most {@linkcode MAX_SCRATCH}.
   * @returns The offset of the block.
   */
  borrow(size: number): number {
    const before = this.arena.used;
    const offset = this.arena.alloc(size);
    this.#scratchSize = this.arena.used - before;
    return offset;
  }

  /** Takes the block back. */
  giveBack(offset: number): void {
    this.arena.free(offset, this.#scratchSize);
    this.#scratchSize = 0;
  }
}
