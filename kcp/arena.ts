/**
 * The memory that packets and payloads live in.
 *
 * @module
 */

import { WASM } from "./copy_wasm.ts";
import { KernelMemory, KernelModule } from "./kernel.ts";
import { MemoryQueue, type MemoryWaiter } from "./memory_queue.ts";

/** log2 of the smallest block that an {@linkcode Arena} hands out. */
const MIN_CLASS = 6;
/** The largest block has 2^30 bytes, so `1 << cls` is positive. (`2 ** cls` takes much longer.) */
const CLASSES = 31;
/** The smallest arena in bytes. */
const MIN_SIZE = 1024;
/**
 * An arena of at least this many bytes may lie in memory that kernels reach, which comes in pages.
 */
const MIN_KERNEL_SIZE = 32_768;
/**
 * An arena of at least this many bytes lies there in any case, if the runtime allows it: a kernel copies
 * a packet in half the time of `copyWithin`.
 */
const MIN_COPY_SIZE = 262_144;
/** {@linkcode Arena.trim} leaves a buffer of this many bytes or fewer as it is. */
const MIN_TRIM_SIZE = 1 << 20;
/**
 * Data from the network gets no block with which more than this part of the limit would be in use.
 */
const RECEIVED_SHARE = 7 / 8;
/** Memory is scarce when more than this part of the limit is in use. */
const SCARCE_SHARE = 3 / 4;
/** The end of a free list. */
const NONE = -1;

/** Copies `length` bytes of a memory from address `from` to address `to`. */
type Copy = (to: number, from: number, length: number) => void;

const COPY = new KernelModule("copy", [WASM], ({ copy }: { copy: Copy }) => copy);

/**
 * One growable byte buffer, cut into blocks whose sizes are powers of two.
 *
 * Payloads on their way out, payloads waiting to be read and the packets of a {@linkcode
 * PacketBatch} all live in one arena, so that moving bytes between them is a copy inside one
 * buffer: no view is allocated per packet. Many sessions that share an arena cost memory for what
 * is in flight, not for their windows.
 *
 * It is a binary buddy allocator (Knuth, The Art of Computer Programming, vol. 1, §2.5): a block of
 * 2^k bytes lies at a multiple of 2^k. A freed block joins its free neighbour at once, and the two
 * are one block of twice the size again. So no sequence of small blocks makes a large one
 * impossible for longer than the small ones are held.
 *
 * The buffer is replaced by a larger one when it is full: never keep {@linkcode Arena.bytes} across
 * a call that can allocate.
 */
export class Arena {
  /**
   * The whole buffer. It is replaced when the arena grows. It may be a part of `bytes.buffer`, so
   * an offset into it is not one into `bytes.buffer`.
   */
  bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes for reading and writing integers. It is replaced together with `bytes`. */
  view: DataView<ArrayBuffer>;
  /** The arena never grows past this many bytes. */
  readonly limit: number;
  readonly #forKernels: boolean;
  /** The kernel that copies inside the arena; null if the arena is not in reach of kernels. */
  #copy: Copy | null = null;
  /** Every block ends at or before this offset. */
  #top = 0;
  #used = 0;
  /** Offset of the first free block of each class; a free block holds those of its neighbours. */
  readonly #free = new Int32Array(CLASSES).fill(NONE);
  /** Bit n: a block of class n is free. */
  #available = 0;
  /** For every 64 bytes: 1 + the class of the free block that begins there, else 0. */
  #classes = new Uint8Array(MIN_SIZE >> MIN_CLASS);
  /** Those that wait for memory for data to send, and for received data. */
  readonly #senders = new MemoryQueue();
  readonly #receivers = new MemoryQueue();

  /**
   * Makes an arena that holds next to nothing yet.
   *
   * @param limit Most bytes that the arena may hold, 1 KiB to 1 GiB. Default: 1 GiB.
   * @param forKernels Whether the WebAssembly kernels of ciphers can reach the arena, so that they
   * need no copy of a packet. That costs 20 KiB, and the arena grows in pages of 64 KiB. An arena of
   * 256 KiB or more is there in any case. Default: false.
   * @throws {RangeError} When `limit` is out of range.
   */
  constructor(limit: number = 2 ** 30, forKernels = false) {
    if (!Number.isInteger(limit) || limit < MIN_SIZE || limit > 2 ** 30) {
      throw new RangeError(
        `Cannot limit an arena to ${limit} bytes: allowed are 1024 to 1073741824`,
      );
    }
    this.limit = limit;
    this.#forKernels = forKernels;
    this.bytes = new Uint8Array(MIN_SIZE);
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
    const offset = this.#take(cls);
    if (offset >= 0) this.#used += 1 << cls;
    return offset;
  }

