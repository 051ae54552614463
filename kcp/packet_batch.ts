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
 * What lies around the packets of a machine: headers, trailers, and packets of its own. The machine
 * writes as if there was nothing.
 */
export interface PacketLayer {
  /** Bytes that the layer writes in front of a packet. */
  readonly headroom: number;
  /** Bytes that the layer writes behind a packet. */
  readonly tailroom: number;
  /** Whether packets of the layer itself must leave before the machine's next one. */
  readonly pending: boolean;
  /**
   * Completes a packet of the machine and appends it to the batch; it may append others.
   *
   * @param batch The batch.
   * @param start Arena offset of the headroom.
   * @param end Arena offset after the tailroom.
   */
  complete(batch: PacketBatch, start: number, end: number): void;
}

/**
 * A run of outgoing packets, one behind the other in one piece of memory.
 *
 * A machine's `output(batch)` appends to the batch and returns how many packets it appended; whoever
 * sends them calls {@linkcode PacketBatch.clear} before the next round.
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
  /** The memory that the packets lie in. */
  readonly arena: Arena;
  /** Packets in the batch. */
  count = 0;
  /** Packets that the batch may hold at the moment; as many as it has room for unless set to fewer. */
  limit: number;
  /** Whether the last reservation found no room. */
  full = false;
  /** Offset in the arena of each packet's first byte. */
  readonly starts: Int32Array;
  /** Offset in the arena after each packet's last byte. */
  readonly ends: Int32Array;
  /** Where each packet goes; empty for a machine that has one peer. */
  readonly to: string[] = [];
  /** What lies around the packets of the machine that fills the batch at the moment. */
  layer: PacketLayer | null = null;
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
    this.limit = packets;
    this.starts = new Int32Array(packets);
    this.ends = new Int32Array(packets);
  }

  /**
   * Reserves room for one packet, and for what the layer adds to it.
   *
   * @param size Most bytes that the caller writes.
   * @returns The arena offset to write at, or -1 when the batch is full.
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

  /** Bytes of the largest packet that an empty batch can hold, what the layer adds not counted. */
  get largest(): number {
    const { layer } = this;
    return this.#limit - this.#start - (layer ? layer.headroom + layer.tailroom : 0);
  }

  /** Completes the packet that was reserved last: the caller wrote up to arena offset `end`. */
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
   * {@linkcode PacketBatch.reserve} for the layer itself.
   *
   * @param size Bytes of the whole packet.
   */
  place(size: number): number {
    this.full = this.count >= this.limit || this.#top + size > this.#limit;
    return this.full ? -1 : this.#top;
  }

  /** {@linkcode PacketBatch.commit} for the layer itself: the whole packet ends at arena offset `end`. */
  append(end: number): void {
    const { count } = this;
    this.starts[count] = this.#top;
    this.ends[count] = this.#top = end;
    this.to[count] = this.destination;
    this.count = count + 1;
  }

  /** Takes back the packets from `count` on. */
  cut(count: number): void {
    if (count >= this.count) return;
    this.#top = this.starts[count];
    this.count = count;
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
