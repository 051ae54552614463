/**
 * Batches of outgoing packets.
 *
 * @module
 */
import { Arena } from "./arena.ts";

/** Settings of a {@linkcode PacketBatch}. */
export interface PacketBatchOptions {
  /**
   * The memory for the packets: the arena of the machine that fills the batch. Default: a new one.
   */
  arena?: Arena;
  /** Bytes for packets. Default: 65536. */
  bytes?: number;
  /** Most packets that the batch holds. Default: 256. */
  packets?: number;
}

/**
 * An outer layer that adds headers, trailers and packets of its own to the packets of a machine.
 * The machine does not need to know it.
 */
export interface PacketLayer {
  /** Bytes that the layer adds in front of a packet. */
  readonly headroom: number;
  /** Bytes that the layer adds behind a packet. */
  readonly tailroom: number;
  /** Whether packets of the layer itself must be sent before the machine's next packet. */
  readonly pending: boolean;
  /**
   * Completes a packet of the machine and appends it to the batch. It may append other packets too.
   *
   * @param batch The batch.
   * @param start Arena offset of the headroom.
   * @param end Arena offset after the tailroom.
   */
  complete(batch: PacketBatch, start: number, end: number): void;
}

/**
 * Outgoing packets, one behind the other in one block of memory.
 *
 * A machine's `output(batch)` appends packets and returns how many. The caller sends them, and
 * calls {@linkcode PacketBatch.clear} before the next round.
 *
 * @example
 * ```ts
 * import { Kcp, PacketBatch } from "@lowlatency/kcp/kcp";
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
  /** The memory that holds the packets. */
  readonly arena: Arena;
  /** Packets in the batch. */
  count = 0;
  /**
   * Most packets that the batch may hold now. It may be lowered. Default: all that it has room for.
   */
  limit: number;
  /** Whether the last reservation failed for lack of room. */
  full = false;
  /** Offset in the arena of each packet's first byte. */
  readonly starts: Int32Array;
  /** Offset in the arena after each packet's last byte. */
  readonly ends: Int32Array;
  /**
   * For each packet, 1 if the network may fragment it, else 0. The peer needs it whole, and it is too
   * large for the path. A socket that sends no fragments may ignore this.
   */
  readonly fragments: Uint8Array;
  /** Whether the network may fragment the packet that is committed next. */
  mayFragment = false;
  /** Destination of each packet. An empty string for a machine that has one peer. */
  readonly to: string[] = [];
  /** The layer around the machine that fills the batch now. */
  layer: PacketLayer | null = null;
  /** Destination of the packets that are committed next. */
  destination = "";
  readonly #start: number;
  readonly #limit: number;
  #top: number;

  /**
   * Creates an empty batch.
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
    this.limit = packets;
    this.starts = new Int32Array(packets);
    this.ends = new Int32Array(packets);
    this.fragments = new Uint8Array(packets);
  }

  /**
   * Reserves room for one packet, with the headroom and tailroom of the layer.
   *
   * @param size Most bytes that the caller writes.
   * @returns The arena offset to write at. -1 when the batch is full.
   */
  reserve(size: number): number {
    const { layer } = this;
    if (!layer) return this.place(size);
    if (layer.pending) {
      this.full = true;
      return -1;
    }
    const at = this.place(layer.headroom + size + layer.tailroom);
    return at < 0 ? -1 : at + layer.headroom;
  }

  /** Bytes of the largest packet that an empty batch can hold, without the bytes of the layer. */
  get largest(): number {
    const { layer } = this;
    return this.#limit - this.#start - (layer ? layer.headroom + layer.tailroom : 0);
  }

  /** Completes the packet that was reserved last. The caller wrote up to arena offset `end`. */
  commit(end: number): void {
    const { layer } = this;
    const start = this.#top;
    if (!layer) {
      this.append(end);
      return;
    }
    layer.complete(this, start, end + layer.tailroom);
  }

  /**
   * Reserves room for a packet of the layer, without headroom and tailroom.
   *
   * @param size Bytes of the whole packet.
   * @returns The arena offset to write at. -1 when the batch is full.
   */
  place(size: number): number {
    this.full = this.count >= this.limit || this.#top + size > this.#limit;
    return this.full ? -1 : this.#top;
  }

  /** Appends the packet that the layer completed. It ends at arena offset `end`. */
  append(end: number): void {
    const { count } = this;
    this.starts[count] = this.#top;
    this.ends[count] = this.#top = end;
    this.to[count] = this.destination;
    this.fragments[count] = this.mayFragment ? 1 : 0;
    this.mayFragment = false;
    this.count = count + 1;
  }

  /** Removes the last packets, so that `count` are left. */
  cut(count: number): void {
    if (count >= this.count) return;
    this.#top = this.starts[count];
    this.count = count;
  }

  /** Empties the batch. */
  clear(): void {
    this.count = 0;
    this.full = this.mayFragment = false;
    this.#top = this.#start;
  }

  /**
   * The bytes of packet `index`. The view is valid until the batch is cleared or the arena grows.
   */
  packet(index: number): Uint8Array<ArrayBuffer> {
    return this.arena.bytes.subarray(this.starts[index], this.ends[index]);
  }

  /**
   * Iterates over the packets. The views are valid until the batch is cleared or the arena grows.
   */
  *[Symbol.iterator](): Iterator<Uint8Array<ArrayBuffer>> {
    for (let i = 0; i < this.count; i++) yield this.packet(i);
  }
}