  /**
   * Whether {@linkcode Arena.alloc} has a block of `size` bytes at the moment.
   *
   * @param received Whether it is for data from the network. The last eighth of the limit is for
   * data to send: an application that answers what it reads could otherwise neither answer nor read
   * on. Default: false.
   */
  fits(size: number, received = false): boolean {
    if (size > this.limit) return false;
    const cls = sizeClass(size);
    if (received && this.#used + (1 << cls) > RECEIVED_SHARE * this.limit) return false;
    return this.#available >>> cls !== 0 || alignUp(this.#top, cls) + (1 << cls) <= this.limit;
  }

  /** Whether so much is in use that nothing should be kept for later. */
  get scarce(): boolean {
    return this.#used > SCARCE_SHARE * this.limit;
  }

  /** Takes back a block that {@linkcode Arena.alloc} handed out for the same `size`. */
  free(offset: number, size: number): void {
    const cls = sizeClass(size);
    this.#used -= 1 << cls;
    this.#release(offset, cls);
    if (this.waiting > 0) this.#wake();
  }

  /**
   * Copies bytes inside the arena.
   *
   * @param to Offset of the first byte to write.
   * @param from Offset of the first byte to read. The two ranges may overlap.
   * @param length How many bytes. Both ranges must lie in blocks that are handed out.
   *
   * @example
   * ```ts
   * import { Arena } from "@lowlatency/kcp/kcp";
   * import { assertEquals } from "@std/assert";
   *
   * const arena = new Arena();
   * const block = arena.alloc(64);
   * arena.bytes.set([1, 2, 3], block);
   * arena.copy(block + 1, block, 3);
   * assertEquals(arena.bytes.subarray(block, block + 4), new Uint8Array([1, 1, 2, 3]));
   * ```
   */
  copy(to: number, from: number, length: number): void {
    const copy = this.#copy;
    if (copy === null) {
      this.bytes.copyWithin(to, from, from + length);
    } else {
      const { byteOffset } = this.bytes;
      copy(byteOffset + to, byteOffset + from, length);
    }
  }

  /**
   * Puts a waiter into the queue for memory. It is woken when a block was freed and the arena has
   * what the waiter needs. It then tries again, and calls {@linkcode Arena.leave} or, to keep its
   * place in the queue, `wait`. The next waiter is woken after that. See {@linkcode MemoryQueue}.
   *
   * @param waiter Who waits. Nothing happens if it waits already.
   */
  wait(waiter: MemoryWaiter): void {
    this.#queueOf(waiter).add(waiter, sizeClass(waiter.need));
    // Others may need less.
    if (!this.fits(waiter.need, waiter.received)) this.#wake();
  }

  /** Removes a waiter from the queue for memory. Nothing happens if it does not wait. */
  leave(waiter: MemoryWaiter): void {
    this.#queueOf(waiter).remove(waiter);
    if (this.waiting > 0) this.#wake();
  }

  #queueOf(waiter: MemoryWaiter): MemoryQueue {
    return waiter.received ? this.#receivers : this.#senders;
  }

