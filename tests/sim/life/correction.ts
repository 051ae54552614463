/**
 * Counts which lost packets the parity of a sender could restore.
 *
 * @module
 */
import type { FecRatio } from "../../../fec/mod.ts";
import type { Process } from "./process.ts";
import { shardOf } from "./wire.ts";

interface Group {
  /** Data shards that were sent and that arrived, and parity shards that arrived: a bit each. */
  sent: number;
  arrived: number;
  parity: number;
  /** Whether a stranger sent a shard of its number, so that nothing is certain. */
  forged: boolean;
}

/** What one client sends with error correction of a fixed ratio, and without encryption. */
export class Correction {
  /** The number of the newest shard that was sent. */
  newest = 0;
  readonly #groups = new Map<number, Group>();

  constructor(readonly from: Process, readonly address: string, readonly ratio: FecRatio) {}

  #group(seqid: number): Group {
    const number = Math.floor(seqid / (this.ratio.dataShards + this.ratio.parityShards));
    let group = this.#groups.get(number);
    if (!group) this.#groups.set(number, group = { sent: 0, arrived: 0, parity: 0, forged: false });
    return group;
  }

  #bit(seqid: number): number {
    return 1 << seqid % (this.ratio.dataShards + this.ratio.parityShards);
  }

  /** The number of a parity shard of a group that is `ahead` of the newest one. */
  parityAhead(ahead: number, row: number): number {
    const { dataShards, parityShards } = this.ratio;
    const total = dataShards + parityShards;
    const group = Math.floor(this.newest / total) + ahead;
    return group * total + dataShards + row % parityShards;
  }

  sent(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (shard) this.newest = shard.seqid;
    if (shard && !shard.parity) this.#group(shard.seqid).sent |= this.#bit(shard.seqid);
  }

  arrived(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (!shard) return;
    const group = this.#group(shard.seqid);
    if (shard.parity) group.parity |= this.#bit(shard.seqid);
    else group.arrived |= this.#bit(shard.seqid);
  }

  forged(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (shard) this.#group(shard.seqid).forged = true;
  }

  /** Data shards that were lost and that the shards that arrived can restore. */
  get recoverable(): number {
    const { dataShards } = this.ratio;
    let sum = 0;
    for (const { sent, arrived, parity, forged } of this.#groups.values()) {
      if (forged) continue;
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
