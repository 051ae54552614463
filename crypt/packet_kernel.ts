import type { KernelMemory } from "../kcp/kernel.ts";
import { fitting } from "./packet_cipher.ts";

/** Packets that a kernel takes at a time. */
const MAX_PACKETS = 64;

/** The functions of a kernel that does all of some packets. Start and end of each are in a list. */
export interface PacketFunctions {
  /** Seals so many. */
  sealAll(count: number): void;
  /** Opens so many, and replaces the start of each by 1; by 0 if it is not whole. */
  openAll(count: number): void;
}

/** A kernel in a memory, where it has one key at a time. */
export abstract class PacketKernel {
  readonly #functions: PacketFunctions;
  readonly #memory: KernelMemory;
  readonly #list: Uint32Array;
  #key: Uint32Array | null = null;

  /** @param list Where the list lies. */
  constructor(functions: PacketFunctions, memory: KernelMemory, list: number) {
    this.#functions = functions;
    this.#memory = memory;
    this.#list = new Uint32Array(memory.bytes.buffer, list, 2 * MAX_PACKETS);
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
    this.#list[0] = start + offset;
    this.#list[1] = end + offset;
    this.#functions.sealAll(1);
    this.#memory.leave(bytes, start, end);
  }

  /** Opens a packet that it takes, and returns whether it is whole. If not, what it is now means nothing. */
  open(key: Uint32Array, bytes: Uint8Array, start: number, end: number): boolean {
    this.#take(key);
    const offset = this.#memory.enter(bytes, start, end);
    this.#list[0] = start + offset;
    this.#list[1] = end + offset;
    this.#functions.openAll(1);
    this.#memory.leave(bytes, start, end);
    return this.#list[0] === 1;
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
    while (first < last) {
      const next = this.#enter(bytes, starts, ends, first, last);
      this.#functions.sealAll(next - first);
      this.#memory.leave(bytes, starts[first], ends[next - 1]);
      first = next;
    }
  }

  /**
   * Opens several packets that it takes, each of which lies behind the one before.
   *
   * @param opened Becomes 1 for each packet, with its index, that is whole; else 0, and what it is now means nothing.
   */
  openAll(
    key: Uint32Array,
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
    opened: Uint8Array,
  ): void {
    this.#take(key);
    while (first < last) {
      const next = this.#enter(bytes, starts, ends, first, last);
      this.#functions.openAll(next - first);
      this.#memory.leave(bytes, starts[first], ends[next - 1]);
      for (let i = first; i < next; i++) opened[i] = this.#list[2 * (i - first)];
      first = next;
    }
  }

  /** Puts as many packets as fit where the kernel reaches them. Returns the index after the last one. */
  #enter(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): number {
    const most = Math.min(last, first + MAX_PACKETS);
    const next = fitting(starts, ends, first, most, this.#memory.capacity(bytes));
    const offset = this.#memory.enter(bytes, starts[first], ends[next - 1]);
    for (let i = first; i < next; i++) {
      this.#list[2 * (i - first)] = starts[i] + offset;
      this.#list[2 * (i - first) + 1] = ends[i] + offset;
    }
    return next;
  }
}
