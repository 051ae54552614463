import type { OutputBatch } from "./output_batch.ts";

/** When so many pieces have been sent and lie in front of those that wait, they are dropped. */
const COMPACT_AT = 64;

/** Bytes that a stream is to send. They stay in the memory of their writer. */
export class SendQueue {
  /** Bytes that wait. */
  length = 0;
  /** The piece that is sent next, and where in it. */
  #piece: Uint8Array | null = null;
  #offset = 0;
  /** The pieces behind it. */
  #more: Uint8Array[] | null = null;
  #moreAt = 0;

  /** Appends a piece that is not empty. It must not change until it was sent. */
  push(piece: Uint8Array): void {
    this.length += piece.length;
    if (this.#piece === null) this.#piece = piece;
    else if (this.#more === null) this.#more = [piece];
    else this.#more.push(piece);
  }

  /**
   * Moves up to `length` bytes into a frame of a batch.
   *
   * @returns How many: fewer if the batch has no room for so many pieces.
   */
  moveTo(batch: OutputBatch, length: number): number {
    let moved = 0;
    while (moved < length && batch.hasPieceRoom) {
      const piece = this.#piece!;
      const from = this.#offset;
      const count = Math.min(length - moved, piece.length - from);
      batch.add(piece, from, from + count);
      moved += count;
      this.#offset = from + count;
      if (this.#offset === piece.length) this.#next();
    }
    this.length -= moved;
    return moved;
  }

  #next(): void {
    this.#offset = 0;
    const more = this.#more;
    if (more === null) {
      this.#piece = null;
      return;
    }
    this.#piece = more[this.#moreAt++];
    if (this.#moreAt === more.length) {
      this.#more = null;
      this.#moreAt = 0;
    } else if (this.#moreAt >= COMPACT_AT && 2 * this.#moreAt >= more.length) {
      more.splice(0, this.#moreAt);
      this.#moreAt = 0;
    }
  }

  /** Drops everything. */
  clear(): void {
    this.length = 0;
    this.#piece = null;
    this.#offset = 0;
    this.#more = null;
    this.#moreAt = 0;
  }
}
