import type { Arena } from "../kcp/arena.ts";
import { FEC_HEADER, seqidLimit, SIZE, TYPE, TYPE_DATA, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { reedSolomon } from "./reed_solomon.ts";
import { ShardSum } from "./shard_sum.ts";

/**
 * When the last two packets of a group are further apart in ms, its parity would come too late to be of
 * use, and is not sent. Source: kcp-go.
 */
const MAX_GAP = 500;

/** What a {@linkcode FecEncoder} has counted. */
export interface FecEncoderStats {
  /** Data shards given out: packets that carry KCP. */
  dataOut: number;
  /** Parity shards given out. */
  parityOut: number;
}

/**
 * Puts packets into groups, and makes the parity shards that stand in for lost ones.
 *
 * Parity is summed up as the packets pass, so that none is kept. Once a group is complete, its parity
 * shards are pending, and have to be taken before the next packet is sealed.
 */
export class FecEncoder {
  /** Data and parity shards of a group. */
  readonly ratio: FecRatio;
  readonly #total: number;
  readonly #seqidLimit: number;
  readonly #sum: ShardSum;
  readonly #stats = { dataOut: 0, parityOut: 0 };
  #seqid: number;
  #parityLimit: number;
  #pending = 0;
  /** Data shards in the open group, and how many parity shards it gets. */
  #count = 0;
  #parity: number;
  #row = 0;
  #lastAt = -Infinity;

  /**
   * Makes an encoder at the start of a group.
   *
   * @param ratio Data and parity shards of a group.
   * @param firstSeqid The first number, a multiple of the group's size; 0, as every peer starts, unless given.
   * @throws {TypeError | RangeError} When the ratio is none, or the number does not begin a group.
   */
  constructor(ratio: FecRatio, firstSeqid = 0) {
    this.ratio = checkRatio(ratio);
    const { dataShards, parityShards } = this.ratio;
    this.#total = dataShards + parityShards;
    this.#seqidLimit = seqidLimit(this.#total);
    if (!(firstSeqid >= 0 && firstSeqid < this.#seqidLimit) || firstSeqid % this.#total !== 0) {
      throw new RangeError(
        `Cannot start at seqid ${firstSeqid}: allowed are multiples of ${this.#total} below ${this.#seqidLimit}`,
      );
    }
    this.#seqid = firstSeqid;
    this.#parityLimit = this.#parity = parityShards;
    this.#sum = new ShardSum(reedSolomon(dataShards, parityShards).parityCoefficients);
  }

  /** What was counted so far: a snapshot. */
  get stats(): FecEncoderStats {
    return { ...this.#stats };
  }

  /**
   * How many of a group's parity shards leave, from the next group on. The numbers of the others are skipped: to the
   * peer they look lost, so that nothing has to be agreed upon.
   *
   * @throws {RangeError} When it is set to more than the ratio has, or to no whole number.
   */
  get parityLimit(): number {
    return this.#parityLimit;
  }

  set parityLimit(limit: number) {
    const { parityShards } = this.ratio;
    if (!Number.isInteger(limit) || limit < 0 || limit > parityShards) {
      throw new RangeError(
        `Cannot set parityLimit to ${limit}: allowed are whole numbers 0 to ${parityShards}`,
      );
    }
    this.#parityLimit = limit;
  }

  /** Parity shards of the complete group that have not been taken. */
  get pending(): number {
    return this.#pending;
  }

  /** Bytes of each pending parity packet, its header included. */
  get paritySize(): number {
    return FEC_HEADER + this.#sum.length;
  }

  /** Whether the next packet begins a group. */
  get atGroupStart(): boolean {
    return this.#count === 0;
  }

  /**
   * Writes the header of a data shard.
   *
   * @param arena The memory that the packet lies in.
   * @param start Arena offset of the header; the KCP packet begins 8 bytes behind it.
   * @param end Arena offset after the KCP packet.
   * @param now The time in ms.
   * @throws {TypeError} When parity is pending.
   */
  seal(arena: Arena, start: number, end: number, now: number): void {
    if (this.#pending > 0) {
      throw new TypeError(
        `Cannot seal a packet before the ${this.#pending} parity shards that are pending are taken`,
      );
    }
    if (this.#count === 0) this.#beginGroup(this.#parityLimit);
    this.#writeHeader(arena.view, start, TYPE_DATA);
    arena.view.setUint16(start + SIZE, end - start - SIZE, true);
    if (this.#parity > 0) this.#sum.add(this.#count, arena.bytes, start + SIZE, end);
    this.#stats.dataOut++;
    this.#count++;
    if (this.#count === this.ratio.dataShards) {
      const steady = now - this.#lastAt < MAX_GAP;
      this.#pending = steady ? this.#parity : 0;
      this.#row = 0;
      if (this.#pending === 0) this.#endGroup();
    }
    this.#lastAt = now;
  }

  /**
   * Writes the next pending parity packet.
   *
   * @param arena The memory to write to.
   * @param start Arena offset of its first byte.
   * @returns The arena offset after its last byte.
   * @throws {TypeError} When none is pending.
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

  /** Drops the parity that is pending; its numbers are skipped. */
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

  #beginGroup(parity: number): void {
    if (parity !== this.#parity && parity > 0) {
      // Parity shards do not depend on how many there are, so fewer cost less.
      this.#sum.reset(reedSolomon(this.ratio.dataShards, parity).parityCoefficients);
    }
    this.#parity = parity;
  }

  /** Skips what is left of the group's numbers. */
  #endGroup(): void {
    const place = this.#seqid % this.#total;
    if (place > 0) this.#seqid += this.#total - place;
    if (this.#seqid >= this.#seqidLimit) this.#seqid = 0;
    this.#count = 0;
    this.#sum.reset();
  }
}
