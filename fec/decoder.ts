import type { Arena } from "../kcp/arena.ts";
import { FEC_HEADER, seqidLimit, TYPE, TYPE_PARITY } from "./header.ts";
import { checkRatio, type FecRatio } from "./ratio.ts";
import { RatioTuner } from "./ratio_tuner.ts";
import { reedSolomon } from "./reed_solomon.ts";
import { ShardSum } from "./shard_sum.ts";

/** About so many packets are remembered, in groups: as many as may overtake one another on a fast path. */
const SPAN = 256;
const MIN_GROUPS = 4;
const MAX_GROUPS = 64;
/** So many packets in a row from elsewhere show that the peer is there now, and not a forger. */
const STRAYS = 3;
/** So many packets that contradict the ratio put it in question; one alone may be forged. */
const CONTRADICTIONS = 2;
/** Most bytes of shards that are kept. */
const MAX_BYTES = 1 << 22;
/** What restored packets lie in during the callback; kept if it is not large. */
let scratch = new Uint8Array(0);
const MAX_SCRATCH = 65_536;
/** From this `seqid` on not every ratio has numbers, so that they tell nothing of the ratio. */
const LAST_SEQIDS = 0xffffff00;
/** Adds up shards of one group at a time, whoever's it is. */
let shared: ShardSum | undefined;
const NO_BYTES = new Uint8Array(0);
/** Bytes of a shard's `size`. */
const SIZE_FIELD = 2;
/** Shards that are missing: no block of memory. */
const NONE = -1;

/** What a {@linkcode FecDecoder} has counted. */
export interface FecDecoderStats {
  /** Data shards that arrived, those included that came twice or late. */
  dataIn: number;
  /** Parity shards that arrived, likewise. */
  parityIn: number;
  /** Packets that were restored from parity. */
  recovered: number;
  /** Groups whose shards contradict each other, so that nothing could be restored: they were forged, or damaged. */
  failures: number;
  /** Groups that were given up with a data shard missing. */
  incomplete: number;
}

/** A group of shards of which some have arrived. */
interface Group {
  /** Its number: `seqid / (data + parity)`; -1 for none. */
  number: number;
  data: number;
  parity: number;
  /** Whether nothing more is to be done for it. */
  done: boolean;
  /** Arena block and length in bytes of each shard. */
  readonly blocks: Int32Array;
  readonly lengths: Int32Array;
}

/**
 * Collects the shards of groups, and restores lost packets as soon as enough are there.
 *
 * It learns the peer's ratio from the packets. While the ratio is in doubt it restores nothing: with a wrong one, what
 * comes out could pass for a packet of the stream, since all that is equal in the packets of a group, such as their
 * conversation, is equal in what is restored, too.
 *
 * Only packets of the last few groups count; a `seqid` from elsewhere moves it only when the next packets agree.
 */
export class FecDecoder {
  /** Most bytes of shards that may be kept, beside a bound that always holds; `Infinity` at first. */
  limit: number = Infinity;
  readonly #arena: Arena;
  readonly #onRecovered: (packet: Uint8Array<ArrayBuffer>) => void;
  readonly #accepts: (packet: Uint8Array<ArrayBuffer>) => boolean;
  readonly #tuner = new RatioTuner();
  /** Whether packets have shown that the ratio is the peer's, and how many have contradicted it since. */
  #proven = false;
  #contradictions = 0;
  /** Packets since the last that contradicted it. */
  #consents = 0;
  /** No group up to this one is worked on; -1 for none. */
  #skipped = -1;
  /** Bytes of the shards that are kept. */
  #held = 0;
  #ratio: FecRatio | null = null;
  #total = 0;
  #seqidLimit = 0;
  /** Numbers of groups before they wrap. */
  #numbers = 0;
  #groups: Group[] = [];
  /** The newest group's number, -1 before the first packet, and its place among the groups. */
  #newest = -1;
  #head = 0;
  /** Packets in a row that lie elsewhere, and the group of the last. */
  #strays = 0;
  #strayNumber = 0;
  readonly #missing: number[] = [];
  readonly #rows: number[] = [];
  readonly #stats = { dataIn: 0, parityIn: 0, recovered: 0, failures: 0, incomplete: 0 };

  /**
   * Makes a decoder.
   *
   * @param arena The memory that packets arrive in; shards are kept there.
   * @param onRecovered Called with each restored KCP packet, a view that is valid during the call.
   * @param ratio The peer's ratio if it is known or can be guessed; it is learned otherwise.
   * @param guess Whether the ratio is a guess: what arrives is kept accordingly, but nothing is restored until
   * the packets have shown that it is right.
   * @param accepts Says whether a restored packet may be one of the peer's. Of a group that has another, none is delivered.
   * @throws {TypeError | RangeError} When the ratio is none.
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

  /** The peer's ratio; null as long as it is not known. */
  get ratio(): FecRatio | null {
    return this.#proven ? this.#ratio : null;
  }

