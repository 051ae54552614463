import { type FecRatio, MAX_SHARDS } from "./ratio.ts";

/** Packets that are remembered. They are several groups of any ratio. */
const HISTORY = 1024;
/** Groups of packets that confirm a guess. */
const GUESS_GROUPS = 8;
/** The first search needs this many packets. */
const MIN_SAMPLES = 4;

/** What speaks for a ratio. */
export interface RatioSupport {
  /** Data shards, and groups that have some. */
  readonly data: number;
  readonly groups: number;
  /**
   * The decimal logarithm of the number of sets of packets with random numbers of which one is
   * expected to fit as well. The data shards of a group count once, since their numbers follow each
   * other.
   */
  readonly evidence: number;
}

/**
 * Finds the peer's ratio from sequence numbers and types: which `seqid` was a data shard, and which
 * was a parity shard.
 *
 * Groups begin at multiples of their size. Therefore a ratio is right if every data shard has
 * `seqid % (data + parity) < data`, and no parity shard has. The tuner searches for the group sizes
 * that no packet contradicts. It accepts a size when it is the only one. It knows the number of
 * data shards when it has seen the last data shard and the first parity shard of a group.
 *
 * Lost, late and duplicate packets do no harm, because each packet is evidence on its own. If the
 * ratio changed within the remembered packets, then no size fits. The tuner then forgets the older
 * half.
 */
export class RatioTuner {
  readonly #seqids = new Uint32Array(HISTORY);
  readonly #parity = new Uint8Array(HISTORY);
  /** Index of the oldest packet in these rings. */
  #first = 0;
  #count = 0;
  /** Packets until the next search. */
  #untilSearch = MIN_SAMPLES;

  /**
   * Adds a packet to the evidence.
   *
   * @param seqid Its sequence number.
   * @param parity Whether it is a parity shard.
   * @param guess A ratio that is likely. It is accepted when the size of a group is known and eight
   * groups of packets do not contradict it. This works even if the packets around the last data
   * shard were always lost.
   * @returns The ratio; null when it is not known yet.
   */
  note(seqid: number, parity: boolean, guess: FecRatio | null = null): FecRatio | null {
    const at = (this.#first + this.#count) % HISTORY;
    this.#seqids[at] = seqid;
    this.#parity[at] = parity ? 1 : 0;
    if (this.#count < HISTORY) this.#count++;
    else this.#first = (this.#first + 1) % HISTORY;
    if (--this.#untilSearch > 0) return null;
    // A search reads all packets, so it is done less often when there are many.
    this.#untilSearch = Math.max(1, this.#count >> 6);
    return this.#find(guess);
  }

  /** What speaks for a ratio that no remembered packet contradicts. */
  support({ dataShards, parityShards }: FecRatio): RatioSupport {
    const total = dataShards + parityShards;
    const groups = new Set<number>();
    let parity = 0;
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#first + i) % HISTORY;
      if (this.#parity[at]) parity++;
      else groups.add(Math.floor(this.#seqids[at] / total));
    }
    return {
      data: this.#count - parity,
      groups: groups.size,
      evidence: (groups.size - 1) * Math.log10(total / dataShards) +
        parity * Math.log10(total / parityShards),
    };
  }

  /** Forgets all packets. */
  clear(): void {
    this.#first = this.#count = 0;
    this.#untilSearch = MIN_SAMPLES;
  }

  #find(guess: FecRatio | null): FecRatio | null {
    let found: FecRatio | null = null;
    let fitting = 0;
    for (let total = 2; total <= MAX_SHARDS && fitting < 2; total++) {
      const edges = this.#edges(total);
      if (!edges) continue;
      fitting++;
      const [lastData, firstParity] = edges;
      // Without a parity shard, every group size fits.
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

  /**
   * The indexes of the last data shard and the first parity shard within groups of one size. Null
   * if a packet contradicts the size. `firstParity` is `total` when there was no parity shard.
   */
  #edges(total: number): [lastData: number, firstParity: number] | null {
    let lastData = -1;
    let firstParity = total;
    // The newest packets come first, because they contradict an old ratio soonest.
    for (let i = this.#count - 1; i >= 0; i--) {
      const at = (this.#first + i) % HISTORY;
      const index = this.#seqids[at] % total;
      if (this.#parity[at]) firstParity = Math.min(firstParity, index);
      else lastData = Math.max(lastData, index);
      if (lastData >= firstParity) return null;
    }
    return [lastData, firstParity];
  }
}
