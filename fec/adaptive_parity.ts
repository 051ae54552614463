import type { FecRatio } from "./ratio.ts";

/**
 * Groups that get all parity, at the start and in each round, so that the peer learns the ratio.
 */
const FULL_GROUPS = 3;
/** Groups in a round while parity is sent. */
const ROUND = 64;
/** The share of groups that may stay incomplete. It decides how much parity is sent at first. */
const MAX_INCOMPLETE = 0.01;
/** Visible loss above which parity is added. */
const RAISE_LOSS = 0.01;
/** Visible loss below which parity is taken away. */
const LOWER_LOSS = 0.003;
/** About how many segments the loss is averaged over, while no parity is sent. */
const AVERAGE_OVER = 256;
/** About how many segments the loss is averaged over, while parity is sent. */
const AVERAGE_OVER_WITH_PARITY = 512;
/** Segments after a change until parity may be taken away. Doubled after each mistake. */
const LOWER_AFTER = 512;
const MAX_LOWER_AFTER = 4096;
/** The wait is multiplied by this after parity was taken away without a mistake. */
const LOWER_AFTER_DECAY = 0.75;

/**
 * Decides how many parity shards each group gets, from the losses that the sender sees.
 *
 * The sender sees a loss when it retransmits a segment. Without parity it sees every loss, so it
 * can compute how much parity is needed. With parity it sees only the losses that parity did not
 * repair. Therefore it adds parity as soon as the visible loss is high. It takes one parity shard
 * away when the visible loss was low for a long time. If that was a mistake, then the next attempt
 * waits twice as long.
 *
 * The ratio on the wire stays the same, because a peer needs time to learn a new ratio. Parity
 * shards that are not needed keep their sequence numbers but are not sent. The first groups get all
 * parity shards, and so do some later groups while there are losses: this teaches the ratio to a
 * peer that does not know it.
 */
export class AdaptiveParity {
  readonly #ratio: FecRatio;
  /** Parity shards of a group that does not teach the ratio. */
  #level = 0;
  #group = 0;
  #acknowledged = 0;
  #lost = 0;
  /** The averaged share of lost segments. */
  #loss = 0;
  /** Segments since the level changed. */
  #sinceChange = 0;
  /** Segments since the level was lowered. Infinity when it was raised after that. */
  #sinceLowered = Infinity;
  /** Segments after a change until the level may be lowered. */
  #lowerAfter = LOWER_AFTER;

  /** @param ratio Data shards of a group, and the largest number of its parity shards. */
  constructor(ratio: FecRatio) {
    this.#ratio = ratio;
  }

  /** Parity shards that a group gets now. */
  get level(): number {
    return this.#level;
  }

  /**
   * Decides for the next group.
   *
   * @param acknowledged Segments that were acknowledged so far.
   * @param lost How many of them were retransmitted.
   * @returns The number of parity shards.
   */
  next(acknowledged: number, lost: number): number {
    this.#update(acknowledged - this.#acknowledged, lost - this.#lost);
    this.#acknowledged = acknowledged;
    this.#lost = lost;
    const group = this.#group++;
    const full = group < FULL_GROUPS || (this.#level > 0 && group % ROUND < FULL_GROUPS);
    return full ? this.#ratio.parityShards : this.#level;
  }

  #update(segments: number, lost: number): void {
    if (segments <= 0) return;
    const { dataShards, parityShards } = this.#ratio;
    // Losses that parity does not repair come a group at a time. A few groups are too small a
    // sample.
    const averageOver = this.#level === 0 ? AVERAGE_OVER : AVERAGE_OVER_WITH_PARITY;
    this.#loss += (lost / segments - this.#loss) * (1 - Math.exp(-segments / averageOver));
    this.#sinceChange += segments;
    this.#sinceLowered += segments;
    if (this.#loss > RAISE_LOSS && (this.#level === 0 || this.#sinceChange > AVERAGE_OVER / 2)) {
      if (this.#level === parityShards) return;
      if (this.#sinceLowered < 2 * this.#lowerAfter) {
        this.#lowerAfter = Math.min(MAX_LOWER_AFTER, 2 * this.#lowerAfter);
      }
      this.#sinceLowered = Infinity;
      const needed = parityFor(this.#loss, dataShards, parityShards);
      this.#level = Math.max(this.#level + 1, Math.min(parityShards, needed));
      this.#restartAverage();
    } else if (
      this.#level > 0 && this.#loss < LOWER_LOSS && this.#sinceChange >= this.#lowerAfter
    ) {
      // The level was not raised since it was lowered the last time: that was no mistake.
      if (this.#sinceLowered < Infinity) {
        this.#lowerAfter = Math.max(LOWER_AFTER, this.#lowerAfter * LOWER_AFTER_DECAY);
      }
      this.#level--;
      this.#sinceLowered = 0;
      this.#restartAverage();
    }
  }

  /** Losses under another level say nothing about the new level. */
  #restartAverage(): void {
    this.#sinceChange = 0;
    this.#loss = 0;
  }
}

/** The least parity with which at most `MAX_INCOMPLETE` of the groups stay incomplete. */
function parityFor(loss: number, dataShards: number, most: number): number {
  for (let parity = 0; parity < most; parity++) {
    if (incomplete(loss, dataShards + parity, parity) <= MAX_INCOMPLETE) return parity;
  }
  return most;
}

/** The probability that more than `parity` of `total` packets are lost: the binomial tail. */
function incomplete(loss: number, total: number, parity: number): number {
  let term = (1 - loss) ** total;
  let complete = term;
  for (let lost = 1; lost <= parity; lost++) {
    term *= (total - lost + 1) / lost * loss / (1 - loss);
    complete += term;
  }
  return 1 - complete;
}
