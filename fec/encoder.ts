import type { Arena } from "../kcp/arena.ts";
import { FEC_HEADER, seqidLimit, SIZE, TYPE, TYPE_DATA, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { reedSolomon } from "./reed_solomon.ts";
import { ShardSum } from "./shard_sum.ts";

/**
 * When the last two data shards of a group are this many ms apart or more, its parity is not sent:
 * it would come too late to be useful. Source: kcp-go.
 */
const MAX_GAP = 500;

/** Counters of a {@linkcode FecEncoder}. */
export interface FecEncoderStats {
  /** Data shards made: packets that carry KCP. */
  dataOut: number;
  /** Parity shards made. */
  parityOut: number;
}

/**
 * The sending half of error correction: puts packets into groups, and computes parity shards, which
 * replace lost packets.
 *
 * The encoder adds each packet to the parity when it is sealed, so it keeps no packet. After the
 * last data shard of a group, its parity shards are pending. Take them with
 * {@linkcode FecEncoder.takeParity}, or drop them with {@linkcode FecEncoder.skipParity}, before
 * you seal the next packet.
 *
 * @example
 * ```ts
 * import { FecEncoder } from "@lowlatency/kcp/fec";
 * import { Arena } from "@lowlatency/kcp/kcp";
 *
 * const arena = new Arena();
 * const encoder = new FecEncoder({ dataShards: 2, parityShards: 1 });
 * for (const text of ["first", "second"]) {
 *   const packet = new TextEncoder().encode(text);
 *   const end = 8 + packet.length;
 *   const start = arena.alloc(end);
 *   arena.bytes.set(packet, start + 8);
 *   encoder.seal(arena, start, start + end, 0);
 * }
 * console.assert(encoder.pending === 1);
 *
 * const start = arena.alloc(encoder.paritySize);
 * const end = encoder.takeParity(arena, start);
 * console.assert(end - start === 14); // "second" with its header
 * ```
 */
export class FecEncoder {
  #ratio: FecRatio | null;
  #dataShards: number;
  #total: number;
  #seqidLimit: number;
  readonly #sum: ShardSum;
  readonly #stats = { dataOut: 0, parityOut: 0 };
  #seqid: number;
  #parityLimit: number;
  #pending = 0;
  /** Data shards in the open group so far. */
  #count = 0;
  /** Parity shards that the open group gets. */
  #parity: number;
  /** The next parity shard to take. */
  #row = 0;
  /** When the last packet was sealed, in ms. */
  #lastAt = -Infinity;
  /** Whether the ratio has changed. */
  #changes = false;

  /**
   * Makes an encoder at the start of a group.
   *
   * @param ratio Data and parity shards of a group.
   * @param firstSeqid The first sequence number: a multiple of the group size. Default: 0, as for
   * every kcp-go peer.
   * @throws {TypeError} When a member of the ratio is not a number.
   * @throws {RangeError} When the ratio is out of range, or `firstSeqid` does not begin a group.
   */
  constructor(ratio: FecRatio, firstSeqid = 0) {
    this.#ratio = checkRatio(ratio);
    const { dataShards, parityShards } = this.#ratio;
    this.#dataShards = dataShards;
    this.#total = dataShards + parityShards;
    this.#seqidLimit = seqidLimit(this.#total);
    if (!(firstSeqid >= 0 && firstSeqid < this.#seqidLimit) || firstSeqid % this.#total !== 0) {
      throw new RangeError(
        `Cannot start at seqid ${firstSeqid}: allowed are multiples of ${this.#total} below ` +
          `${this.#seqidLimit}`,
      );
    }
    this.#seqid = firstSeqid;
    this.#parityLimit = this.#parity = parityShards;
    this.#sum = new ShardSum(reedSolomon(dataShards, parityShards).parityCoefficients);
  }

  /** Data and parity shards of a group; null while packets form no groups. */
  get ratio(): FecRatio | null {
    return this.#ratio;
  }

  /** The sequence number of the next packet. */
  get nextSeqid(): number {
    return this.#seqid;
  }

  /** Data shards in the open group so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Changes the ratio, at the start of a group. Sequence numbers are skipped up to the next
   * multiple of the new group size. A peer needs some groups to learn the new ratio. Until it does,
   * its decoder may take parity of the new ratio for that of the old one: see {@linkcode
   * AdaptiveParity}.
   *
   * @param ratio The new ratio; null for packets without parity, and with consecutive numbers.
   * @throws {TypeError} When a group is open, or a member of the ratio is not a number.
   * @throws {RangeError} When the ratio is out of range.
   */
  restart(ratio: FecRatio | null): void {
    if (this.#count > 0) throw new TypeError("Cannot change the ratio while a group is open");
    const next = ratio && checkRatio(ratio);
    const total = next ? next.dataShards + next.parityShards : 1;
    this.#changes = true;
    this.#ratio = next;
    this.#total = total;
    this.#seqidLimit = seqidLimit(total);
    this.#dataShards = next?.dataShards ?? 1;
    this.#parityLimit = this.#parity = next?.parityShards ?? 0;
    if (next) this.#sum.reset(reedSolomon(next.dataShards, next.parityShards).parityCoefficients);
    this.#alignSeqid();
  }

  /**
   * Skips sequence numbers, while packets form no groups.
   *
   * @param count How many.
   * @throws {TypeError} When packets form groups.
   */
  skip(count: number): void {
    if (this.#ratio) throw new TypeError("Cannot skip sequence numbers of groups");
    this.#seqid += count;
    this.#alignSeqid();
  }

  /** A snapshot of the counters. */
  get stats(): FecEncoderStats {
    return { ...this.#stats };
  }

  /**
   * How many parity shards a group gets, from the next group on: 0 to `ratio.parityShards`.
   * Default: `ratio.parityShards`.
   *
   * The encoder skips the sequence numbers of the other parity shards. The peer treats them as
   * lost, so it need not know the limit.
   *
   * @throws {RangeError} When it is set to a value out of range.
   */
  get parityLimit(): number {
    return this.#parityLimit;
  }

  set parityLimit(limit: number) {
    const parityShards = this.#ratio?.parityShards ?? 0;
    if (!Number.isInteger(limit) || limit < 0 || limit > parityShards) {
      throw new RangeError(
        `Cannot set parityLimit to ${limit}: allowed are whole numbers 0 to ${parityShards}`,
      );
    }
    this.#parityLimit = limit;
  }

  /** Parity shards of the complete group that were not taken yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Bytes of each pending parity packet, with its header. */
  get paritySize(): number {
    return FEC_HEADER + this.#sum.length;
  }

  /** Whether the next packet begins a group. */
  get atGroupStart(): boolean {
    return this.#count === 0;
  }

  /**
   * Makes a packet a data shard: writes its header, and adds it to the parity of the group.
   *
   * @param arena The memory that holds the packet.
   * @param start Arena offset of the header. The KCP packet begins 8 bytes after it.
   * @param end Arena offset after the KCP packet.
   * @param now The time in ms.
   * @throws {TypeError} When parity is pending.
   */
  seal(arena: Arena, start: number, end: number, now: number): void {
    if (this.#pending > 0) {
      throw new TypeError(
        `Cannot seal a packet while ${this.#pending} parity shards are pending: take or skip them`,
      );
    }
    if (this.#count === 0) this.#beginGroup(this.#parityLimit, now);
    this.#writeHeader(arena.view, start, TYPE_DATA);
    arena.view.setUint16(start + SIZE, end - start - SIZE, true);
    if (this.#parity > 0) this.#sum.add(this.#count, arena.bytes, start + SIZE, end);
    this.#stats.dataOut++;
    this.#count++;
    if (this.#count === this.#dataShards) {
      const inTime = now - this.#lastAt < MAX_GAP;
      this.#pending = inTime ? this.#parity : 0;
      this.#row = 0;
      if (this.#pending === 0) this.#endGroup();
    }
    this.#lastAt = now;
  }

  /**
   * Writes the next pending parity packet, {@linkcode FecEncoder.paritySize} bytes.
   *
   * @param arena The memory to write to.
   * @param start Arena offset of its first byte.
   * @returns The arena offset after its last byte.
   * @throws {TypeError} When no parity is pending.
   */
  takeParity(arena: Arena, start: number): number {
    if (this.#pending === 0) throw new TypeError("Cannot take parity: no parity shard is pending");
    const { length } = this.#sum;
    this.#writeHeader(arena.view, start, TYPE_PARITY);
    this.#sum.write(this.#row++, arena.bytes, start + FEC_HEADER, length);
    this.#stats.parityOut++;
    if (--this.#pending === 0) this.#endGroup();
    return start + FEC_HEADER + length;
  }

  /** Drops the pending parity shards, and skips their sequence numbers. */
  skipParity(): void {
    if (this.#pending === 0) return;
    this.#pending = 0;
    this.#endGroup();
  }

  #writeHeader(view: DataView, at: number, type: number): void {
    view.setUint32(at, this.#seqid, true);
    view.setUint16(at + TYPE, type, true);
    this.#seqid++;
  }

  #beginGroup(parity: number, now: number): void {
    // The last data shard of another group says nothing about a group of one.
    if (this.#changes) this.#lastAt = now;
    if (parity !== this.#parity && parity > 0) {
      // A parity shard does not depend on the number of parity shards. Fewer of them cost less
      // time.
      this.#sum.reset(reedSolomon(this.#dataShards, parity).parityCoefficients);
    }
    this.#parity = parity;
  }

  /** Skips the sequence numbers of the group that were not used. */
  #endGroup(): void {
    this.#alignSeqid();
    this.#count = 0;
    this.#sum.reset();
  }

  /** Moves on to the next sequence number that begins a group. */
  #alignSeqid(): void {
    const index = this.#seqid % this.#total;
    if (index > 0) this.#seqid += this.#total - index;
    if (this.#seqid >= this.#seqidLimit) this.#seqid = 0;
  }
}