  /** What was counted so far: a snapshot. */
  get stats(): FecDecoderStats {
    return { ...this.#stats };
  }

  /** Whether data of the group was seen lately that a parity shard with that number belongs to. */
  awaits(seqid: number): boolean {
    if (this.#newest < 0 || !this.#fits(seqid, true)) return false;
    const number = Math.floor(seqid / this.#total);
    return this.#groups.some((group) => group.number === number);
  }

  /**
   * Takes a data or parity shard into account. What is in it may be anything.
   *
   * @param start Arena offset of its header.
   * @param end Arena offset after its last byte, at least 8 bytes behind.
   */
  input(start: number, end: number): void {
    const { view } = this.#arena;
    const seqid = view.getUint32(start, true);
    const parity = view.getUint16(start + TYPE, true) === TYPE_PARITY;
    if (parity) this.#stats.parityIn++;
    else this.#stats.dataIn++;
    if (this.#ratio && !this.#isNear(Math.floor(seqid / this.#total))) return;
    if (seqid < LAST_SEQIDS) this.#judge(seqid, parity);
    if (this.#fits(seqid, parity)) this.#place(seqid, parity, start, end);
  }

  /** Takes a packet as evidence for the ratio, or against it. */
  #judge(seqid: number, parity: boolean): void {
    if (this.#proven) {
      if (this.#fits(seqid, parity)) {
        // Long ago is not now.
        if (++this.#consents > 2 * this.#total) this.#contradictions = 0;
        return;
      }
      this.#consents = 0;
      if (++this.#contradictions < CONTRADICTIONS) return;
      this.#proven = false;
      this.#tuner.clear();
    }
    const found = this.#tuner.note(seqid, parity, this.#ratio);
    if (found) this.#learn(found, seqid);
  }

  /** Takes the ratio that packets have shown. */
  #learn(ratio: FecRatio, seqid: number): void {
    const { dataShards, parityShards } = ratio;
    this.#proven = true;
    this.#contradictions = this.#consents = 0;
    if (this.#ratio?.dataShards === dataShards && this.#ratio.parityShards === parityShards) {
      // What was kept in the meantime may be enough.
      for (const group of this.#groups) {
        if (group.data + group.parity >= dataShards) this.#restore(group);
      }
    } else {
      this.#adopt(ratio);
      // What came of this group before was not kept.
      this.#skipped = this.#newest = Math.floor(seqid / this.#total);
    }
  }

  /** Whether a packet may have that number under the ratio that is in force. */
  #fits(seqid: number, parity: boolean): boolean {
    return this.#ratio !== null && seqid < this.#seqidLimit &&
      parity === (seqid % this.#total >= this.#ratio.dataShards);
  }

  #adopt(ratio: FecRatio): void {
    this.clear();
    const { dataShards, parityShards } = ratio;
    const total = dataShards + parityShards;
    this.#ratio = ratio;
    this.#total = total;
    this.#seqidLimit = seqidLimit(total);
    this.#numbers = this.#seqidLimit / total;
    const groups = Math.min(MAX_GROUPS, Math.max(MIN_GROUPS, Math.floor(SPAN / total)));
    this.#groups = Array.from({ length: groups }, () => ({
      number: -1,
      data: 0,
      parity: 0,
      done: false,
      blocks: new Int32Array(total).fill(NONE),
      lengths: new Int32Array(total),
    }));
  }

  /** How many groups one number is ahead of another: less than 0 for those before it. */
  #distance(number: number, from: number): number {
    const ahead = number - from;
    if (ahead > this.#numbers / 2) return ahead - this.#numbers;
    return ahead < -this.#numbers / 2 ? ahead + this.#numbers : ahead;
  }

  /** Whether a group is one of those that are kept, or so little ahead that live ones stay. */
  #within(ahead: number): boolean {
    return ahead > -this.#groups.length && ahead <= this.#groups.length / 2;
  }

  #place(seqid: number, parity: boolean, start: number, end: number): void {
    const place = seqid % this.#total;
    const group = this.#find((seqid - place) / this.#total);
    if (group.done || group.blocks[place] !== NONE) return;
    const { dataShards } = this.#ratio!;
    if (!parity && group.data === dataShards - 1) {
      // Nothing is missing, so nothing is needed.
      this.#end(group);
      return;
    }
    const length = end - start - FEC_HEADER;
    const arena = this.#arena;
    // Data that can be delivered is worth more than what may never be needed.
    if (this.#held + length > Math.min(this.limit, MAX_BYTES) || arena.used > arena.limit / 2) {
      return;
    }
    const block = arena.alloc(length);
    if (block < 0) return;
    this.#held += length;
    this.#arena.bytes.copyWithin(block, start + FEC_HEADER, end);
    group.blocks[place] = block;
    group.lengths[place] = length;
    if (parity) group.parity++;
    else group.data++;
    if (this.#proven && group.data + group.parity >= dataShards) this.#restore(group);
  }

