/**
 * The memory that holds packets and payloads.
 *
 * @module
 */

import { KernelMemory } from "./kernel.ts";

/** log2 of the smallest block of an {@linkcode Arena}. */
const MIN_CLASS = 6;
const CLASSES = 31;
/** A smaller arena is never in kernel memory, since that comes in pages of 64 KiB. */
const MIN_KERNEL_SIZE = 32_768;

/**
 * One growable byte buffer, cut into blocks whose sizes are powers of two.
 *
 * One arena holds the payloads to send, the payloads to read and the packets of a
 * {@linkcode PacketBatch}. To move bytes between them is a copy inside one buffer, so no view is
 * allocated per packet. Freed blocks are kept in one free list per size and used again. So many
 * sessions can share an arena: they need memory for the data in flight, not for their windows.
 *
 * When the buffer is full, a larger one replaces it. Never keep {@linkcode Arena.bytes} across a
 * call that can allocate.
 */
export class Arena {
  /** All bytes of the arena. Replaced when it grows. May start at any offset of `bytes.buffer`. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes for reading and writing integers. Replaced together with `bytes`. */
  view: DataView<ArrayBuffer>;
  /** Most bytes that the arena may hold. */
  readonly limit: number;
  readonly #forKernels: boolean;
  #top = 0;
  #used = 0;
  /**
   * Offset + 1 of the first free block of each class, 0 if none. A free block holds that of the
   * next.
   */
  readonly #free = new Int32Array(CLASSES);

  /**
   * Creates an arena of 1 KiB, which grows on demand.
   *
   * @param limit Most bytes that the arena may hold: 1 KiB to 1 GiB. Default: 1 GiB.
   * @param forKernels Whether the arena is in WebAssembly memory. The kernels of ciphers then need
   * no copy of a packet. It needs 20 KiB more, rounded up to pages of 64 KiB. Default: false.
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

  /** Bytes of the blocks in use, each rounded up to a power of two. */
  get used(): number {
    return this.#used;
  }

  /** Current size of the buffer in bytes. */
  get capacity(): number {
    return this.bytes.length;
  }

  /**
   * Allocates a block of at least `size` bytes.
   *
   * @returns The offset of the block in {@linkcode Arena.bytes}, a multiple of 64. -1 when the
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

  /**
   * Cuts a block of class `cls` off the smallest free block that is larger. -1 if there is none.
   */
  #split(cls: number): number {
    for (let larger = cls + 1; larger < CLASSES; larger++) {
      const head = this.#free[larger];
      if (head === 0) continue;
      const offset = head - 1;
      this.#free[larger] = this.view.getInt32(offset, true);
      // The rest of the larger block becomes one free block of each class from `cls` up.
      for (let rest = larger - 1; rest >= cls; rest--) this.#release(offset + 2 ** rest, rest);
      this.#used += 1 << cls;
      return offset;
    }
    return -1;
  }

  /** Frees a block that {@linkcode Arena.alloc} returned for the same `size`. */
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
