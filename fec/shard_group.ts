/** A shard that has not arrived. */
export const MISSING = -1;

/** A parity shard that is stored. */
export interface ParityShard {
  /** Its place in the group. */
  readonly index: number;
  /** Its arena block. */
  readonly block: number;
  /** Its length in bytes. */
  readonly length: number;
}

/** A group of shards, of which some have arrived. */
export interface ShardGroup {
  /** Its number: `seqid / (data + parity)`. -1 for none. */
  number: number;
  /** Data shards that are stored. */
  data: number;
  /** Parity shards that are stored, without the `rivals`. */
  parity: number;
  /** Whether the group is complete, or is not repaired: its later shards are ignored. */
  done: boolean;
  /** Whether its shards have contradicted each other. */
  failed: boolean;
  /** How many combinations of parity shards may still be tried. */
  tries: number;
  /** The arena block of each shard; `MISSING` for a shard that is not stored. */
  readonly blocks: Int32Array;
  /** The length of each stored shard, in bytes. */
  readonly lengths: Int32Array;
  /** Parity shards that differ from an earlier one of the same place. One of them is forged. */
  readonly rivals: ParityShard[];
}