  /** Whether a packet of that group may be the peer's: it lies where the last ones did, or the next ones do. */
  #isNear(number: number): boolean {
    if (this.#newest < 0) this.#newest = number;
    if (this.#within(this.#distance(number, this.#newest))) {
      this.#strays = 0;
      return true;
    }
    const near = Math.abs(number - this.#strayNumber) <= this.#groups.length;
    this.#strays = near ? this.#strays + 1 : 1;
    this.#strayNumber = number;
    if (this.#strays < STRAYS) return false;
    // The peer is there now: nothing of what it sent before matters.
    for (const group of this.#groups) this.#free(group);
    this.#newest = number;
    this.#strays = 0;
    this.#skipped = -1;
    return true;
  }

  /** The group of that number, which is near. */
  #find(number: number): Group {
    const groups = this.#groups;
    let ahead = this.#distance(number, this.#newest);
    for (; ahead > 0; ahead--) {
      this.#newest = number;
      this.#head = (this.#head + 1) % groups.length;
      this.#free(groups[this.#head]);
    }
    const group = groups[(this.#head + ahead + groups.length) % groups.length];
    if (group.number < 0) {
      group.number = number;
      if (this.#skipped >= 0) {
        const beyond = this.#distance(number, this.#skipped);
        group.done = beyond <= 0;
        if (beyond >= groups.length) this.#skipped = -1;
      }
    }
    return group;
  }

  /** Restores what is missing of a group that has as many shards as it has data shards. */
  #restore(group: Group): void {
    const { dataShards } = this.#ratio!;
    const missing = this.#missing;
    const rows = this.#rows;
    missing.length = rows.length = 0;
    let longest = 0;
    let length = 0;
    let equal = true;
    for (let i = 0; i < this.#total; i++) {
      if (i < dataShards) {
        if (group.blocks[i] === NONE) missing.push(i);
        else longest = Math.max(longest, group.lengths[i]);
      } else if (group.blocks[i] !== NONE && rows.length < missing.length) {
        if (rows.length === 0) length = group.lengths[i];
        else if (group.lengths[i] !== length) equal = false;
        rows.push(i - dataShards);
      }
    }
    // Parity is as long as the longest data shard was.
    if (!equal || longest > length) {
      this.#stats.failures++;
      this.#end(group);
      return;
    }
    // The code of a ratio costs something to make: it is made when it is needed.
    const coefficients = reedSolomon(dataShards, this.#ratio!.parityShards).recovery(missing, rows);
    const sum = shared ??= new ShardSum(coefficients);
    sum.reset(coefficients);
    for (let i = 0, used = 0; i < dataShards; i++) {
      // In the place of each shard that is missing there is one of the parity.
      const shard = group.blocks[i] === NONE ? dataShards + rows[used++] : i;
      const block = group.blocks[shard];
      sum.add(i, this.#arena.bytes, block, block + group.lengths[shard]);
    }
    this.#end(group);
    // All of them first: the sum is everybody's, and so are these bytes.
    const count = missing.length;
    const packets = scratch.length < count * length ? new Uint8Array(count * length) : scratch;
    scratch = NO_BYTES;
    for (let i = 0; i < count; i++) sum.write(i, packets, i * length, length);
    if (this.#areWhole(packets, count, length)) {
      this.#stats.recovered += count;
      for (let i = 0; i < count; i++) this.#onRecovered(packetAt(packets, i * length));
    } else {
      this.#stats.failures++;
    }
    if (packets.length <= MAX_SCRATCH) scratch = packets;
  }

  /**
   * Whether all that was restored of a group can have been sent. If one parity shard was another peer's, or forged, what
   * is restored is wrong here and there, and must not be taken for the rest.
   */
  #areWhole(packets: Uint8Array<ArrayBuffer>, count: number, length: number): boolean {
    for (let at = 0; at < count * length; at += length) {
      const size = packets[at] | packets[at + 1] << 8;
      if (size < SIZE_FIELD || size > length) return false;
      if (!this.#accepts(packetAt(packets, at))) return false;
    }
    return true;
  }

  /** Ends the work for a group; what still comes of it is ignored. */
  #end(group: Group): void {
    group.done = true;
    this.#freeShards(group);
  }

  /** Makes a group's place free for another one. */
  #free(group: Group): void {
    if (group.number >= 0 && !group.done) this.#stats.incomplete++;
    this.#freeShards(group);
    group.number = -1;
    group.data = group.parity = 0;
    group.done = false;
  }

  #freeShards(group: Group): void {
    for (let i = 0; i < this.#total && group.data + group.parity > 0; i++) {
      const block = group.blocks[i];
      if (block === NONE) continue;
      this.#arena.free(block, group.lengths[i]);
      this.#held -= group.lengths[i];
      group.blocks[i] = NONE;
    }
    group.data = group.parity = 0;
  }

  /** Gives the memory back; what arrived so far restores nothing any more. */
  clear(): void {
    for (const group of this.#groups) this.#free(group);
    this.#newest = this.#skipped = -1;
    this.#strays = 0;
  }
}

/** The packet of a restored shard. */
function packetAt(shards: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return shards.subarray(at + SIZE_FIELD, at + (shards[at] | shards[at + 1] << 8));
}
