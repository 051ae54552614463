import { seqidLimit } from "./header.ts";

/** The window holds groups of about this many packets: as many as a fast path reorders. */
const SPAN = 256;
const MIN_GROUPS = 4;
const MAX_GROUPS = 64;
/**
 * The window moves elsewhere after this many packets in a row from there. A single packet may be
 * forged.
 */
const MOVE_AFTER = 3;
/** A shard that has not arrived. */
export const MISSING = -1;

/** A group of shards, of which some have arrived. */
export interface ShardGroup {
  /** Its number: `seqid / (data + parity)`. -1 for none. */
  number: number;
  /** Data shards that are stored. */
  data: number;
  /** Parity shards that are stored. */
  parity: number;
  /** Whether the group is complete or has failed: its later shards are ignored. */
  done: boolean;
  /** The arena block of each shard; `MISSING` for a shard that is not stored. */
  readonly blocks: Int32Array;
  /** The length of each stored shard, in bytes. */
  readonly lengths: Int32Array;
}

/**
 * The newest group of one ratio and some groups before it, as a ring.
 *
 * Group numbers wrap with the sequence numbers.
 */
export class GroupWindow {
  /** All places of the ring, in no order. A place without a group has the number -1. */
  readonly groups: readonly ShardGroup[];
  /** How many group numbers there are before they wrap. */
  readonly #numbers: number;
  readonly #release: (group: ShardGroup) => void;
  /** The newest group's number; -1 before the first packet. */
  #newest = -1;
  /** The newest group's index in the ring. */
  #head = 0;
  /** Groups up to this number are done from the start; -1 for none. */
  #skipped = -1;
  /** Packets in a row from one place outside the window. */
  #outside = 0;
  /** The group of the last packet outside the window. */
  #outsideNumber = 0;

  /**
   * Makes an empty window.
   *
   * @param total Shards in a group.
   * @param release Called with each group that leaves the window, and with each place that had
   * none. It frees the group's shards.
   */
  constructor(total: number, release: (group: ShardGroup) => void) {
    this.#numbers = seqidLimit(total) / total;
    this.#release = release;
    const groups = Math.min(MAX_GROUPS, Math.max(MIN_GROUPS, Math.floor(SPAN / total)));
    this.groups = Array.from({ length: groups }, () => ({
      number: -1,
      data: 0,
      parity: 0,
      done: false,
      blocks: new Int32Array(total).fill(MISSING),
      lengths: new Int32Array(total),
    }));
  }

  /** Whether the window holds the group of that number. */
  has(number: number): boolean {
    return this.#newest >= 0 && this.groups.some((group) => group.number === number);
  }

  /**
   * Whether a packet of that group may be the peer's: the group is in the window, or shortly after
   * it. Several packets in a row from elsewhere move the window there.
   */
  admits(number: number): boolean {
    if (this.#newest < 0) this.#newest = number;
    const ahead = this.#distance(number, this.#newest);
    // A packet far ahead would push out groups that are still incomplete.
    if (ahead > -this.groups.length && ahead <= this.groups.length / 2) {
      this.#outside = 0;
      return true;
    }
    const near = Math.abs(number - this.#outsideNumber) <= this.groups.length;
    this.#outside = near ? this.#outside + 1 : 1;
    this.#outsideNumber = number;
    if (this.#outside < MOVE_AFTER) return false;
    this.clear();
    this.#newest = number;
    return true;
  }

  /** The group of a number that {@linkcode GroupWindow.admits} accepted. */
  find(number: number): ShardGroup {
    const { groups } = this;
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

  /** Moves the empty window to a group. This group and those before it are done from the start. */
  skipTo(number: number): void {
    this.#skipped = this.#newest = number;
  }

  /** Removes all groups. The next packet decides where the window begins. */
  clear(): void {
    for (const group of this.groups) this.#free(group);
    this.#newest = this.#skipped = -1;
    this.#outside = 0;
  }

  #free(group: ShardGroup): void {
    this.#release(group);
    group.number = -1;
    group.done = false;
  }

  /** How many groups one number is ahead of another. It is negative for an earlier group. */
  #distance(number: number, from: number): number {
    const ahead = number - from;
    if (ahead > this.#numbers / 2) return ahead - this.#numbers;
    return ahead < -this.#numbers / 2 ? ahead + this.#numbers : ahead;
  }
}
