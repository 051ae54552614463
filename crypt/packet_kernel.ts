import type { KernelMemory } from "../kcp/kernel.ts";
import { batchEnd } from "./packet_cipher.ts";

/** Most packets in one call of a kernel. */
const MAX_PACKETS = 64;

/**
 * The functions of a kernel that seals and opens whole packets. A list has the start and the end of
 * each.
 */
export interface PacketFunctions {
  /** Seals the first `count` packets of the list. */
  sealAll(count: number): void;
  /**
   * Opens the first `count` packets of the list. Replaces the start of each by 1 if it is valid,
   * else by 0.
   */
  openAll(count: number): void;
}

/** A kernel in one memory. The memory holds one key at a time. */
export abstract class PacketKernel {
  readonly #functions: PacketFunctions;
  readonly #memory: KernelMemory;
  readonly #list: Uint32Array;
  #key: Uint32Array | null = null;

  /**
   * @param functions The functions of the kernel.
   * @param memory The memory that it works in.
   * @param list Address of the list of packets.
   */
  constructor(functions: PacketFunctions, memory: KernelMemory, list: number) {
    this.#functions = functions;
    this.#memory = memory;
    this.#list = new Uint32Array(memory.bytes.buffer, list, 2 * MAX_PACKETS);
  }

  /** Writes a key, 8 little-endian words, into the kernel's memory. */
  protected abstract setKey(words: Uint32Array): void;

  #useKey(words: Uint32Array): void {
    if (this.#key === words) return;
    this.setKey(words);
    this.#key = words;
  }

  /** Whether a packet of `length` bytes in `bytes` is short enough for the kernel. */
  takes(bytes: Uint8Array, length: number): boolean {
    return length <= this.#memory.capacity(bytes);
  }

  /**
   * Whether each of several packets has at least `least` bytes, and is short enough for the kernel.
   *
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   */
  takesAll(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
    least: number,
  ): boolean {
    const most = this.#memory.capacity(bytes);
    for (let i = first; i < last; i++) {
      const length = ends[i] - starts[i];
      if (length < least || length > most) return false;
    }
    return true;
  }

  /** Seals a packet for which {@linkcode PacketKernel.takes} is true. */
  seal(key: Uint32Array, bytes: Uint8Array, start: number, end: number): void {
    this.#useKey(key);
    const offset = this.#memory.enter(bytes, start, end);
    this.#list[0] = start + offset;
    this.#list[1] = end + offset;
    this.#functions.sealAll(1);
    this.#memory.leave(bytes, start, end);
  }

  /**
   * Opens a packet for which {@linkcode PacketKernel.takes} is true.
   *
   * @returns Whether the packet is valid. If not, its bytes are undefined.
   */
  open(key: Uint32Array, bytes: Uint8Array, start: number, end: number): boolean {
    this.#useKey(key);
    const offset = this.#memory.enter(bytes, start, end);
    this.#list[0] = start + offset;
    this.#list[1] = end + offset;
    this.#functions.openAll(1);
    this.#memory.leave(bytes, start, end);
    return this.#list[0] === 1;
  }

  /**
   * Seals several packets for which {@linkcode PacketKernel.takesAll} is true.
   *
   * @param starts Offset of each packet's first byte, ascending. Packets do not overlap.
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
    this.#useKey(key);
    while (first < last) {
      const next = this.#enter(bytes, starts, ends, first, last);
      this.#functions.sealAll(next - first);
      this.#memory.leave(bytes, starts[first], ends[next - 1]);
      first = next;
    }
  }

  /**
   * Opens several packets for which {@linkcode PacketKernel.takesAll} is true.
   *
   * @param starts Offset of each packet's first byte, ascending. Packets do not overlap.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Set to 1 at the index of each valid packet. Set to 0 for the others, which are
   * filled with zeros.
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
    this.#useKey(key);
    while (first < last) {
      const next = this.#enter(bytes, starts, ends, first, last);
      this.#functions.openAll(next - first);
      this.#memory.leave(bytes, starts[first], ends[next - 1]);
      for (let i = first; i < next; i++) {
        opened[i] = this.#list[2 * (i - first)];
        if (opened[i] === 0) bytes.fill(0, starts[i], ends[i]);
      }
      first = next;
    }
  }

  /**
   * Makes as many packets as fit accessible to the kernel, and lists them. Returns the index after
   * the last of them.
   */
  #enter(
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): number {
    const most = Math.min(last, first + MAX_PACKETS);
    const next = batchEnd(starts, ends, first, most, this.#memory.capacity(bytes));
    const offset = this.#memory.enter(bytes, starts[first], ends[next - 1]);
    for (let i = first; i < next; i++) {
      this.#list[2 * (i - first)] = starts[i] + offset;
      this.#list[2 * (i - first) + 1] = ends[i] + offset;
    }
    return next;
  }
}
