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
}

/** What one client sends with error correction of a fixed ratio, and without encryption. */
export class Correction {
  readonly #groups = new Map<number, Group>();

  constructor(readonly from: Process, readonly address: string, readonly ratio: FecRatio) {}

  #group(seqid: number): Group {
    const number = Math.floor(seqid / (this.ratio.dataShards + this.ratio.parityShards));
    let group = this.#groups.get(number);
    if (!group) this.#groups.set(number, group = { sent: 0, arrived: 0, parity: 0 });
    return group;
  }

  #bit(seqid: number): number {
    return 1 << seqid % (this.ratio.dataShards + this.ratio.parityShards);
  }

  sent(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (shard && !shard.parity) this.#group(shard.seqid).sent |= this.#bit(shard.seqid);
  }

  arrived(packet: Uint8Array): void {
    const shard = shardOf(packet);
    if (!shard) return;
    const group = this.#group(shard.seqid);
    if (shard.parity) group.parity |= this.#bit(shard.seqid);
    else group.arrived |= this.#bit(shard.seqid);
  }

  /** Data shards that were lost and that the shards that arrived can restore. */
  get recoverable(): number {
    const { dataShards } = this.ratio;
    let sum = 0;
    for (const { sent, arrived, parity } of this.#groups.values()) {
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
