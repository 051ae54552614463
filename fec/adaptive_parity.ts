import type { FecRatio } from "./ratio.ts";

/** Groups at the start, and in each round, that get all parity so that the peer learns the ratio. */
const LESSON = 3;
/** Groups in a round while parity is sent. */
const ROUND = 64;
/** Share of groups that may stay incomplete, by which the first amount of parity is chosen. */
const TARGET = 0.01;
/** Visible loss at which there is too little parity. */
const TOO_MUCH = 0.01;
/** Visible loss below which there may be too much parity. */
const LITTLE = 0.003;
/** Segments over which the loss is averaged, about: without parity, and with. */
const MEMORY = 256;
const LONG_MEMORY = 512;
/** Segments for which the loss must be little before parity is taken away; doubled after each mistake. */
const PATIENCE = 512;
const MAX_PATIENCE = 4096;
/** What is left of the patience after a try that was no mistake. */
const PATIENCE_DECAY = 0.75;

/**
 * Decides how many parity shards each group gets, by the losses that the sender can see.
 *
 * A sender sees a loss when a segment had to be sent again. Without parity that is every loss, and tells how much parity is
 * needed. With parity it is only what parity did not repair; so more is added as soon as too much is lost,
 * and one shard is taken away after a long time in which little was. Each time that turns out to be a mistake,
 * the next try waits twice as long.
 *
 * The ratio on the wire stays the same, since a peer needs a while to learn a new one: what is not needed is
 * counted, but not sent. The first groups are sent whole, and some later on while there are losses, to teach a peer that
 * does not know the ratio.
 */
export class AdaptiveParity {
  readonly #ratio: FecRatio;
  /** Parity shards that a group gets, if it is none that teaches. */
  #level = 0;
  #group = 0;
  #acknowledged = 0;
  #lost = 0;
  /** Averaged share of segments that were lost. */
  #loss = 0;
  /** Segments since the level was last changed, and since it was lowered. */
  #quiet = 0;
  #sinceLowered = Infinity;
  #patience = PATIENCE;

  /** @param ratio Data shards of a group, and most parity shards. */
  constructor(ratio: FecRatio) {
    this.#ratio = ratio;
  }

  /** Parity shards that a group gets at the moment. */
  get level(): number {
    return this.#level;
  }

  /**
   * Decides for the next group.
   *
   * @param acknowledged Segments that were acknowledged so far.
   * @param lost Segments among them that had to be sent again.
   * @returns The number of parity shards.
   */
  next(acknowledged: number, lost: number): number {
    this.#learn(acknowledged - this.#acknowledged, lost - this.#lost);
    this.#acknowledged = acknowledged;
    this.#lost = lost;
    const place = this.#group++;
    const teaches = place < LESSON || (this.#level > 0 && place % ROUND < LESSON);
    return teaches ? this.#ratio.parityShards : this.#level;
  }

  #learn(segments: number, lost: number): void {
    if (segments <= 0) return;
    const { dataShards, parityShards } = this.#ratio;
    // What parity does not repair is lost by the group, so a few groups are not enough to go by.
    const memory = this.#level === 0 ? MEMORY : LONG_MEMORY;
    this.#loss += (lost / segments - this.#loss) * (1 - Math.exp(-segments / memory));
    this.#quiet += segments;
    this.#sinceLowered += segments;
    if (this.#loss > TOO_MUCH && (this.#level === 0 || this.#quiet > MEMORY / 2)) {
      if (this.#level === parityShards) return;
      if (this.#sinceLowered < 2 * this.#patience) {
        this.#patience = Math.min(MAX_PATIENCE, 2 * this.#patience);
      }
      this.#sinceLowered = Infinity;
      const needed = parityFor(this.#loss, dataShards, parityShards);
      this.#level = Math.max(this.#level + 1, Math.min(parityShards, needed));
      this.#restart();
    } else if (this.#level > 0 && this.#loss < LITTLE && this.#quiet >= this.#patience) {
      // It went well the last time.
      if (this.#sinceLowered < Infinity) {
        this.#patience = Math.max(PATIENCE, this.#patience * PATIENCE_DECAY);
      }
      this.#level--;
      this.#sinceLowered = 0;
      this.#restart();
    }
  }

  /** What was lost under another level says nothing about this one. */
  #restart(): void {
    this.#quiet = 0;
    this.#loss = 0;
  }
}

/** The least parity for which few enough groups lose more than it repairs. */
function parityFor(loss: number, dataShards: number, most: number): number {
  for (let parity = 0; parity < most; parity++) {
    if (incomplete(loss, dataShards + parity, parity) <= TARGET) return parity;
  }
  return most;
}

/** The probability that of `total` packets more than `parity` are lost. */
function incomplete(loss: number, total: number, parity: number): number {
  let term = (1 - loss) ** total;
  let few = term;
  for (let lost = 1; lost <= parity; lost++) {
    term *= (total - lost + 1) / lost * loss / (1 - loss);
    few += term;
  }
  return 1 - few;
}
