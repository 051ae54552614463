import type { Arena } from "./arena.ts";

const MIN_SIZE = 2048;

/** A block of an arena that takes a packet from other memory, so that it can be parsed in place. */
export class Scratch {
  readonly #arena: Arena;
  #block = -1;
  #size = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /**
   * Copies a packet to the arena, unless it is there already. Returns its offset, -1 without
   * memory.
   */
  lay(packet: Uint8Array): number {
    const arena = this.#arena;
    if (packet.buffer === arena.bytes.buffer) return packet.byteOffset - arena.bytes.byteOffset;
    const { length } = packet;
    if (!this.reserve(length)) return -1;
    if (length > 0) arena.bytes.set(packet, this.#block);
    return this.#block;
  }

  /** Takes memory for a packet of `length` bytes, at least 2048. False when the arena has none. */
  reserve(length: number): boolean {
    if (this.#block >= 0 && length <= this.#size) return true;
    const size = Math.max(length, MIN_SIZE);
    const block = this.#arena.alloc(size);
    if (block < 0) return false;
    this.release();
    this.#block = block;
    this.#size = size;
    return true;
  }

  /** Gives the memory back to the arena. */
  release(): void {
    if (this.#block >= 0) this.#arena.free(this.#block, this.#size);
    this.#block = -1;
    this.#size = 0;
  }
}
