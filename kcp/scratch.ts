import type { Arena } from "./arena.ts";

/** A place in an arena where a packet from elsewhere is laid down to be parsed. */
export class Scratch {
  readonly #arena: Arena;
  #block = -1;
  #size = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /** The arena offset of the packet, copied there unless it lies in the arena; -1 when memory is out. */
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

  /** Gives the memory back. */
  release(): void {
    if (this.#block >= 0) this.#arena.free(this.#block, this.#size);
    this.#block = -1;
    this.#size = 0;
  }
}
