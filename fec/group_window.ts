import { seqidLimit } from "./header.ts";
import { MISSING, type ShardGroup } from "./shard_group.ts";

/** The window holds groups of about this many packets: as many as a fast path reorders. */
const SPAN = 256;
const MIN_GROUPS = 4;
const MAX_GROUPS = 64;
/** Parity may arrive before any data of its group, for this part of the groups of the window. */
const AHEAD = 1 / 4;
const MIN_AHEAD = 3;
/**
 * The window moves elsewhere after this many packets in a row from there. A single packet may be
 * forged.
 */
const MOVE_AFTER = 3;

/**
 * The newest group of one ratio and some groups before it, as a ring. A few places are free for
 * parity of the groups that follow.
 *
 * Only proven shards move the window: data shards, and the shards of restored groups. Parity shards
 * may be forged. A forged one takes no place from a group with proven shards.
 *
 * Group numbers wrap with the sequence numbers.
 */
export class GroupWindow {
  /** All places of the ring, in no order. A place without a group has the number -1. */
  readonly groups: readonly ShardGroup[];
  /** Groups of the window. */
  readonly #span: number;
  /** Places for groups after the newest one. */
  readonly #ahead: number;
  /** Shards in a group. */
  readonly #total: number;
  /** How many group numbers there are before they wrap. */
  readonly #numbers: number;
  readonly #release: (group: ShardGroup) => void;
  /** The newest proven group's number; -1 before the first packet. */
  #newest = -1;
  /** The place of the last proven shard in it; -1 for none. */
  #newestIndex = -1;
  /** Whether a proven shard decided where the window is. */
  #proven = false;
  /** The newest group's index in the ring. */
  #head = 0;
  /** Groups up to this number are done from the start; -1 for none. */
  #skipped = -1;
  /** Packets in a row from one place outside the window. */
  #outside = 0;
  /** The group of the last data shard outside the window. */
  #outsideNumber = 0;

  /**
   * Makes an empty window.
   *
   * @param total Shards in a group.
   * @param release Called with each group that leaves the window, and with each place that had
   * none. It frees the group's shards.
   */
  constructor(total: number, release: (group: ShardGroup) => void) {
    this.#total = total;
    this.#numbers = seqidLimit(total) / total;
    this.#release = release;
    this.#span = Math.min(MAX_GROUPS, Math.max(MIN_GROUPS, Math.floor(SPAN / total)));
    this.#ahead = Math.max(MIN_AHEAD, Math.floor(this.#span * AHEAD));
    this.groups = Array.from({ length: this.#span + this.#ahead }, () => ({
      number: -1,
      data: 0,
      parity: 0,
      done: false,
      failed: false,
      tries: 0,
      blocks: new Int32Array(total).fill(MISSING),
      lengths: new Int32Array(total),
      rivals: [],
    }));
  }

  /** The group of that number, if a shard of it has arrived and the window holds it. */
  get(number: number): ShardGroup | null {
    if (this.#newest < 0 || !this.#holds(number)) return null;
    const group = this.#at(this.#distance(number, this.#newest));
    return group.number === number ? group : null;
  }

  /**
   * How many shards a place in a group is ahead of the newest proven shard. `Infinity` if there is
   * none.
   */
  shardsAhead(number: number, index: number): number {
    if (!this.#proven) return Infinity;
    return this.#distance(number, this.#newest) * this.#total + index - this.#newestIndex;
  }

  /**
   * Whether a data shard of that group may be the peer's: the group is in the window, or shortly
   * after it. Several packets in a row from elsewhere move the window there.
   */
  admitsData(number: number): boolean {
    if (!this.#proven) {
      // Parity alone decided where the window is.
      if (this.#newest >= 0 && !this.#holds(number)) this.clear();
      if (this.#newest < 0) this.#newest = number;
      this.#proven = true;
      return true;
    }
    const ahead = this.#distance(number, this.#newest);
    // A packet far ahead would push out groups that are still incomplete.
    if (ahead > -this.#span && ahead <= Math.max(this.#span / 2, MIN_AHEAD)) {
      this.#outside = 0;
      return true;
    }
    const near = Math.abs(number - this.#outsideNumber) <= this.#span;
    this.#outside = near ? this.#outside + 1 : 1;
    this.#outsideNumber = number;
    if (this.#outside < MOVE_AFTER) return false;
    this.clear();
    this.#newest = number;
    this.#proven = true;
    return true;
  }

  /** Whether a parity shard of that group may be the peer's: there is a place for its group. */
  admitsParity(number: number): boolean {
    if (this.#newest < 0) this.#newest = number;
    if (this.#holds(number)) return true;
    // Together with data shards from there, it may show that the peer's numbers have jumped.
    if (this.mayJump(number)) this.#outside++;
    return false;
  }

  /** Whether data shards near a group outside the window may show that the numbers have jumped. */
  mayJump(number: number): boolean {
    return this.#outside > 0 && Math.abs(number - this.#outsideNumber) <= this.#span;
  }

  /** Whether there is a place for the group of that number. */
  #holds(number: number): boolean {
    const ahead = this.#distance(number, this.#newest);
    return ahead > -this.#span && ahead <= this.#ahead;
  }

  /** Notes that a shard is the peer's: the window moves so far that its group is inside. */
  prove(number: number, index: number): void {
    this.#proven = true;
    this.#outside = 0;
    let ahead = this.#distance(number, this.#newest);
    if (ahead === 0 && index > this.#newestIndex) this.#newestIndex = index;
    if (ahead <= 0) return;
    const { groups } = this;
    this.#newest = number;
    this.#newestIndex = index;
    for (; ahead > 0; ahead--) {
      this.#head = (this.#head + 1) % groups.length;
      this.#free(groups[(this.#head + this.#ahead) % groups.length]);
    }
  }

  /**
   * The group of a number that the window admitted. Call {@linkcode GroupWindow.prove} before, if
   * the shard is proven.
   */
  find(number: number): ShardGroup {
    const group = this.#at(this.#distance(number, this.#newest));
    if (group.number < 0) {
      group.number = number;
      if (this.#skipped >= 0) {
        const beyond = this.#distance(number, this.#skipped);
        group.done = beyond <= 0;
        if (beyond >= this.groups.length) this.#skipped = -1;
      }
    }
    return group;
  }

  /** The place of a group so far ahead of the newest one. */
  #at(ahead: number): ShardGroup {
    const { groups } = this;
    return groups[(this.#head + ahead + groups.length) % groups.length];
  }

  /** Moves the empty window to a group. This group and those before it are done from the start. */
  skipTo(number: number): void {
    this.#skipped = this.#newest = number;
    this.#proven = true;
  }

  /** Whether one group comes before another, or is the same. */
  isUpTo(number: number, last: number): boolean {
    return this.#distance(number, last) <= 0;
  }

  /** Removes all groups. The next packet decides where the window begins. */
  clear(): void {
    for (const group of this.groups) this.#free(group);
    this.#newest = this.#newestIndex = this.#skipped = -1;
    this.#outside = 0;
    this.#proven = false;
  }

  #free(group: ShardGroup): void {
    this.#release(group);
    group.number = -1;
    group.done = group.failed = false;
  }

  /** How many groups one number is ahead of another. It is negative for an earlier group. */
  #distance(number: number, from: number): number {
    const ahead = number - from;
    if (ahead > this.#numbers / 2) return ahead - this.#numbers;
    return ahead < -this.#numbers / 2 ? ahead + this.#numbers : ahead;
  }
}
