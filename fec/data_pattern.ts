import type { FecRatio } from "./ratio.ts";

/** Data shards that are remembered. */
const HISTORY = 256;
/** Data shards for each shard of a group that a guess needs. */
const SAMPLES = 8;

/**
 * Guesses the peer's ratio from the sequence numbers of data shards alone, when too many parity
 * shards are forged: a group ends with numbers that no data shard has.
 *
 * The numbers of data shards have every remainder modulo another group size, after some groups.
 */
export class DataPattern {
  readonly #seqids = new Uint32Array(HISTORY);
  #count = 0;

  /** Adds a data shard. */
  note(seqid: number): void {
    this.#seqids[this.#count++ % HISTORY] = seqid;
  }

  /** Forgets all data shards. */
  clear(): void {
    this.#count = 0;
  }

  /** The ratio with the smallest groups that fit all data shards; null if there is none. */
  guess(): FecRatio | null {
    const count = Math.min(this.#count, HISTORY);
    for (let total = 2; total <= count / SAMPLES; total++) {
      let dataShards = 0;
      for (let i = 0; i < count && dataShards < total; i++) {
        dataShards = Math.max(dataShards, this.#seqids[i] % total + 1);
      }
      if (dataShards < total) return { dataShards, parityShards: total - dataShards };
    }
    return null;
  }
}