  #wake(): void {
    const largest = this.#largest;
    this.#senders.wake(largest);
    const left = RECEIVED_SHARE * this.limit - this.#used;
    if (left >= 1) this.#receivers.wake(Math.min(largest, sizeOf(left)));
  }

  /** How many wait for memory. */
  get waiting(): number {
    return this.#senders.size + this.#receivers.size;
  }

  /** Class of the largest block that the arena has at the moment; -1 if it has none. */
  get #largest(): number {
    let largest = 31 - Math.clz32(this.#available);
    for (let cls = Math.max(MIN_CLASS, largest + 1); cls < CLASSES; cls++) {
      if (alignUp(this.#top, cls) + (1 << cls) > this.limit) break;
      largest = cls;
    }
    return largest;
  }

  /** Whether {@linkcode Arena.trim} would give memory back. */
  get wasteful(): boolean {
    return this.bytes.length > MIN_TRIM_SIZE && this.#top <= this.bytes.length / 4;
  }

  /**
   * Gives what lies behind the last block in use back to the runtime, if that is most of the
   * buffer.
   */
  trim(): void {
    if (!this.wasteful) return;
    this.#resize(Math.max(MIN_TRIM_SIZE, 2 * this.#top));
  }

  #take(cls: number): number {
    const larger = this.#available >>> cls;
    if (larger === 0) return this.#extend(cls);
    let found = cls + 31 - Math.clz32(larger & -larger);
    const offset = this.#free[found];
    this.#unlink(offset, found);
    // Of what is left, each upper half is a free block of the class below.
    while (found > cls) {
      found--;
      this.#link(offset + (1 << found), found);
    }
    return offset;
  }

  /**
   * Takes a block from behind all others; the gap that its alignment leaves becomes free blocks.
   */
  #extend(cls: number): number {
    const offset = alignUp(this.#top, cls);
    const top = offset + (1 << cls);
    if (top > this.limit) return -1;
    if (top > this.bytes.length) {
      let size = this.bytes.length;
      while (size < top) size *= 2;
      this.#resize(Math.min(size, this.limit));
    }
    while (this.#top < offset) {
      // The largest block that may begin here.
      const gap = Math.min(31 - Math.clz32(this.#top & -this.#top), sizeOf(offset - this.#top));
      this.#link(this.#top, gap);
      this.#top += 1 << gap;
    }
    this.#top = top;
    return offset;
  }

  /** Frees a block of a class, joined with its free neighbours. */
  #release(offset: number, cls: number): void {
    const classes = this.#classes;
    while (cls < CLASSES - 1) {
      const buddy = offset ^ (1 << cls);
      if (buddy >= this.#top || classes[buddy >> MIN_CLASS] !== cls + 1) break;
      this.#unlink(buddy, cls);
      if (buddy < offset) offset = buddy;
      cls++;
    }
    if (offset + (1 << cls) < this.#top) {
      this.#link(offset, cls);
      return;
    }
    // What is free at the end is no block at all.
    this.#top = offset;
    while (this.#top > 0) {
      const last = this.#lastFree();
      if (last < 0) return;
      this.#unlink(last, classes[last >> MIN_CLASS] - 1);
      this.#top = last;
    }
  }

  /** Offset of the free block that ends at the top, -1 if the block there is in use. */
  #lastFree(): number {
    const classes = this.#classes;
    const top = this.#top;
    for (let cls = MIN_CLASS; cls < CLASSES && (top & ((1 << cls) - 1)) === 0; cls++) {
      const offset = top - (1 << cls);
      if (offset < 0) return -1;
      if (classes[offset >> MIN_CLASS] === cls + 1) return offset;
    }
    return -1;
  }

  #link(offset: number, cls: number): void {
    const { view } = this;
    const next = this.#free[cls];
    view.setInt32(offset, NONE, true);
    view.setInt32(offset + 4, next, true);
    if (next !== NONE) view.setInt32(next, offset, true);
    this.#free[cls] = offset;
    this.#available |= 1 << cls;
    this.#classes[offset >> MIN_CLASS] = cls + 1;
  }

  #unlink(offset: number, cls: number): void {
    const { view } = this;
    const previous = view.getInt32(offset, true);
    const next = view.getInt32(offset + 4, true);
    if (previous !== NONE) view.setInt32(previous + 4, next, true);
    else this.#free[cls] = next;
    if (next !== NONE) view.setInt32(next, previous, true);
    if (this.#free[cls] === NONE) this.#available &= ~(1 << cls);
    this.#classes[offset >> MIN_CLASS] = 0;
  }

  #resize(size: number): void {
    const least = this.#forKernels ? MIN_KERNEL_SIZE : MIN_COPY_SIZE;
    const memory = size >= least ? KernelMemory.create(size) : null;
    const bytes = memory?.data ?? new Uint8Array(size);
    bytes.set(size < this.bytes.length ? this.bytes.subarray(0, this.#top) : this.bytes);
    this.bytes = bytes;
    this.#copy = memory && COPY.for(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, size);
    const classes = new Uint8Array((size >> MIN_CLASS) + 1);
    classes.set(this.#classes.subarray(0, Math.min(classes.length, this.#classes.length)));
    this.#classes = classes;
  }
}

/** Class of the smallest block that holds `size` bytes: log2 of the block's size. */
function sizeClass(size: number): number {
  return size <= 1 << MIN_CLASS ? MIN_CLASS : 32 - Math.clz32(size - 1);
}

/** log2 of `size`, rounded down. */
function sizeOf(size: number): number {
  return 31 - Math.clz32(size);
}

/** The first multiple of 2^cls from `offset` on. Both are at most 2^30. */
function alignUp(offset: number, cls: number): number {
  const size = 1 << cls;
  return (offset + size - 1) & -size;
}
