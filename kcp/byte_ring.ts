import type { Arena } from "./arena.ts";

const MIN_CAPACITY = 1024;
/** When memory is scarce, a block shrinks if less than one part in this many is in use. */
const MIN_FILL = 4;

/**
 * A first-in, first-out byte queue in one block of an {@linkcode Arena}.
 *
 * Positions are 32-bit integers that grow with every byte appended and wrap. `position & mask` is
 * the place of the byte in the block. So a position and a length describe a segment, the last
 * segment can grow without a move, and one copy can take many segments.
 */
export class ByteRing {
  /** Position of the oldest byte that is kept. */
  start = 0;
  /** Position after the newest byte. */
  end = 0;
  /** Position after the last byte that was placed ahead of `end`. Equal to `end` if none was. */
  extent = 0;
  #arena: Arena;
  readonly #received: boolean;
  #block = -1;
  /**
   * A power of two. It is kept after a release, so that the next block has the right size at once.
   */
  #capacity = MIN_CAPACITY;

  /**
   * @param arena The memory.
   * @param received Whether the bytes come from the network: see {@linkcode Arena.fits}.
   */
  constructor(arena: Arena, received = false) {
    this.#arena = arena;
    this.#received = received;
  }

  /** Bytes that are kept. */
  get length(): number {
    return (this.end - this.start) | 0;
  }

