import type { Arena } from "../kcp/arena.ts";
import { GroupWindow, MISSING, type ShardGroup } from "./group_window.ts";
import { FEC_HEADER, seqidLimit, TYPE, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { RatioTuner } from "./ratio_tuner.ts";
import { reedSolomon } from "./reed_solomon.ts";
import { ShardSum } from "./shard_sum.ts";

/** After this many packets that contradict the ratio it is in doubt. A single one may be forged. */
const CONTRADICTIONS = 2;
/** Most bytes of shards that a decoder stores, whatever its `limit`. */
const MAX_BYTES = 1 << 22;
/** Memory for restored packets during the callback. All decoders share it. It is kept if small. */
let scratch = new Uint8Array(0);
const MAX_SCRATCH = 65_536;
/**
 * From this `seqid` on, some ratios have no sequence numbers: they wrap earlier. Such a packet is
 * no evidence for a ratio.
 */
const LAST_SEQIDS = 0xffffff00;
/** The sum that all decoders share. It is used for one group at a time. */
let sharedSum: ShardSum | undefined;
const NO_BYTES = new Uint8Array(0);
/** Bytes of a shard's `size`. */
const SIZE_FIELD = 2;

/** Counters of a {@linkcode FecDecoder}. */
export interface FecDecoderStats {
  /** Data shards that arrived. Duplicates and late shards count too. */
  dataIn: number;
  /** Parity shards that arrived. Duplicates and late shards count too. */
  parityIn: number;
  /** Packets that were restored from parity. */
  recovered: number;
  /**
   * Groups that were given up because their shards contradict each other. Some shard was forged or
   * damaged, so no packet of the group was restored.
   */
  failures: number;
  /** Groups that left the decoder's memory while a data shard was missing. */
  incomplete: number;
}

/**
 * The receiving half of error correction: stores the shards of each group, and restores its lost
 * packets as soon as enough shards have arrived.
 *
 * The decoder learns the peer's ratio from the packets. It restores no packet while the ratio is in
 * doubt, because a wrong ratio gives wrong packets that look right. (For example, if all packets of
 * a group have the same conversation id, then the wrong packet has it too.)
 *
 * The decoder keeps only the newest groups, and ignores packets of other groups. If several packets
 * in a row have sequence numbers elsewhere, then the decoder continues there.
 *
 * @example
 * ```ts
 * import { FecDecoder, FecEncoder } from "@lowlatency/kcp/fec";
 * import { Arena } from "@lowlatency/kcp/kcp";
 *
 * const arena = new Arena();
 * const ratio = { dataShards: 2, parityShards: 1 };
 * const encoder = new FecEncoder(ratio);
 * const shards = ["lost", "second"].map((text) => {
 *   const packet = new TextEncoder().encode(text);
 *   const end = 8 + packet.length;
 *   const start = arena.alloc(end);
 *   arena.bytes.set(packet, start + 8);
 *   encoder.seal(arena, start, start + end, 0);
 *   return { start, end: start + end };
 * });
 * const parity = arena.alloc(encoder.paritySize);
 * const parityEnd = encoder.takeParity(arena, parity);
 *
 * let restored = "";
 * const decoder = new FecDecoder(
 *   arena,
 *   (packet) => restored = new TextDecoder().decode(packet),
 *   ratio,
 * );
 * decoder.input(shards[1].start, shards[1].end);
 * decoder.input(parity, parityEnd);
 * console.assert(restored === "lost");
 * ```
 */
export class FecDecoder {
  /**
   * Most bytes of shards that the decoder stores. Default: `Infinity`. It never stores more than 4
   * MiB, nor more when half of the arena's `limit` is in use.
   */
  limit: number = Infinity;
  readonly #arena: Arena;
  readonly #onRecovered: (packet: Uint8Array<ArrayBuffer>) => void;
  readonly #accepts: (packet: Uint8Array<ArrayBuffer>) => boolean;
  readonly #tuner = new RatioTuner();
  /** Whether packets have confirmed the ratio. */
  #proven = false;
  /** Packets that have contradicted the ratio since then. */
  #contradictions = 0;
  /** Packets that fit the ratio since the last contradiction. */
  #confirmations = 0;
  /** Bytes of the shards that are stored. */
  #stored = 0;
  /** The ratio by which shards are stored, proven or not. */
  #ratio: FecRatio | null = null;
  #total = 0;
  #seqidLimit = 0;
  /** The groups of that ratio; null without a ratio. */
  #window: GroupWindow | null = null;
  readonly #missing: number[] = [];
  readonly #rows: number[] = [];
  readonly #stats = { dataIn: 0, parityIn: 0, recovered: 0, failures: 0, incomplete: 0 };

  /**
   * Makes a decoder.
   *
   * @param arena The memory that holds arriving packets. The decoder stores shards in it.
   * @param onRecovered Called with each restored KCP packet. The packet is valid during the call.
   * @param ratio The peer's ratio, if it is known or can be guessed. Default: the decoder learns
   * it.
   * @param guess Whether `ratio` is a guess. The decoder then stores shards by it, but restores
   * packets only after arriving packets have confirmed it. Default: false.
   * @param accepts Returns whether a restored packet can be from the peer. If it returns false for
   * one packet of a group, then no packet of the group is delivered. Default: accepts every packet.
   * @throws {TypeError} When a member of the ratio is not a number.
   * @throws {RangeError} When the ratio is out of range.
   */
  constructor(
    arena: Arena,
    onRecovered: (packet: Uint8Array<ArrayBuffer>) => void,
    ratio?: FecRatio,
    guess = false,
    accepts: (packet: Uint8Array<ArrayBuffer>) => boolean = () => true,
  ) {
    this.#arena = arena;
    this.#onRecovered = onRecovered;
    this.#accepts = accepts;
    if (ratio) this.#adopt(checkRatio(ratio));
    this.#proven = ratio !== undefined && !guess;
  }

  /** The peer's ratio; null while it is not known. */
  get ratio(): FecRatio | null {
    return this.#proven ? this.#ratio : null;
  }

  /** A snapshot of the counters. */
  get stats(): FecDecoderStats {
    return { ...this.#stats };
  }

  /**
   * Whether a parity shard of this sequence number belongs to a group that the decoder keeps. A
   * receiver of several peers can use this to find out which of them sent the shard.
   *
   * @param seqid The `seqid` of the parity shard.
   */
  awaits(seqid: number): boolean {
    if (!this.#window || !this.#fits(seqid, true)) return false;
    return this.#window.has(Math.floor(seqid / this.#total));
  }

  /**
   * Processes a data or parity shard. Its content may be anything: hostile bytes never throw.
   *
   * @param start Arena offset of its header.
   * @param end Arena offset after its last byte. It is at least `start + 8`.
   */
  input(start: number, end: number): void {
    const { view } = this.#arena;
    const seqid = view.getUint32(start, true);
    const parity = view.getUint16(start + TYPE, true) === TYPE_PARITY;
    if (parity) this.#stats.parityIn++;
    else this.#stats.dataIn++;
    if (this.#window && !this.#window.admits(Math.floor(seqid / this.#total))) return;
    if (seqid < LAST_SEQIDS) this.#checkEvidence(seqid, parity);
    if (this.#fits(seqid, parity)) this.#store(seqid, parity, start, end);
  }

  /** Updates the evidence for or against the ratio with a packet. */
  #checkEvidence(seqid: number, parity: boolean): void {
    if (this.#proven) {
      if (this.#fits(seqid, parity)) {
        // An old contradiction does not add up with a new one.
        if (++this.#confirmations > 2 * this.#total) this.#contradictions = 0;
        return;
      }
      this.#confirmations = 0;
      if (++this.#contradictions < CONTRADICTIONS) return;
      this.#proven = false;
      this.#tuner.clear();
    }
    const found = this.#tuner.note(seqid, parity, this.#ratio);
    if (found) this.#learn(found, seqid);
  }

  /** Starts to use the ratio that packets have confirmed. */
  #learn(ratio: FecRatio, seqid: number): void {
    const { dataShards, parityShards } = ratio;
    this.#proven = true;
    this.#contradictions = this.#confirmations = 0;
    if (this.#ratio?.dataShards === dataShards && this.#ratio.parityShards === parityShards) {
      // Some groups may have received enough shards while the ratio was in doubt.
      for (const group of this.#window!.groups) {
        if (group.data + group.parity >= dataShards) this.#restore(group);
      }
    } else {
      this.#adopt(ratio);
      // Earlier shards of this group were not stored under this ratio.
      this.#window!.skipTo(Math.floor(seqid / this.#total));
    }
  }

  /** Whether the ratio gives a packet of this type that sequence number. */
  #fits(seqid: number, parity: boolean): boolean {
    return this.#ratio !== null && seqid < this.#seqidLimit &&
      parity === (seqid % this.#total >= this.#ratio.dataShards);
  }

  #adopt(ratio: FecRatio): void {
    this.clear();
    const total = ratio.dataShards + ratio.parityShards;
    this.#ratio = ratio;
    this.#total = total;
    this.#seqidLimit = seqidLimit(total);
    this.#window = new GroupWindow(total, (group) => this.#release(group));
  }

  /** Copies a shard into the arena, and restores its group if that makes enough shards. */
  #store(seqid: number, parity: boolean, start: number, end: number): void {
    const index = seqid % this.#total;
    const group = this.#window!.find((seqid - index) / this.#total);
    if (group.done || group.blocks[index] !== MISSING) return;
    const { dataShards } = this.#ratio!;
    if (!parity && group.data === dataShards - 1) {
      // All data shards have arrived, so the stored shards are of no use.
      this.#finish(group);
      return;
    }
    const length = end - start - FEC_HEADER;
    const arena = this.#arena;
    // Leave memory for data that can be delivered: a stored shard may never be needed.
    if (this.#stored + length > Math.min(this.limit, MAX_BYTES) || arena.used > arena.limit / 2) {
      return;
    }
    const block = arena.alloc(length);
    if (block < 0) return;
    this.#stored += length;
    this.#arena.bytes.copyWithin(block, start + FEC_HEADER, end);
    group.blocks[index] = block;
    group.lengths[index] = length;
    if (parity) group.parity++;
    else group.data++;
    if (this.#proven && group.data + group.parity >= dataShards) this.#restore(group);
  }

  /** Restores the missing packets of a group that has as many shards as it needs. */
  #restore(group: ShardGroup): void {
    const { dataShards } = this.#ratio!;
    const missing = this.#missing;
    const rows = this.#rows;
    missing.length = rows.length = 0;
    let longest = 0;
    let length = 0;
    let equal = true;
    for (let i = 0; i < this.#total; i++) {
      if (i < dataShards) {
        if (group.blocks[i] === MISSING) missing.push(i);
        else longest = Math.max(longest, group.lengths[i]);
      } else if (group.blocks[i] !== MISSING && rows.length < missing.length) {
        if (rows.length === 0) length = group.lengths[i];
        else if (group.lengths[i] !== length) equal = false;
        rows.push(i - dataShards);
      }
    }
    // Every parity shard is as long as the longest data shard of its group.
    if (!equal || longest > length) {
      this.#stats.failures++;
      this.#finish(group);
      return;
    }
    // A code takes time to make, so it is made when the first packet is restored.
    const coefficients = reedSolomon(dataShards, this.#ratio!.parityShards).recovery(missing, rows);
    const sum = sharedSum ??= new ShardSum(coefficients);
    sum.reset(coefficients);
    for (let i = 0, used = 0; i < dataShards; i++) {
      // A parity shard takes the column of each missing data shard.
      const shard = group.blocks[i] === MISSING ? dataShards + rows[used++] : i;
      const block = group.blocks[shard];
      sum.add(i, this.#arena.bytes, block, block + group.lengths[shard]);
    }
    this.#finish(group);
    // All packets are written before the first callback. A callback may run another decoder, which
    // uses the same sum and the same scratch memory.
    const count = missing.length;
    const packets = scratch.length < count * length ? new Uint8Array(count * length) : scratch;
    scratch = NO_BYTES;
    for (let i = 0; i < count; i++) sum.write(i, packets, i * length, length);
    if (this.#areValid(packets, count, length)) {
      this.#stats.recovered += count;
      for (let i = 0; i < count; i++) this.#onRecovered(packetAt(packets, i * length));
    } else {
      this.#stats.failures++;
    }
    if (packets.length <= MAX_SCRATCH) scratch = packets;
  }

  /**
   * Whether all restored packets of a group can be from the peer. If one parity shard was forged,
   * or came from another peer, then parts of all restored packets are wrong.
   */
  #areValid(packets: Uint8Array<ArrayBuffer>, count: number, length: number): boolean {
    for (let at = 0; at < count * length; at += length) {
      const size = packets[at] | packets[at + 1] << 8;
      if (size < SIZE_FIELD || size > length) return false;
      if (!this.#accepts(packetAt(packets, at))) return false;
    }
    return true;
  }

  /** Marks a group as done, and frees its shards. */
  #finish(group: ShardGroup): void {
    group.done = true;
    this.#freeShards(group);
  }

  /** Frees the shards of a group that leaves the window. */
  #release(group: ShardGroup): void {
    if (group.number >= 0 && !group.done) this.#stats.incomplete++;
    this.#freeShards(group);
  }

  #freeShards(group: ShardGroup): void {
    for (let i = 0; i < this.#total && group.data + group.parity > 0; i++) {
      const block = group.blocks[i];
      if (block === MISSING) continue;
      this.#arena.free(block, group.lengths[i]);
      this.#stored -= group.lengths[i];
      group.blocks[i] = MISSING;
    }
    group.data = group.parity = 0;
  }

  /** Frees all stored shards. The decoder keeps the ratio, and continues with the next packet. */
  clear(): void {
    this.#window?.clear();
  }
}

/** The KCP packet in a restored shard that begins at an offset. */
function packetAt(shards: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return shards.subarray(at + SIZE_FIELD, at + (shards[at] | shards[at + 1] << 8));
}
