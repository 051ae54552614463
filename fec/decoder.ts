import type { Arena } from "../kcp/arena.ts";
import { DataPattern } from "./data_pattern.ts";
import { equal, GroupSolver, type Restored } from "./group_solver.ts";
import { GroupWindow } from "./group_window.ts";
import { FEC_HEADER, seqidLimit, TYPE, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { RatioProof } from "./ratio_proof.ts";
import { RatioTuner } from "./ratio_tuner.ts";
import { MISSING, type ParityShard, type ShardGroup } from "./shard_group.ts";

/** After this many packets that contradict the ratio it is in doubt. A single one may be forged. */
const CONTRADICTIONS = 2;
/** The ratio does not change while groups confirm it that are at most this many groups of data old. */
const CONFIRMED_GROUPS = 8;
/** Most bytes of shards that a decoder stores, whatever its `limit`. */
const MAX_BYTES = 1 << 22;
/** Parity shards use this part of the bytes at most, so that a flood of them leaves room for data. */
const PARITY_PART = 1 / 2;
/** Rivals use this part of the bytes at most. */
const RIVAL_PART = 1 / 4;
/** Most rivals of one group. */
const MAX_RIVALS = 32;
/** Most combinations of parity shards that are tried for one group. */
const MAX_TRIES = 512;
/**
 * After this many forged parity shards, or this many failures in all, groups with wrong parity are
 * kept for more parity.
 */
const FLOOD = 4;
const FAILURES = 12;
/** After this many, types and numbers must be better evidence for a new ratio. */
const STORM = 32;
const STORM_EVIDENCE = 6;
const MAX_FORGED = 64;
/** Bytes of a shard that fits an Ethernet frame. */
const USUAL_LENGTH = 1500;
/** After so many data shards the ratio is guessed from data shards, if nothing else shows it. */
const GUESS_EVERY = 32;
/** So many data shards for each forged parity shard end the flood. */
const CALM = 4;
/**
 * From this `seqid` on, some ratios have no sequence numbers: they wrap earlier. Such a packet is
 * no evidence for a ratio.
 */
const LAST_SEQIDS = 0xffffff00;
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
  /** Groups that left the decoder's memory while a data shard was missing. */
  incomplete: number;
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
  /**
   * Most bytes of shards that the decoder stores. Default: `Infinity`. It never stores more than 4
   * MiB, nor more when half of the arena's `limit` is in use.
   */
  limit: number = Infinity;
  readonly #arena: Arena;
  readonly #onRecovered: (packet: Uint8Array<ArrayBuffer>) => void;
  readonly #accepts: (packet: Uint8Array<ArrayBuffer>) => boolean;
  readonly #tuner = new RatioTuner();
  readonly #proof = new RatioProof();
  readonly #pattern = new DataPattern();
  /** Whether packets have confirmed the ratio. */
  #proven = false;
  /** Whether packets contradict a ratio that was confirmed. */
  #doubted = false;
  /** Whether packets have shown the ratio, but data has not established it yet. */
  #probation = false;
  /** Packets that have contradicted the ratio since then. */
  #contradictions = 0;
  /** Packets that fit the ratio since the last contradiction. */
  #confirmations = 0;
  /** Data shards since the content of groups has last confirmed the ratio. */
  #sinceProof = Infinity;
  /** Forged parity shards, less one for some data shards. */
  #forged = 0;
  /** The last data shard's `seqid`; -1 for none. */
  #lastData = -1;
  /** The highest `seqid` of a data shard, in the order of the numbers. */
  #highest = 0;
  /** Bytes of the longest data shard so far, or of a usual one if that is more. */
  #longest = USUAL_LENGTH;
  /** Bytes of the shards that are stored, and of the parity shards and the rivals among them. */
  #stored = 0;
  #storedParity = 0;
  #storedRivals = 0;
  /** The ratio by which shards are stored, proven or not. */
  #ratio: FecRatio | null = null;
  /** The ratio before this one, and whether packets had confirmed it. */
  #previous: FecRatio | null = null;
  #previousProven = false;
  /** Data shards that have contradicted it. */
  #refutations = 0;
  /** Data shards that fit it, groups that have some, and the number of the last of these groups. */
  #fitData = 0;
  #fitGroups = 0;
  #lastFit = -1;
  #total = 0;
  #seqidLimit = 0;
  /** The groups of that ratio; null without a ratio. */
  #window: GroupWindow | null = null;
  #solver: GroupSolver | null = null;
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
      this.#sinceProof++;
      if (this.#stats.dataIn % CALM === 0 && this.#forged > 0) this.#forged--;
    }
    const window = this.#window;
    if (seqid < LAST_SEQIDS) this.#checkEvidence(seqid, parity);
    if (this.#window !== window && !this.#admits(seqid, parity)) return;
    if (this.#fits(seqid, parity)) this.#store(seqid, parity, start, end);
  }

  /** Whether a shard is near the others of the peer. */
  #admits(seqid: number, parity: boolean): boolean {
    const window = this.#window;
    if (!window) {
      return !parity || this.#lastData < 0 || Math.abs(seqid - this.#lastData) <= NEAR;
    }
    const number = Math.floor(seqid / this.#total);
    if (!parity) return window.admitsData(number);
    if (window.admitsParity(number)) return true;
    if (!window.mayJump(number)) this.#noteForged();
    return false;
  }

  #noteForged(): void {
    if (this.#forged < MAX_FORGED) this.#forged++;
  }

  /** Whether packets may be restored by the ratio without a proof. */
  get #trusted(): boolean {
    return this.#proven && !this.#doubted;
  }

  /** Updates the evidence for or against the ratio with a packet. */
  #checkEvidence(seqid: number, parity: boolean): void {
    const fits = this.#fits(seqid, parity);
    if (parity) {
      if (!fits && this.#ratio) this.#noteForged();
    } else if (fits) {
      this.#fitData++;
      const group = Math.floor(seqid / this.#total);
      if (group !== this.#lastFit) this.#fitGroups++;
      this.#lastFit = group;
    } else if (this.#ratio) {
      // Groups of a wrong ratio agree with their parity where they begin with real ones.
      this.#proof.clear();
      if (++this.#refutations >= CONTRADICTIONS && this.#probation) this.#refute(seqid);
    }
    if (!parity) this.#guess(seqid);
    if (this.#probation && this.#isEstablished) this.#trustAll();
    if (this.#trusted) {
      if (fits) {
        // An old contradiction does not add up with a new one.
        if (++this.#confirmations > 2 * this.#total) this.#contradictions = 0;
        return;
      }
      if (parity && this.#isBelied(seqid)) return;
      this.#confirmations = 0;
      if (++this.#contradictions < CONTRADICTIONS) return;
      this.#doubted = true;
      this.#tuner.clear();
      this.#proof.clear();
    } else if (this.#probation && !fits && ++this.#contradictions === CONTRADICTIONS) {
      this.#tuner.clear();
    }
    const found = this.#tuner.note(seqid, parity, this.#ratio);
    if (found) this.#learn(found);
  }

  /**
   * Whether a parity shard in the place of data is certainly forged: the data shard of its number has
   * arrived, or the stream is not there yet.
   */
  #isBelied(seqid: number): boolean {
    const index = seqid % this.#total;
    const ahead = seqid - this.#highest;
    if (ahead > this.#total && ahead < this.#seqidLimit / 2) return true;
    const group = this.#window!.get((seqid - index) / this.#total);
    return group !== undefined && (group.done || group.blocks[index] !== MISSING);
  }

  /**
   * Whether data has confirmed the ratio: it came in two groups, and not in the parity between them.
   * Before that, forged parity may have shown a wrong ratio, which gives wrong packets.
   */
  get #isEstablished(): boolean {
    if (this.#refutations > 0 || this.#fitGroups < 2) return false;
    const ratio = this.#total / this.#ratio!.dataShards;
    return this.#fitData >= this.#total ||
      (this.#fitGroups - 1) * Math.log10(ratio) >= 1;
  }

  /** Guesses the ratio from data shards, if forged parity hides it. */
  #guess(seqid: number): void {
    const pattern = this.#pattern;
    if (this.#trusted) {
      pattern.clear();
      return;
    }
    pattern.note(seqid);
    if (this.#proven || this.#stats.dataIn % GUESS_EVERY !== 0) return;
    if (this.#ratio && this.#refutations < CONTRADICTIONS) return;
    const guess = pattern.guess();
    if (guess) this.#adopt(guess);
  }

  /** Gives a ratio up that forged parity has shown: data refutes it. */
  #refute(seqid: number): void {
    this.#forged = MAX_FORGED;
    this.#tuner.clear();
    this.#proven = this.#doubted = this.#probation = false;
    const previous = this.#previous;
    if (!previous || !fitsRatio(previous, seqid, false)) return;
    const proven = this.#previousProven;
    this.#adopt(previous);
    this.#proven = this.#doubted = proven;
  }

  /** Starts to use the ratio that packets have confirmed. */
  #learn(ratio: FecRatio): void {
    const { dataShards, parityShards } = ratio;
    const { data, groups, evidence } = this.#tuner.support(ratio);
    if (this.#forged >= STORM && evidence < STORM_EVIDENCE) return;
    if (this.#ratio?.dataShards === dataShards && this.#ratio.parityShards === parityShards) {
      if (!this.#probation) this.#trustAll();
      return;
    }
    // Types and numbers may be forged, the content of groups may not.
    if (this.#ratio && this.#sinceProof < CONFIRMED_GROUPS * this.#ratio.dataShards) return;
    const young = this.#probation && this.#previous !== null;
    const previous = young ? this.#previous : this.#ratio;
    const proven = young ? this.#previousProven : this.#proven;
    // Parity that contradicted the old ratio was not forged if the new one is right.
    if (this.#forged < STORM) this.#forged = 0;
    this.#trust();
    this.#adopt(ratio);
    this.#doubted = this.#probation = true;
    this.#fitData = data;
    this.#fitGroups = groups;
    this.#previous = previous;
    this.#previousProven = proven;
    // Earlier shards of this group were not stored under this ratio. Parity does not show where the
    // stream is: forged parity would end groups that are still to come.
    this.#window!.skipTo(Math.floor(this.#lastData / this.#total));
  }

  /** Ends all doubt about the ratio, and restores what has waited for that. */
  #trustAll(): void {
    this.#trust();
    for (const group of this.#window!.groups) this.#attempt(group);
  }

  /** Ends all doubt about the ratio. */
  #trust(): void {
    this.#proven = true;
    this.#doubted = this.#probation = false;
    this.#contradictions = this.#confirmations = 0;
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
    this.#sinceProof = Infinity;
    this.#previous = null;
    this.#refutations = this.#fitGroups = this.#fitData = 0;
    this.#lastFit = -1;
    this.#proof.clear();
    this.#window = new GroupWindow(total, (group) => this.#release(group));
    this.#solver = new GroupSolver(this.#arena, ratio, this.#accepts);
  }

  /** Copies a shard into the arena, and restores its group if that makes enough shards. */
  #store(seqid: number, parity: boolean, start: number, end: number): void {
    const index = seqid % this.#total;
    const number = (seqid - index) / this.#total;
    if (!parity) {
      this.#window!.prove(number);
      this.#noteHighest(seqid);
    }
    const group = this.#window!.find(number);
    if (group.done) return;
    if (group.data + group.parity === 0) group.tries = MAX_TRIES;
    if (parity) this.#storeParity(group, index, start + FEC_HEADER, end);
    else this.#storeData(group, index, start + FEC_HEADER, end);
  }

  #noteHighest(seqid: number): void {
    const ahead = seqid - this.#highest;
    if (ahead > 0 || ahead < -this.#seqidLimit / 2) this.#highest = seqid;
  }

  #storeData(group: ShardGroup, index: number, start: number, end: number): void {
    if (group.blocks[index] !== MISSING) return;
    if (this.#trusted && group.data === this.#ratio!.dataShards - 1) {
      // All data shards have arrived, so the stored shards are of no use.
      this.#finish(group);
      return;
    }
    const block = this.#keep(start, end, this.#most - this.#stored);
    if (block < 0) return;
    group.blocks[index] = block;
    group.lengths[index] = end - start;
    group.data++;
    this.#attempt(group);
  }

  #storeParity(group: ShardGroup, index: number, start: number, end: number): void {
    const length = end - start;
    // In a flood, a shard that is too long is one of the forged.
    if (this.#forged >= FLOOD && (length > this.#longest || this.#isEarly(group.number))) return;
    if (group.data === this.#ratio!.dataShards) {
      this.#verify(group, { index, block: start, length });
      return;
    }
    const rival = group.blocks[index] !== MISSING;
    if (rival && !this.#isRival(group, index, start, length)) return;
    const most = this.#most;
    let room = Math.min(most - this.#stored, most * PARITY_PART - this.#storedParity);
    if (rival) room = Math.min(room, most * RIVAL_PART - this.#storedRivals);
    const block = this.#keep(start, end, room);
    if (block < 0) return;
    this.#storedParity += length;
    if (rival) {
      this.#storedRivals += length;
      group.rivals.push({ index, block, length });
    } else {
      group.blocks[index] = block;
      group.lengths[index] = length;
      group.parity++;
    }
    this.#attempt(group, index);
  }

  /** Whether parity of that group comes before more of its data than it can repair. */
  #isEarly(number: number): boolean {
    const { dataShards, parityShards } = this.#ratio!;
    const ahead = number * this.#total + dataShards - 1 - this.#highest;
    const most = dataShards > parityShards
      ? parityShards
      : this.#total * Math.ceil(parityShards / dataShards);
    return ahead > most && ahead < this.#seqidLimit / 2;
  }

  /** Whether a parity shard differs from all that are stored for its place, and may be kept. */
  #isRival(group: ShardGroup, index: number, start: number, length: number): boolean {
    const { bytes } = this.#arena;
    const same = (block: number, other: number) =>
      length === other && equal(bytes, start, length, block, other);
    if (same(group.blocks[index], group.lengths[index])) return false;
    if (group.rivals.some((rival) => rival.index === index && same(rival.block, rival.length))) {
      return false;
    }
    this.#noteForged();
    return group.rivals.length < MAX_RIVALS;
  }

  /** Most bytes that may be stored. */
  get #most(): number {
    return Math.min(this.limit, MAX_BYTES);
  }

  /**
   * Copies bytes of a shard into a new block.
   *
   * @param room Most bytes.
   * @returns The block; -1 if there is no room.
   */
  #keep(start: number, end: number, room: number): number {
    const length = end - start;
    const arena = this.#arena;
    // Leave memory for data that can be delivered: a stored shard may never be needed.
    if (length > room || arena.used > arena.limit / 2) return -1;
    const block = arena.alloc(length);
    if (block < 0) return -1;
    this.#stored += length;
    arena.bytes.copyWithin(block, start, end);
    return block;
  }

  /**
   * Restores or verifies a group, if it has enough shards.
   *
   * @param newest The place of the parity shard that arrived last, if the group was attempted
   * without it; -1 if not.
   */
  #attempt(group: ShardGroup, newest = -1): void {
    const { dataShards } = this.#ratio!;
    if (group.number < 0 || group.done) return;
    if (group.data === dataShards) {
      if (this.#trusted) this.#finish(group);
      else this.#verifyComplete(group);
      return;
    }
    const checked = !this.#trusted;
    if (group.data + group.parity < dataShards + (checked ? 1 : 0)) return;
    // Only the first and last data shards of a group show where it begins, and where parity does.
    if (checked && (group.blocks[0] === MISSING || group.blocks[dataShards - 1] === MISSING)) {
      return;
    }
    const solver = this.#solver!;
    let restored: Restored | null = null;
    if (group.rivals.length === 0 && !group.failed) {
      restored = solver.restore(group, checked);
      if (!restored && checked && this.#forged < FLOOD) return;
      if (!restored && !checked && this.#forged < FLOOD && this.#stats.failures < FAILURES) {
        this.#noteForged();
        this.#stats.failures++;
        this.#finish(group);
        return;
      }
    }
    restored ??= solver.search(group, checked, group.failed ? newest : -1);
    if (restored) this.#deliver(group, restored, checked);
    else this.#fail(group, checked);
  }

  /** Keeps a group whose shards contradict each other, without parity that is certainly wrong. */
  #fail(group: ShardGroup, checked: boolean): void {
    if (!group.failed && !checked) this.#stats.failures++;
    group.failed = true;
    this.#noteForged();
    if (!checked && group.data === this.#ratio!.dataShards - 1) this.#freeParity(group);
  }

  /** Delivers restored packets, and finishes their group. */
  #deliver(group: ShardGroup, restored: Restored, checked: boolean): void {
    const { number } = group;
    this.#finish(group);
    this.#window!.prove(number);
    this.#noteHighest(number * this.#total + this.#ratio!.dataShards - 1);
    this.#stats.recovered += restored.count;
    for (let i = 0; i < restored.count; i++) this.#onRecovered(restored.packet(i));
    restored.free();
    if (checked) this.#noteVerified(number);
  }

  /** Looks for parity that agrees with the data shards of a complete group, and frees the rest. */
  #verifyComplete(group: ShardGroup): void {
    const { parityShards, dataShards } = this.#ratio!;
    const parity = [...group.rivals];
    for (let i = dataShards; i < dataShards + parityShards; i++) {
      const block = group.blocks[i];
      if (block !== MISSING) parity.push({ index: i, block, length: group.lengths[i] });
    }
    for (const shard of parity) {
      if (!group.done) this.#verify(group, shard);
    }
    if (!group.done) this.#freeParity(group);
  }

  /** Verifies the ratio by a parity shard of a complete group. */
  #verify(group: ShardGroup, shard: ParityShard): void {
    if (!this.#solver!.agrees(group, shard)) return;
    const { number } = group;
    this.#finish(group);
    this.#noteVerified(number);
  }

  /** Notes that the content of a group has confirmed the ratio. */
  #noteVerified(number: number): void {
    const last = this.#proof.verify(number);
    if (last < 0 || this.#trusted) return;
    this.#sinceProof = 0;
    this.#trust();
    this.#tuner.clear();
    const window = this.#window!;
    for (const group of window.groups) {
      if (group.number >= 0 && window.isUpTo(group.number, last)) this.#attempt(group);
    }
  }

  /** Marks a group as done, and frees its shards. */
  #finish(group: ShardGroup): void {
    group.done = true;
    this.#freeShards(group);
  }

  /** Frees the shards of a group that leaves the window. */
  #release(group: ShardGroup): void {
    // A complete group may have waited for its parity.
    if (group.number >= 0 && !group.done && group.data < this.#ratio!.dataShards) {
      this.#stats.incomplete++;
    }
    this.#freeShards(group);
  }

  #freeShards(group: ShardGroup): void {
    if (group.parity > 0) this.#freeParity(group);
    for (let i = 0; i < this.#total && group.data > 0; i++) {
      const block = group.blocks[i];
      if (block === MISSING) continue;
      this.#free(block, group.lengths[i]);
      group.blocks[i] = MISSING;
      group.data--;
    }
    group.data = 0;
  }

  #freeParity(group: ShardGroup): void {
    for (let i = this.#ratio!.dataShards; i < this.#total; i++) {
      const block = group.blocks[i];
      if (block === MISSING) continue;
      this.#free(block, group.lengths[i]);
      this.#storedParity -= group.lengths[i];
      group.blocks[i] = MISSING;
    }
    for (const { block, length } of group.rivals) {
      this.#free(block, length);
      this.#storedParity -= length;
      this.#storedRivals -= length;
    }
    group.rivals.length = 0;
    group.parity = 0;
  }

  #free(block: number, length: number): void {
    this.#arena.free(block, length);
    this.#stored -= length;
  }

  /** Frees all stored shards. The decoder keeps the ratio, and continues with the next packet. */
  clear(): void {
    this.#window?.clear();
  }
}

/** Whether a ratio gives a packet of this type that sequence number. */
function fitsRatio(
  { dataShards, parityShards }: FecRatio,
  seqid: number,
  parity: boolean,
): boolean {
  return parity === (seqid % (dataShards + parityShards) >= dataShards);
}
