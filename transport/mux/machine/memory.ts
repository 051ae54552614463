import { Arena } from "../../../kcp/arena.ts";

/** Most bytes of the connection below that are copied into the memory at a time. */
const MAX_COPY = 65_536;
/**
 * Memory beyond the limit: for the copy of what arrives, and for the last two blocks of data, 64
 * KiB each. With the rest, there is a small block also when such blocks lie all over the memory.
 */
const RESERVE = 4 * MAX_COPY;

/**
 * The memory of one session for data that was not read yet.
 *
 * What arrives is copied into it at once, and from there to the blocks of the streams: that second
 * copy, inside one buffer, needs no view for each frame.
 */
export class ReceiveMemory {
  /** It is full when this many bytes are in use. */
  readonly limit: number;
  /** The blocks. */
  readonly arena: Arena;
  /** The block of the copy, -1 if there is none; and which bytes it holds. */
  #copy = -1;
  #copySize = 0;
  #from = 0;
  #to = 0;

  /** @param limit Bytes of data that it may hold. */
  constructor(limit: number) {
    this.limit = limit;
    this.arena = new Arena(limit + RESERVE);
  }

  /** Bytes in blocks that hold data. */
  get used(): number {
    return this.arena.used - this.#copySize;
  }

  /** How many bytes may be added at present: 0 if the memory is full. */
  get room(): number {
    return Math.max(0, this.limit - this.used);
  }

  /**
   * Where `bytes[at]` lies in the arena. It is copied, with what follows, if it is not there yet.
   * {@linkcode ReceiveMemory.endCopy} is called before other bytes are used.
   */
  copied(bytes: Uint8Array, at: number): number {
    if (this.#copy < 0 || at >= this.#to) {
      this.endCopy();
      this.#borrow(Math.min(bytes.length - at, MAX_COPY));
      const end = Math.min(bytes.length, at + this.#copySize);
      const whole = at === 0 && end === bytes.length;
      this.arena.bytes.set(whole ? bytes : bytes.subarray(at, end), this.#copy);
      this.#from = at;
      this.#to = end;
    }
    return this.#copy + at - this.#from;
  }

  /** Index behind the last byte that was copied. */
  get copiedTo(): number {
    return this.#to;
  }

  /** The copy is not needed any more. */
  endCopy(): void {
    if (this.#copy < 0) return;
    this.arena.free(this.#copy, this.#copySize);
    this.#copy = -1;
    this.#copySize = 0;
  }

  /** Takes a block for the copy: a smaller one if the memory is in small pieces. */
  #borrow(size: number): void {
    const { arena } = this;
    const before = arena.used;
    this.#copy = arena.alloc(size);
    while (this.#copy < 0) {
      size = Math.ceil(size / 2);
      this.#copy = arena.alloc(size);
    }
    this.#copySize = arena.used - before;
  }
}
