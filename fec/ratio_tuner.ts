import { type FecRatio, MAX_SHARDS } from "./ratio.ts";

/** Packets that are remembered: some groups, whatever the ratio. */
const HISTORY = 1024;
/** Groups of packets that may bear out a guess. */
const GUESS_GROUPS = 8;
/** Fewer packets than that tell nothing. */
const MIN_SAMPLES = 4;

/**
 * Finds out a peer's ratio from which `seqid` was a data shard and which a parity shard.
 *
 * Groups begin at multiples of their size, so a ratio is right exactly if every data shard seen has
 * `seqid % (data + parity) < data`, and every parity shard has not. Among all sizes, the one that no packet
 * contradicts is taken, once it is the only one. Where the data ends is known exactly once a last data shard and the
 * parity shard behind it were both seen. Packets may be missing, late or twice: each says what it says. When the ratio
 * has changed in the middle of what is remembered, no size fits, and the older half is forgotten.
 */
export class RatioTuner {
  readonly #seqids = new Uint32Array(HISTORY);
  readonly #parity = new Uint8Array(HISTORY);
  /** Samples, oldest first, from #first on, around the end. */
  #first = 0;
  #count = 0;
  /** Samples until the next attempt. */
  #patience = MIN_SAMPLES;

  /**
   * Takes a packet into account.
   *
   * @param seqid Its number.
   * @param parity Whether it is a parity shard.
   * @param guess A ratio that is likely. Once the size of a group is known, and some groups were seen that do not contradict
   * the guess, it is taken, even if the packets where the data ends have been lost all the time.
   * @returns The ratio, if it is known now.
   */
  note(seqid: number, parity: boolean, guess: FecRatio | null = null): FecRatio | null {
    const at = (this.#first + this.#count) % HISTORY;
    this.#seqids[at] = seqid;
    this.#parity[at] = parity ? 1 : 0;
    if (this.#count < HISTORY) this.#count++;
    else this.#first = (this.#first + 1) % HISTORY;
    if (--this.#patience > 0) return null;
    this.#patience = Math.max(1, this.#count >> 6);
    return this.#find(guess);
  }

  /** Forgets everything. */
  clear(): void {
    this.#first = this.#count = 0;
    this.#patience = MIN_SAMPLES;
  }

  #find(guess: FecRatio | null): FecRatio | null {
    let found: FecRatio | null = null;
    let fitting = 0;
    for (let total = 2; total <= MAX_SHARDS && fitting < 2; total++) {
      const edges = this.#edges(total);
      if (!edges) continue;
      fitting++;
      const [lastData, firstParity] = edges;
      // Without any parity, a group might be of any size.
      if (firstParity === total) continue;
      if (firstParity === lastData + 1) {
        found = { dataShards: firstParity, parityShards: total - firstParity };
      } else if (
        guess && guess.dataShards + guess.parityShards === total &&
        guess.dataShards > lastData && guess.dataShards <= firstParity &&
        this.#count >= GUESS_GROUPS * total
      ) {
        found = guess;
      }
    }
    if (fitting === 0) {
      const dropped = this.#count - (this.#count >> 1);
      this.#first = (this.#first + dropped) % HISTORY;
      this.#count -= dropped;
    }
    return fitting === 1 ? found : null;
  }

  /** The last data and the first parity shard in a group of that size; null if the samples deny it. */
  #edges(total: number): [lastData: number, firstParity: number] | null {
    let lastData = -1;
    let firstParity = total;
    // The newest first: they contradict a ratio of the past.
    for (let i = this.#count - 1; i >= 0; i--) {
      const at = (this.#first + i) % HISTORY;
      const place = this.#seqids[at] % total;
      if (this.#parity[at]) firstParity = Math.min(firstParity, place);
      else lastData = Math.max(lastData, place);
      if (lastData >= firstParity) return null;
    }
    return [lastData, firstParity];
  }
}
