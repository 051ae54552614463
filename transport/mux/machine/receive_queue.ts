import type { Arena } from "../../../kcp/arena.ts";

/** Smallest and largest block in bytes. */
const MIN_BLOCK = 256;
const MAX_BLOCK = 65_536;
/**
 * Up to this size, a part of a block may stay unused rather than that the bytes need a second one.
 */
const SMALL_BLOCK = 4096;
/** Each block begins with the offset of the next one and with its own size. */
const LINK_SIZE = 8;
/** Up to this many bytes, a loop is faster than a view. */
const MAX_LOOP = 48;

/**
 * Bytes of one stream that wait to be read: a list of blocks in the memory of the session.
 *
 * A block is about as large as what comes, or a quarter of what waits already. So a small message
 * takes a small block, many bytes take few, and little memory is taken and not used. A block goes
 * back as soon as it was read: an empty queue holds none.
 */
export class ReceiveQueue {
  /** Bytes that wait. */
  length = 0;
  #head = -1;
  /** Where the next byte is read. */
  #readAt = 0;
  #tail = -1;
  /** Where the next byte is written, and the end of the last block. */
  #writeAt = 0;
  #end = 0;

  /** Appends bytes that lie in the arena, which must have room for them. */
  append(arena: Arena, at: number, length: number): void {
    this.length += length;
    while (length > 0) {
      if (this.#writeAt === this.#end) this.#grow(arena, length);
      const piece = Math.min(length, this.#end - this.#writeAt);
      arena.bytes.copyWithin(this.#writeAt, at, at + piece);
      this.#writeAt += piece;
      at += piece;
      length -= piece;
    }
  }

  #grow(arena: Arena, length: number): void {
    let size = blockSize(Math.max(length + LINK_SIZE, this.length >>> 2, MIN_BLOCK));
    let block = arena.alloc(size);
    while (block < 0) {
      if (size === MIN_BLOCK) {
        throw new Error("Cannot store received data: the memory has no block");
      }
      size /= 2;
      block = arena.alloc(size);
    }
    const { view } = arena;
    view.setInt32(block, -1, true);
    view.setInt32(block + 4, size, true);
    if (this.#tail >= 0) view.setInt32(this.#tail, block, true);
    else {
      this.#head = block;
      this.#readAt = block + LINK_SIZE;
    }
    this.#tail = block;
    this.#writeAt = block + LINK_SIZE;
    this.#end = block + size;
  }

  /**
   * Moves the oldest bytes to the start of `target`.
   *
   * @returns How many: all, or as many as `target` holds.
   */
  take(arena: Arena, target: Uint8Array): number {
    const wanted = Math.min(target.length, this.length);
    let done = 0;
    while (done < wanted) {
      const from = this.#readAt;
      const piece = Math.min(wanted - done, this.#headEnd(arena) - from);
      const { bytes } = arena;
      if (piece <= MAX_LOOP) {
        for (let i = 0; i < piece; i++) target[done + i] = bytes[from + i];
      } else {
        target.set(bytes.subarray(from, from + piece), done);
      }
      done += piece;
      this.#readAt = from + piece;
      this.#freeRead(arena);
    }
    this.length -= done;
    return done;
  }

  /** Drops every byte. */
  clear(arena: Arena): void {
    for (let block = this.#head; block >= 0;) {
      const next = arena.view.getInt32(block, true);
      arena.free(block, arena.view.getInt32(block + 4, true));
      block = next;
    }
    this.#reset();
  }

  #headEnd(arena: Arena): number {
    const head = this.#head;
    return head === this.#tail ? this.#writeAt : head + arena.view.getInt32(head + 4, true);
  }

  /** Gives the first block back if all of it was read. */
  #freeRead(arena: Arena): void {
    if (this.#readAt !== this.#headEnd(arena)) return;
    const head = this.#head;
    const { view } = arena;
    const next = view.getInt32(head, true);
    arena.free(head, view.getInt32(head + 4, true));
    this.#head = next;
    this.#readAt = next + LINK_SIZE;
    if (next < 0) this.#tail = this.#writeAt = this.#end = -1;
  }

  #reset(): void {
    this.length = 0;
    this.#head = this.#tail = -1;
    this.#readAt = this.#writeAt = this.#end = 0;
  }
}

/** The power of two that is best for so many bytes: the next one, unless much of it were unused. */
function blockSize(wanted: number): number {
  if (wanted >= MAX_BLOCK) return MAX_BLOCK;
  const next = 2 ** (32 - Math.clz32(wanted - 1));
  return next > SMALL_BLOCK && 4 * next > 5 * wanted ? next / 2 : next;
}
