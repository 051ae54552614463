import type { Arena } from "./arena.ts";

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
    if (length > this.#size || this.#block < 0) {
      this.release();
      const size = Math.max(length, 2048);
      this.#block = arena.alloc(size);
      if (this.#block < 0) return -1;
      this.#size = size;
    }
    if (length > 0) arena.bytes.set(packet, this.#block);
    return this.#block;
  }

  /** Gives the memory back to the arena. */
  release(): void {
    if (this.#block >= 0) this.#arena.free(this.#block, this.#size);
    this.#block = -1;
    this.#size = 0;
  }
}