  /** Bytes from the oldest one that is kept to the last one that was placed ahead. */
  get #kept(): number {
    return (this.extent - this.start) | 0;
  }

  /**
   * How many times `length` bytes can be appended; Infinity if the arena has room for a larger
   * block, whose limit is not known here.
   */
  room(length: number): number {
    if (this.#block < 0) return this.#fits(capacityFor(length)) ? Infinity : 0;
    if (this.#kept + length <= this.#capacity) {
      return Math.floor((this.#capacity - this.length) / length);
    }
    return this.#fits(this.blockFor(length)) ? Infinity : 0;
  }

  #fits(capacity: number): boolean {
    return this.#arena.fits(capacity, this.#received);
  }

  /** Size of the block that the arena must have before `length` more bytes can be appended. */
  blockFor(length: number): number {
    return capacityFor(this.#kept + length);
  }

  /** How many of `length` bytes can be appended at present. */
  appendable(length: number): number {
    const kept = this.#kept;
    let capacity = this.blockFor(length);
    const present = this.#block < 0 ? MIN_CAPACITY / 2 : this.#capacity;
    while (capacity > present && !this.#fits(capacity)) capacity /= 2;
    return capacity < MIN_CAPACITY ? 0 : Math.min(length, Math.max(present, capacity) - kept);
  }

  /** Whether the block has room for `length` bytes at `position`. */
  holds(position: number, length: number): boolean {
    return this.#block >= 0 && ((position - this.start) | 0) + length <= this.#capacity;
  }

  /** Takes memory for `length` more bytes. False when the arena has none. */
  reserve(length: number): boolean {
    return this.#reserve(this.length + length);
  }

  /**
   * Moves the bytes into the smallest block that holds them, if the arena has one.
   *
   * @returns Whether memory went back to the arena.
   */
  shrink(): boolean {
    const present = this.#block;
    if (present < 0) return false;
    if (this.#kept === 0) this.release();
    else if (capacityFor(this.#kept) < this.#capacity) this.#move(capacityFor(this.#kept));
    return this.#block !== present;
  }

  /** Moves the bytes into another arena, which has room for them. */
  moveTo(arena: Arena): void {
    const kept = this.#kept;
    const from = this.#arena;
    const { bytes } = from;
    const block = this.#block;
    const capacity = this.#capacity;
    this.#arena = arena;
    this.#block = -1;
    this.#capacity = capacityFor(kept);
    if (block < 0) return;
    if (kept > 0) {
      this.#block = arena.alloc(this.#capacity);
      this.#copyFrom(bytes, block, capacity);
    }
    from.free(block, capacity);
  }

  /** Appends the first `length` bytes of `source`. False when the arena has no memory. */
  append(source: Uint8Array, length: number): boolean {
    if (!this.#reserve(this.length + length)) return false;
    if (length === 0) return true;
    const at = this.end & (this.#capacity - 1);
    const first = this.#capacity - at;
    const bytes = this.#arena.bytes;
    if (length <= first) {
      bytes.set(length === source.length ? source : source.subarray(0, length), this.#block + at);
    } else {
      bytes.set(source.subarray(0, first), this.#block + at);
      bytes.set(source.subarray(first, length), this.#block);
    }
    this.#extend(length);
    return true;
  }

  /** Appends `length` bytes from `offset` of the arena. False when the arena has no memory. */
  appendInside(offset: number, length: number): boolean {
    if (!this.#reserve(this.length + length)) return false;
    this.#copyTo(this.end, offset, length);
    this.#extend(length);
    return true;
  }

  /**
   * Copies `length` bytes from `offset` of the arena to `position`, ahead of `end`. They join the
   * queue when {@linkcode ByteRing.admit} is called for them.
   *
   * @returns False when the arena has no memory.
   */
  place(position: number, offset: number, length: number): boolean {
    if (!this.#reserve(((position - this.start) | 0) + length)) return false;
    this.#copyTo(position, offset, length);
    const extent = (position + length) | 0;
    if (((extent - this.extent) | 0) > 0) this.extent = extent;
    return true;
  }

  /** Appends `length` bytes that were placed at `position`, at or ahead of `end`. */
  admit(position: number, length: number): void {
    const mask = this.#capacity - 1;
    if (position !== this.end) {
      for (let done = 0; done < length;) {
        const from = (position + done) & mask;
        const to = (this.end + done) & mask;
        const piece = Math.min(length - done, mask + 1 - Math.max(from, to));
        this.#arena.copy(this.#block + to, this.#block + from, piece);
        done += piece;
      }
    }
    this.#extend(length);
  }

  /** Copies `length` bytes from `offset` of the arena to `position`, which is reserved. */
  #copyTo(position: number, offset: number, length: number): void {
    const at = position & (this.#capacity - 1);
    const first = this.#capacity - at;
    const arena = this.#arena;
    if (length <= first) {
      arena.copy(this.#block + at, offset, length);
    } else {
      arena.copy(this.#block + at, offset, first);
      arena.copy(this.#block, offset + first, length - first);
    }
  }

  #extend(length: number): void {
    this.end = (this.end + length) | 0;
    if (((this.end - this.extent) | 0) > 0) this.extent = this.end;
  }

  /** Copies `length` bytes from `position` to `offset` of the arena. */
  copyInside(position: number, length: number, offset: number): void {
    const at = position & (this.#capacity - 1);
    const first = this.#capacity - at;
    const from = this.#block + at;
    const arena = this.#arena;
    if (length <= first) {
      arena.copy(offset, from, length);
    } else {
      arena.copy(offset, from, first);
      arena.copy(offset + first, this.#block, length - first);
    }
  }

  /** Moves the oldest `length` bytes to the start of `target`. */
  take(target: Uint8Array, length: number): void {
    if (length > 0) {
      const at = this.start & (this.#capacity - 1);
      const first = this.#capacity - at;
      const from = this.#block + at;
      const bytes = this.#arena.bytes;
      if (length <= first) {
        target.set(bytes.subarray(from, from + length));
      } else {
        target.set(bytes.subarray(from, from + first));
        target.set(bytes.subarray(this.#block, this.#block + length - first), first);
      }
    }
    this.discard((this.start + length) | 0);
  }

  /**
   * Drops every byte before `position`. When memory is scarce, a block that is too large shrinks.
   */
  discard(position: number): void {
    this.start = position;
    if (this.#arena.scarce && MIN_FILL * this.#kept < this.#capacity) this.shrink();
  }

  /**
   * Resets the positions of an empty queue to the start of its block, which is likely in the cache.
   * When memory is scarce, the block goes back to the arena.
   */
  rewind(): void {
    if (this.start !== this.extent) return;
    this.start = this.end = this.extent = 0;
    if (this.#arena.scarce) this.release();
  }

  /** Gives the block back to the arena if no byte is kept. */
  release(): void {
    if (this.#block >= 0 && this.start === this.extent) this.#freeBlock();
  }

  /** Drops every byte and gives the block back to the arena. */
  clear(): void {
    this.start = this.end = this.extent = 0;
    this.release();
  }

  #freeBlock(): void {
    this.#arena.free(this.#block, this.#capacity);
    this.#block = -1;
  }

  /** Makes the block large enough for `needed` bytes from the oldest one. */
  #reserve(needed: number): boolean {
    const kept = this.#kept;
    if (needed < kept) needed = kept;
    if (this.#block >= 0 ? needed <= this.#capacity : needed === 0) return true;
    // The old block is part of the new one, if nothing is in it.
    if (kept === 0 && this.#block >= 0) this.#freeBlock();
    let capacity = this.#capacity;
    while (capacity < needed) capacity *= 2;
    if (this.#move(capacity)) return true;
    // Data to send waits for its turn in the queue for memory.
    if (this.#received && this.#moveDown() && this.#move(capacity)) return true;
    // Without a block, the capacity is only that of the last one.
    return this.#block < 0 && this.#move(capacityFor(needed));
  }

  /**
   * Moves the bytes to a block of the same size at a lower place, if the arena has one. While the block
   * grew, each new one was placed behind the one before. So a block may split the free memory in two
   * parts, neither of which holds a block of twice its size.
   *
   * @returns Whether they were moved.
   */
  #moveDown(): boolean {
    const arena = this.#arena;
    const old = this.#block;
    const capacity = this.#capacity;
    if (old < 0 || !this.#fits(capacity)) return false;
    const block = arena.alloc(capacity);
    if (block > old) {
      arena.free(block, capacity);
      return false;
    }
    this.#block = block;
    this.#copyFrom(arena.bytes, old, capacity);
    arena.free(old, capacity);
    return true;
  }

  /**
   * Moves the bytes to a new block of `capacity` bytes; false when the arena has no room for it.
   */
  #move(capacity: number): boolean {
    const arena = this.#arena;
    const block = this.#received && !this.#fits(capacity) ? -1 : arena.alloc(capacity);
    if (block < 0) return false;
    const old = this.#block;
    const oldCapacity = this.#capacity;
    this.#block = block;
    this.#capacity = capacity;
    if (old >= 0) {
      this.#copyFrom(arena.bytes, old, oldCapacity);
      arena.free(old, oldCapacity);
    }
    return true;
  }

  /**
   * Copies all bytes from another block, at an offset of `source`. Every byte keeps its position.
   */
  #copyFrom(source: Uint8Array, block: number, capacity: number): void {
    const { bytes } = this.#arena;
    const kept = this.#kept;
    // Each piece ends at the edge of one of the two blocks.
    for (let done = 0; done < kept;) {
      const position = this.start + done;
      const from = position & (capacity - 1);
      const to = position & (this.#capacity - 1);
      const piece = Math.min(kept - done, capacity - from, this.#capacity - to);
      bytes.set(source.subarray(block + from, block + from + piece), this.#block + to);
      done += piece;
    }
  }
}

/** The smallest capacity that holds `length` bytes. */
function capacityFor(length: number): number {
  return length <= MIN_CAPACITY ? MIN_CAPACITY : 2 ** (32 - Math.clz32(length - 1));
}
