/**
 * Counts which lost packets the parity of a sender could restore.
 *
 * @module
 */
import { FecDecoder, type FecRatio } from "../../../fec/mod.ts";
import { Arena } from "../../../kcp/arena.ts";
import type { Process } from "./process.ts";
import { shardOf } from "./wire.ts";

interface Group {
  /** Data shards that were sent and that arrived, and parity shards that arrived: a bit each. */
  sent: number;
  arrived: number;
  parity: number;
  /** Whether a stranger sent a shard of its number, so that nothing is certain. */
  forged: boolean;
  /** Whether the receiver can trust the ratio since the group began. */
  known: boolean;
}

/** Shards after which a receiver knows the ratio though forged parity came before it did. */
const LEARNED_IN_FLOOD = 200;

/** What one client sends with error correction of a fixed ratio, and without encryption. */
export class Correction {
  readonly from: Process;
  readonly address: string;
  readonly ratio: FecRatio;
  /** The number of the newest shard that was sent. */
  newest = 0;
  readonly #groups = new Map<number, Group>();
  readonly #total: number;
  readonly #forged = new WeakSet<Uint8Array>();
  readonly #arena = new Arena();
  /** Learns the ratio from what the receiver takes, without the shards of strangers. */
  readonly #student: FecDecoder;
  /** The newest group that had begun when the ratio was not known yet. */
  #unknown = -1;
  /** The first group whose content shows that the ratio is right: nothing is restored before. */
  #proof = Infinity;
  /** Whether forged parity came before the ratio was known: it tells another ratio at first. */
  #misled = false;

  /** @param guess The ratio that the receiver assumes. */
  constructor(
    from: Process,
    address: string,
    ratio: FecRatio,
    guess: FecRatio | undefined,
  ) {
    this.from = from;
    this.address = address;
    this.ratio = ratio;

    this.#total = ratio.dataShards + ratio.parityShards;
    this.#student = new FecDecoder(this.#arena, () => {}, guess, guess !== undefined);
  }

  #group(seqid: number): Group {
    const number = Math.floor(seqid / this.#total);
    let group = this.#groups.get(number);
    if (!group) {
      group = { sent: 0, arrived: 0, parity: 0, forged: false, known: false };
      this.#groups.set(number, group);
    }
    return group;
  }

  #bit(seqid: number): number {
    return 1 << seqid % this.#total;
  }

  /** The number of a parity shard of a group that is `ahead` of the newest one. */
  parityAhead(ahead: number, row: number): number {
    const { dataShards, parityShards } = this.ratio;
    const group = Math.floor(this.newest / this.#total) + ahead;
    return group * this.#total + dataShards + row % parityShards;
  }

  sent(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (shard) this.newest = shard.seqid;
    if (shard && !shard.parity) this.#group(shard.seqid).sent |= this.#bit(shard.seqid);
  }

  /** The receiver takes a packet from its socket. */
  taken(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (!shard || this.#forged.has(packet)) return;
    const group = this.#group(shard.seqid);
    if (shard.parity) group.parity |= this.#bit(shard.seqid);
    else group.arrived |= this.#bit(shard.seqid);
    const number = Math.floor(shard.seqid / this.#total);
    this.#learn(packet, number);
    const longer = this.#misled ? Math.ceil(LEARNED_IN_FLOOD / this.#total) : 0;
    if (number > this.#unknown + longer && this.#proves(group)) {
      this.#proof = Math.min(this.#proof, number);
    }
    group.known = number > this.#proof;
  }

  /** Whether a group has a shard more than it needs, and shows where data and parity begin. */
  #proves({ arrived, parity }: Group): boolean {
    const { dataShards } = this.ratio;
    const ends = 1 | 1 << dataShards - 1;
    return (arrived & ends) === ends && ones(arrived) + ones(parity) > dataShards;
  }

  #learn(packet: Uint8Array, number: number): void {
    if (this.#student.ratio) return;
    const start = this.#arena.alloc(packet.length);
    this.#arena.bytes.set(packet, start);
    this.#student.input(start, start + packet.length);
    this.#arena.free(start, packet.length);
    this.#unknown = Math.max(this.#unknown, number);
  }

  forged(packet: Uint8Array): void {
    this.#forged.add(packet);
    this.#misled ||= !this.#student.ratio;
    const shard = shardOf(packet);
    if (shard) this.#group(shard.seqid).forged = true;
  }

  /** Data shards that were lost and that the shards that arrived can restore. */
  get recoverable(): number {
    const { dataShards } = this.ratio;
    let sum = 0;
    for (const { sent, arrived, parity, forged, known } of this.#groups.values()) {
      if (forged || !known) continue;
      const there = ones(arrived);
      const lost = dataShards - there;
      if (ones(sent) === dataShards && lost > 0 && there + ones(parity) >= dataShards) sum += lost;
    }
    return sum;
  }
}

function ones(bits: number): number {
  let count = 0;
  for (; bits !== 0; bits &= bits - 1) count++;
  return count;
}
