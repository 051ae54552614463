import type { Arena } from "../kcp/arena.ts";
import { ForgeryMeter } from "./forgery_meter.ts";
import { GroupSolver, type Restored } from "./group_solver.ts";
import { GroupWindow } from "./group_window.ts";
import { FEC_HEADER, TYPE, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { RatioEvidence } from "./ratio_evidence.ts";
import { MISSING, type ParityShard, type ShardGroup } from "./shard_group.ts";
import { ShardStore } from "./shard_store.ts";

/** Most combinations of parity shards that are tried for one group. */
const MAX_TRIES = 512;
/** Bytes of a shard that fits an Ethernet frame. */
const USUAL_LENGTH = 1500;
/** While there is no ratio, parity this far from the last data shard is no evidence. */
const NEAR = 1024;

/** Counters of a {@linkcode FecDecoder}. */
export interface FecDecoderStats {
  /** Data shards that arrived. Duplicates and late shards count too. */
  dataIn: number;
  /** Parity shards that arrived. Duplicates and late shards count too. */
  parityIn: number;
  /** Packets that were restored from parity. */
  recovered: number;
  /**
   * Groups whose shards contradict each other: some shard was forged or damaged. A packet of such a
   * group is restored only if other parity shards agree.
   */
  failures: number;
  /** Groups of which all data shards arrived. */
  complete: number;
  /** Groups that left the decoder's memory while a data shard was missing. */
  incomplete: number;
  /** Groups in the decoder's memory at present, of which a data shard is missing. */
  groups: number;
}

/**
 * The receiving half of error correction: stores the shards of each group, and restores its lost
 * packets as soon as enough shards have arrived.
 *
 * The decoder learns the peer's ratio from the packets. While the ratio is in doubt, it restores a
 * packet only if the content of the group proves the ratio, because a wrong ratio gives wrong packets
 * that look right. (For example, if all packets of a group have the same conversation id, then the
 * wrong packet has it too.)
 *
 * The decoder keeps only the newest groups, and ignores packets of other groups. If several packets
 * in a row have sequence numbers elsewhere, then the decoder continues there.
 *
 * Data shards must be proven: give a data shard to the decoder only after the receiver of its packet
 * has accepted it. Parity shards may be forged. They take no memory from data shards and no place
 * from groups with data shards, and they do not change a ratio that the content of groups confirms.
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
  readonly #arena: Arena;
  readonly #onRecovered: (packet: Uint8Array<ArrayBuffer>) => void;
  readonly #accepts: (packet: Uint8Array<ArrayBuffer>) => boolean;
  readonly #forgery = new ForgeryMeter();
  readonly #evidence: RatioEvidence;
  readonly #store: ShardStore;
  /** The ratio by which shards are stored. Only the evidence changes it. */
  #ratio: FecRatio | null = null;
  #dataShards = 0;
  #total = 0;
  /** The groups of that ratio; null without a ratio. */
  #window: GroupWindow | null = null;
  #solver: GroupSolver | null = null;
  /** The last data shard's `seqid`; -1 for none. */
  #lastData = -1;
  /** Bytes of the longest data shard so far, or of a usual one if that is more. */
  #longest = USUAL_LENGTH;
  readonly #stats = {
    dataIn: 0,
    parityIn: 0,
    recovered: 0,
    failures: 0,
    complete: 0,
    incomplete: 0,
  };

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
    this.#store = new ShardStore(arena);
    this.#evidence = new RatioEvidence(this.#forgery, ratio ? checkRatio(ratio) : null, guess);
    this.#useRatio();
  }

  /**
   * Most bytes of shards that the decoder stores. Default: `Infinity`. It never stores more than 4
   * MiB, nor more when half of the arena's `limit` is in use.
   */
  get limit(): number {
    return this.#store.limit;
  }

  set limit(limit: number) {
    this.#store.limit = limit;
  }

  /** The peer's ratio; null while it is not known. */
  get ratio(): FecRatio | null {
    return this.#evidence.proven ? this.#ratio : null;
  }

  /** A snapshot of the counters. */
  get stats(): FecDecoderStats {
    let groups = 0;
    for (const { number, done } of this.#window?.groups ?? []) if (number >= 0 && !done) groups++;
    return { ...this.#stats, groups };
  }

  /**
   * Whether a parity shard of this sequence number belongs to a group that the decoder keeps. A
   * receiver of several peers can use this to find out which of them sent the shard.
   *
   * @param seqid The `seqid` of the parity shard.
   */
  awaits(seqid: number): boolean {
    if (!this.#window || !this.#evidence.fits(seqid, true)) return false;
    return this.#window.get(Math.floor(seqid / this.#total)) !== null;
  }

  /**
   * Processes a data or parity shard. A parity shard may have any content: hostile bytes never throw.
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
    if (!this.#admits(seqid, parity)) return;
    if (!parity) {
      this.#lastData = seqid;
      this.#longest = Math.max(this.#longest, end - start - FEC_HEADER);
      this.#forgery.noteData();
    }
    const window = this.#window;
    let fits = this.#evidence.fits(seqid, parity);
    this.#noteEvidence(seqid, parity, fits);
    if (this.#window !== window) {
      if (!this.#admits(seqid, parity)) return;
      fits = this.#evidence.fits(seqid, parity);
    }
    if (!fits) return;
    const index = seqid % this.#total;
    const number = (seqid - index) / this.#total;
    if (parity) this.#putParity(number, index, start + FEC_HEADER, end);
    else this.#putData(number, index, start + FEC_HEADER, end);
  }

  // --- the ratio ---

  /** Whether a shard is near the others of the peer. */
  #admits(seqid: number, parity: boolean): boolean {
    const window = this.#window;
    if (!window) {
      return !parity || this.#lastData < 0 || Math.abs(seqid - this.#lastData) <= NEAR;
    }
    const number = Math.floor(seqid / this.#total);
    if (!parity) return window.admitsData(number);
    if (window.admitsParity(number)) return true;
    if (!window.mayJump(number)) this.#forgery.noteForged();
    return false;
  }

  /** Updates the evidence for or against the ratio with a packet. */
  #noteEvidence(seqid: number, parity: boolean, fits: boolean): void {
    const evidence = this.#evidence;
    const { trusted } = evidence;
    if (trusted && parity && !fits && this.#isBelied(seqid)) {
      this.#forgery.noteForged();
      return;
    }
    evidence.note(seqid, parity, fits);
    if (evidence.ratio !== this.#ratio) {
      this.#useRatio();
      // Earlier shards of this group were not stored under this ratio. Parity does not show where the
      // stream is: forged parity would end groups that are still to come.
      if (evidence.probation) this.#window!.skipTo(Math.floor(this.#lastData / this.#total));
    } else if (!trusted && evidence.trusted) {
      for (const group of this.#window!.groups) this.#attempt(group);
    }
  }

  /**
   * Whether a parity shard in the place of data is certainly forged: the data shard of its number has
   * arrived, or the stream is not there yet.
   */
  #isBelied(seqid: number): boolean {
    const index = seqid % this.#total;
    const number = (seqid - index) / this.#total;
    if (this.#window!.shardsAhead(number, index) > this.#total) return true;
    const group = this.#window!.get(number);
    return group !== null && (group.done || group.blocks[index] !== MISSING);
  }

  /** Begins to store shards by the ratio of the evidence. */
  #useRatio(): void {
    this.clear();
    const { ratio } = this.#evidence;
    this.#ratio = ratio;
    if (!ratio) return;
    this.#dataShards = ratio.dataShards;
    this.#total = ratio.dataShards + ratio.parityShards;
    this.#window = new GroupWindow(this.#total, (group) => this.#release(group));
    this.#solver = new GroupSolver(this.#arena, ratio, this.#accepts);
  }

  // --- shards ---

  #putData(number: number, index: number, start: number, end: number): void {
    const window = this.#window!;
    window.prove(number, index);
    const group = this.#find(number);
    if (group.done || group.blocks[index] !== MISSING) return;
    if (group.data === this.#dataShards - 1 && this.#evidence.trusted) {
      // All data shards have arrived, so the stored shards are of no use.
      this.#stats.complete++;
      this.#finish(group);
      return;
    }
    if (this.#store.putData(group, index, start, end)) this.#attempt(group);
  }

  #putParity(number: number, index: number, start: number, end: number): void {
    const group = this.#find(number);
    if (group.done) return;
    // In a flood, a shard that is too long is one of the forged.
    if (this.#forgery.isFlood && (end - start > this.#longest || this.#isEarly(number))) return;
    if (group.data === this.#dataShards) {
      this.#verify(group, { index, block: start, length: end - start });
      return;
    }
    if (group.blocks[index] !== MISSING) {
      if (this.#store.hasParity(group, index, start, end)) return;
      this.#forgery.noteForged();
    }
    if (this.#store.putParity(group, index, start, end)) this.#attempt(group, index);
  }

  #find(number: number): ShardGroup {
    const group = this.#window!.find(number);
    if (group.data + group.parity === 0) group.tries = MAX_TRIES;
    return group;
  }

  /** Whether parity of that group comes before more of its data than it can repair. */
  #isEarly(number: number): boolean {
    const { dataShards, parityShards } = this.#ratio!;
    const most = dataShards > parityShards
      ? parityShards
      : this.#total * Math.ceil(parityShards / dataShards);
    return this.#window!.shardsAhead(number, dataShards - 1) > most;
  }

  // --- groups ---

  /**
   * Restores or verifies a group, if it has enough shards.
   *
   * @param newest The place of the parity shard that arrived last, if the group was attempted
   * without it; -1 if not.
   */
  #attempt(group: ShardGroup, newest = -1): void {
    const dataShards = this.#dataShards;
    if (group.data + group.parity < dataShards || group.number < 0 || group.done) return;
    const { trusted } = this.#evidence;
    if (group.data === dataShards) {
      if (trusted) {
        this.#stats.complete++;
        this.#finish(group);
      } else {
        this.#verifyComplete(group);
      }
      return;
    }
    const checked = !trusted;
    if (checked) {
      if (group.data + group.parity === dataShards) return;
      // Only the first and last data shards of a group show where it begins, and where parity does.
      if (group.blocks[0] === MISSING || group.blocks[dataShards - 1] === MISSING) return;
    }
    const solver = this.#solver!;
    let restored: Restored | null = null;
    if (group.rivals.length === 0 && !group.failed) {
      restored = solver.restore(group, checked);
      // The ratio may be wrong, rather than a shard.
      if (!restored && checked && !this.#forgery.isFlood) return;
    }
    restored ??= solver.search(group, checked, group.failed ? newest : -1);
    if (restored) this.#deliver(group, restored, checked);
    else this.#fail(group, checked);
  }

  /** Keeps a group whose shards contradict each other, without parity that is certainly wrong. */
  #fail(group: ShardGroup, checked: boolean): void {
    if (!group.failed && !checked) this.#stats.failures++;
    group.failed = true;
    this.#forgery.noteForged();
    if (!checked && group.data === this.#dataShards - 1) {
      this.#store.freeParity(group, this.#dataShards);
    }
  }

  /** Delivers restored packets, and finishes their group. */
  #deliver(group: ShardGroup, restored: Restored, checked: boolean): void {
    const { number } = group;
    this.#finish(group);
    this.#window!.prove(number, this.#dataShards - 1);
    this.#stats.recovered += restored.count;
    for (let i = 0; i < restored.count; i++) this.#onRecovered(restored.packet(i));
    restored.free();
    if (checked) this.#noteVerified(number);
  }

  /** Looks for parity that agrees with the data shards of a complete group, and frees the rest. */
  #verifyComplete(group: ShardGroup): void {
    const parity = [...group.rivals];
    for (let i = this.#dataShards; i < this.#total; i++) {
      const block = group.blocks[i];
      if (block !== MISSING) parity.push({ index: i, block, length: group.lengths[i] });
    }
    for (const shard of parity) {
      if (!group.done) this.#verify(group, shard);
    }
    if (!group.done) this.#store.freeParity(group, this.#dataShards);
  }

  /** Verifies the ratio by a parity shard of a complete group. */
  #verify(group: ShardGroup, shard: ParityShard): void {
    if (!this.#solver!.agrees(group, shard)) return;
    const { number } = group;
    this.#stats.complete++;
    this.#finish(group);
    this.#noteVerified(number);
  }

  /** Notes that the content of a group has confirmed the ratio. */
  #noteVerified(number: number): void {
    const last = this.#evidence.verify(number);
    if (last < 0) return;
    const window = this.#window!;
    for (const group of window.groups) {
      if (group.number >= 0 && window.isUpTo(group.number, last)) this.#attempt(group);
    }
  }

  /** Marks a group as done, and frees its shards. */
  #finish(group: ShardGroup): void {
    group.done = true;
    this.#store.free(group, this.#dataShards);
  }

  /** Frees the shards of a group that leaves the window. */
  #release(group: ShardGroup): void {
    // A complete group may have waited for its parity.
    if (group.number >= 0 && !group.done) {
      if (group.data < this.#dataShards) this.#stats.incomplete++;
      else this.#stats.complete++;
    }
    this.#store.free(group, this.#dataShards);
  }

  /** Frees all stored shards. The decoder keeps the ratio, and continues with the next packet. */
  clear(): void {
    this.#window?.clear();
  }
}
