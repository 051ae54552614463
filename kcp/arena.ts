/**
 * The memory that packets and payloads live in.
 *
 * @module
 */

import { KernelMemory } from "./kernel.ts";

/** log2 of the smallest block that an {@linkcode Arena} hands out. */
const MIN_CLASS = 6;
const CLASSES = 31;
/** Bytes from which on an arena may lie in memory that kernels reach, which comes in pages. */
const MIN_KERNEL_SIZE = 32_768;

/**
 * One growable byte buffer, cut into blocks whose sizes are powers of two.
 *
 * Payloads on their way out, payloads waiting to be read and the packets of a {@linkcode PacketBatch}
 * all live in one arena, so that moving bytes between them is a copy inside one buffer: no view is
 * allocated per packet. Freed blocks are kept in a free list per size and used again; many sessions
 * that share an arena therefore cost memory for what is in flight, not for their windows.
 *
 * The buffer is replaced by a larger one when it is full: never keep {@linkcode Arena.bytes} across
 * a call that can allocate.
 */
export class Arena {
  /** All of it. Replaced when the arena grows. It may be a part of `bytes.buffer`, whose offsets are others. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes for reading and writing integers. Replaced together with `bytes`. */
  view: DataView<ArrayBuffer>;
  /** The arena never grows past this many bytes. */
  readonly limit: number;
  readonly #forKernels: boolean;
  #top = 0;
  #used = 0;
  /** Offset + 1 of the first free block of each class; the block holds the next one's. */
  readonly #free = new Int32Array(CLASSES);

  /**
   * Makes an arena that holds next to nothing yet.
   *
   * @param limit Most bytes that the arena may hold, 1 KiB to 1 GiB. 1 GiB unless given.
   * @param forKernels Whether it shall lie where the WebAssembly kernels of ciphers reach it, so that they need no copy
   * of a packet. That costs 20 KiB more, and what is missing to pages of 64 KiB. Not so unless given.
   * @throws {RangeError} When `limit` is out of range.
   */
  constructor(limit: number = 2 ** 30, forKernels = false) {
    if (!Number.isInteger(limit) || limit < 1024 || limit > 2 ** 30) {
      throw new RangeError(
        `Cannot limit an arena to ${limit} bytes: allowed are 1024 to 1073741824`,
      );
    }
    this.limit = limit;
    this.#forKernels = forKernels;
    this.bytes = new Uint8Array(1024);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Bytes in blocks that are handed out at the moment, each rounded up to its power of two. */
  get used(): number {
    return this.#used;
  }

  /** Bytes that the arena holds from the runtime at the moment. */
  get capacity(): number {
    return this.bytes.length;
  }

  /**
   * Hands out a block of at least `size` bytes.
   *
   * @returns The offset of the block in {@linkcode Arena.bytes}, a multiple of 64, or -1 when the
   * arena's limit is reached.
   */
  alloc(size: number): number {
    if (size > this.limit) return -1;
    const cls = sizeClass(size);
    const head = this.#free[cls];
    if (head !== 0) {
      this.#free[cls] = this.view.getInt32(head - 1, true);
      this.#used += 1 << cls;
      return head - 1;
    }
    const offset = this.#top;
    const top = offset + 2 ** cls;
    if (top > this.bytes.length && !this.#grow(top)) return this.#split(cls);
    this.#top = top;
    this.#used += 1 << cls;
    return offset;
  }

  /** Cuts a block of `cls` off the smallest larger one that is free; -1 if there is none. */
  #split(cls: number): number {
    for (let larger = cls + 1; larger < CLASSES; larger++) {
      const head = this.#free[larger];
      if (head === 0) continue;
      const offset = head - 1;
      this.#free[larger] = this.view.getInt32(offset, true);
      // Of what is left, each half is a block of the class below.
      for (let rest = larger - 1; rest >= cls; rest--) this.#release(offset + 2 ** rest, rest);
      this.#used += 1 << cls;
      return offset;
    }
    return -1;
  }

  /** Takes back a block that {@linkcode Arena.alloc} handed out for the same `size`. */
  free(offset: number, size: number): void {
    const cls = sizeClass(size);
    this.#release(offset, cls);
    this.#used -= 1 << cls;
  }

  #release(offset: number, cls: number): void {
    this.view.setInt32(offset, this.#free[cls], true);
    this.#free[cls] = offset + 1;
  }

  #grow(needed: number): boolean {
    if (needed > this.limit) return false;
    let size = this.bytes.length;
    while (size < needed) size *= 2;
    size = Math.min(size, this.limit);
    const memory = this.#forKernels && size >= MIN_KERNEL_SIZE ? KernelMemory.create(size) : null;
    const bytes = memory?.data ?? new Uint8Array(size);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, size);
    return true;
  }
}

/** log2 of the block that holds `size` bytes. */
function sizeClass(size: number): number {
  return size <= 1 << MIN_CLASS ? MIN_CLASS : 32 - Math.clz32(size - 1);
}
