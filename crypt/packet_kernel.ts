import type { KernelMemory } from "../kcp/kernel.ts";
import { fitting } from "./packet_cipher.ts";

/** The functions of a kernel that does all of a packet, which lies from `start` to before `end`. */
export interface PacketFunctions {
  /** Seals it. */
  seal(start: number, end: number): void;
  /** Opens it, and returns 1; 0 if it is not whole. */
  open(start: number, end: number): number;
}

/** A kernel in a memory, where it has one key at a time. */
export abstract class PacketKernel {
  readonly #functions: PacketFunctions;
  readonly #memory: KernelMemory;
  #key: Uint32Array | null = null;

  constructor(functions: PacketFunctions, memory: KernelMemory) {
    this.#functions = functions;
    this.#memory = memory;
  }

  /** Takes a key: its 8 words, low byte first. */
  protected abstract setKey(words: Uint32Array): void;

  #take(words: Uint32Array): void {
    if (this.#key === words) return;
    this.setKey(words);
    this.#key = words;
  }

  /** Whether it takes a packet of so many bytes. */
  takes(bytes: Uint8Array, length: number): boolean {
    return length <= this.#memory.capacity(bytes);
  }

  /** Seals a packet that it takes. */
  seal(key: Uint32Array, bytes: Uint8Array, start: number, end: number): void {
    this.#take(key);
    const offset = this.#memory.enter(bytes, start, end);
    this.#functions.seal(start + offset, end + offset);
    this.#memory.leave(bytes, start, end);
  }

  /**
   * Seals several packets that it takes, each of which lies behind the one before.
   *
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   */
  sealAll(
    key: Uint32Array,
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void {
    this.#take(key);
    const memory = this.#memory;
    const capacity = memory.capacity(bytes);
    while (first < last) {
      const next = fitting(starts, ends, first, last, capacity);
      const start = starts[first], end = ends[next - 1];
      const offset = memory.enter(bytes, start, end);
      for (let i = first; i < next; i++) this.#functions.seal(starts[i] + offset, ends[i] + offset);
      memory.leave(bytes, start, end);
      first = next;
    }
  }

  /** Opens a packet that it takes, and returns whether it is whole. If not, what it is now means nothing. */
  open(key: Uint32Array, bytes: Uint8Array, start: number, end: number): boolean {
    this.#take(key);
    const offset = this.#memory.enter(bytes, start, end);
    if (this.#functions.open(start + offset, end + offset) === 0) return false;
    this.#memory.leave(bytes, start, end);
    return true;
  }
}
