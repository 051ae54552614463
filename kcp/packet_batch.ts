/**
 * Packets on their way to the socket.
 *
 * @module
 */
import { Arena } from "./arena.ts";

/** Settings of a {@linkcode PacketBatch}. */
export interface PacketBatchOptions {
  /** The memory to build the packets in: that of the machine that fills the batch. */
  arena?: Arena;
  /** Bytes for packets, 64 KiB unless given. */
  bytes?: number;
  /** Most packets that the batch holds, 256 unless given. */
  packets?: number;
}

/**
 * A run of outgoing packets, one behind the other in one piece of memory.
 *
 * A machine's `output(batch)` appends to the batch and returns how many packets it appended; whoever
 * sends them calls {@linkcode PacketBatch.clear} before the next round.
 *
 * @example
 * ```ts
 * import { Kcp, PacketBatch } from "@lowlatency/kcp";
 *
 * const kcp = new Kcp(1);
 * const batch = new PacketBatch({ arena: kcp.arena });
 * kcp.send(new Uint8Array(100));
 * kcp.tick(0);
 * kcp.output(batch);
 * for (const packet of batch) console.log(packet.length); // 124
 * ```
 */
export class PacketBatch implements Iterable<Uint8Array<ArrayBuffer>> {
  /** The memory that the packets lie in. */
  readonly arena: Arena;
  /** Packets in the batch. */
  count = 0;
  /** Whether the last reservation found no room. */
  full = false;
  /** Offset in the arena of each packet's first byte. */
  readonly starts: Int32Array;
  /** Offset in the arena after each packet's last byte. */
  readonly ends: Int32Array;
  /** Where each packet goes; empty for a machine that has one peer. */
  readonly to: string[] = [];
  /** Bytes that are kept free in front of what is reserved, for the headers of outer layers. */
  headroom = 0;
  /** Bytes that are kept free behind what is reserved, for the trailers of outer layers. */
  tailroom = 0;
  /** Destination of the packets that are committed next. */
  destination = "";
  readonly #start: number;
  readonly #limit: number;
  #top: number;

  /**
   * Makes an empty batch.
   *
   * @throws {RangeError} When the arena has no room for the batch.
   */
  constructor(options: PacketBatchOptions = {}) {
    const { arena = new Arena(), bytes = 65536, packets = 256 } = options;
    this.arena = arena;
    this.#start = this.#top = arena.alloc(bytes);
    if (this.#start < 0) {
      throw new RangeError(
        `Cannot place a batch of ${bytes} bytes: the arena is limited to ${arena.limit}`,
      );
    }
    this.#limit = this.#start + bytes;
    this.starts = new Int32Array(packets);
    this.ends = new Int32Array(packets);
  }

  /**
   * Reserves room for one packet.
   *
   * @param size Most bytes that the caller writes, headroom and tailroom not counted.
   * @returns The arena offset to write at, or -1 when the batch is full.
   */
  reserve(size: number): number {
    const at = this.#top + this.headroom;
    this.full = this.count === this.starts.length || at + size + this.tailroom > this.#limit;
    return this.full ? -1 : at;
  }

  /** Bytes of the largest packet that an empty batch can hold, headroom and tailroom not counted. */
  get largest(): number {
    return this.#limit - this.#start - this.headroom - this.tailroom;
  }

  /** Completes the packet that was reserved last: the caller wrote up to arena offset `end`. */
  commit(end: number): void {
    const { count } = this;
    this.starts[count] = this.#top;
    this.ends[count] = this.#top = end + this.tailroom;
    this.to[count] = this.destination;
    this.count = count + 1;
  }

  /** Empties the batch. */
  clear(): void {
    this.count = 0;
    this.full = false;
    this.#top = this.#start;
  }

  /** The bytes of packet `index`, a view that is valid until the batch is cleared. */
  packet(index: number): Uint8Array<ArrayBuffer> {
    return this.arena.bytes.subarray(this.starts[index], this.ends[index]);
  }

  /** Iterates over the packets, as views that are valid until the batch is cleared. */
  *[Symbol.iterator](): Iterator<Uint8Array<ArrayBuffer>> {
    for (let i = 0; i < this.count; i++) yield this.packet(i);
  }
}
