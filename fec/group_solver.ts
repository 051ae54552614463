import type { Arena } from "../kcp/arena.ts";
import type { FecRatio } from "./ratio.ts";
import { reedSolomon } from "./reed_solomon.ts";
import { MISSING, type ParityShard, type ShardGroup } from "./shard_group.ts";
import { ShardSum } from "./shard_sum.ts";

/** Memory for restored packets until they are delivered. All solvers share it. It is kept if small. */
let scratch = new Uint8Array(0);
const MAX_SCRATCH = 65_536;
const NO_BYTES = new Uint8Array(0);
/** The sum that all solvers share. It is used for one group at a time. */
let sharedSum: ShardSum | undefined;
/** Bytes of a shard's `size`. */
const SIZE_FIELD = 2;

/** Restored packets of one group. */
export interface Restored {
  /** Number of packets. */
  readonly count: number;
  /** The packet at an index. It is valid until {@linkcode Restored.free}. */
  packet(index: number): Uint8Array<ArrayBuffer>;
  /** Gives the memory back. */
  free(): void;
}

/** Computes the missing data shards of a group, and finds out which parity shards are wrong. */
export class GroupSolver {
  readonly #arena: Arena;
  readonly #ratio: FecRatio;
  readonly #accepts: (packet: Uint8Array<ArrayBuffer>) => boolean;
  readonly #missing: number[] = [];
  /** The parity shards that are tried: those that restore, then one that checks them. */
  readonly #chosen: ParityShard[] = [];
  readonly #rows: number[] = [];

  /** @param accepts Returns whether a restored packet can be from the peer. */
  constructor(
    arena: Arena,
    ratio: FecRatio,
    accepts: (packet: Uint8Array<ArrayBuffer>) => boolean,
  ) {
    this.#arena = arena;
    this.#ratio = ratio;
    this.#accepts = accepts;
  }

  /**
   * Restores the missing packets of a group with its first parity shards, without rivals.
   *
   * @param checked Whether one more parity shard must agree with the result.
   * @returns The packets; null when shards are missing or contradict each other.
   */
  restore(group: ShardGroup, checked: boolean): Restored | null {
    const { dataShards, parityShards } = this.#ratio;
    const wanted = this.#start(group, checked);
    const chosen = this.#chosen;
    for (let i = dataShards; i < dataShards + parityShards && chosen.length < wanted; i++) {
      if (group.blocks[i] !== MISSING) chosen.push(parityAt(group, i));
    }
    return chosen.length === wanted ? this.#solve(group, checked) : null;
  }

  /**
   * Tries combinations of parity shards until the result can be from the peer.
   *
   * @param newest The place of the parity shard that arrived last, if all other combinations have
   * been tried; -1 if not.
   */
  search(group: ShardGroup, checked: boolean, newest: number): Restored | null {
    const { dataShards, parityShards } = this.#ratio;
    const shards = [...group.rivals];
    for (let i = dataShards; i < dataShards + parityShards; i++) {
      if (group.blocks[i] !== MISSING) shards.push(parityAt(group, i));
    }
    const wanted = this.#start(group, checked);
    // Among shards of one place, the last rival is the newest.
    const must = newest < 0
      ? undefined
      : shards.findLast(({ index }, i) => index === newest && i < group.rivals.length) ??
        shards.find(({ index }) => index === newest);
    shards.sort((a, b) => a.index - b.index);
    return this.#choose(group, checked, shards, 0, wanted, must);
  }

  #choose(
    group: ShardGroup,
    checked: boolean,
    shards: readonly ParityShard[],
    from: number,
    wanted: number,
    must: ParityShard | undefined,
  ): Restored | null {
    const chosen = this.#chosen;
    if (chosen.length === wanted) {
      if (must && !chosen.includes(must)) return null;
      group.tries--;
      return this.#solve(group, checked);
    }
    for (let i = from; i < shards.length && group.tries > 0; i++) {
      const last = chosen.at(-1);
      if (last && (last.index === shards[i].index || last.length !== shards[i].length)) continue;
      chosen.push(shards[i]);
      const restored = this.#choose(group, checked, shards, i + 1, wanted, must);
      if (restored) return restored;
      chosen.pop();
    }
    return null;
  }

  /** Whether a parity shard is what the data shards of a complete group give. */
  agrees(group: ShardGroup, { index, block, length }: ParityShard): boolean {
    const { dataShards } = this.#ratio;
    const bytes = this.#arena.bytes;
    const first = group.blocks[0];
    let varied = dataShards === 1;
    for (let i = 0; i < dataShards; i++) {
      if (group.lengths[i] > length) return false;
      varied ||= !equal(bytes, first, group.lengths[0], group.blocks[i], group.lengths[i]);
    }
    // Equal shards agree under every ratio.
    if (!varied) return false;
    this.#missing.length = this.#chosen.length = 0;
    this.#missing.push(0);
    this.#chosen.push({ index, block, length });
    const target = takeScratch(length);
    this.#compute(group, 0, target, 0);
    const same = equal(bytes, first, group.lengths[0], 0, length, target);
    giveScratch(target);
    return same;
  }

  /** Finds the missing data shards. Returns how many parity shards must be chosen. */
  #start(group: ShardGroup, checked: boolean): number {
    const missing = this.#missing;
    missing.length = this.#chosen.length = 0;
    for (let i = 0; i < this.#ratio.dataShards; i++) {
      if (group.blocks[i] === MISSING) missing.push(i);
    }
    return missing.length + (checked ? 1 : 0);
  }

  /** Restores the missing packets with the chosen parity shards. */
  #solve(group: ShardGroup, checked: boolean): Restored | null {
    const { length } = this.#chosen[0];
    for (const other of this.#chosen) if (other.length !== length) return null;
    // Every parity shard is as long as the longest data shard of its group.
    for (let i = 0; i < this.#ratio.dataShards; i++) {
      if (group.blocks[i] !== MISSING && group.lengths[i] > length) return null;
    }
    const count = this.#missing.length;
    const size = count * length;
    const bytes = takeScratch(checked ? 2 * size : size);
    this.#compute(group, 0, bytes, 0);
    let right = this.#areValid(bytes, count, length);
    if (right && checked) {
      this.#compute(group, 1, bytes, size);
      right = equal(bytes, 0, size, size, size);
    }
    if (!right) {
      giveScratch(bytes);
      return null;
    }
    return {
      count,
      packet: (index) => packetAt(bytes, index * length),
      free: () => giveScratch(bytes),
    };
  }

  /** Writes the missing shards that follow from the chosen parity shards, from `first` on. */
  #compute(group: ShardGroup, first: number, target: Uint8Array, at: number): void {
    const { dataShards, parityShards } = this.#ratio;
    const missing = this.#missing;
    const chosen = this.#chosen;
    const rows = this.#rows;
    rows.length = 0;
    for (let i = 0; i < missing.length; i++) rows.push(chosen[first + i].index - dataShards);
    // A code takes time to make, so it is made when the first packet is restored.
    const coefficients = reedSolomon(dataShards, parityShards).recovery(missing, rows);
    const sum = sharedSum ??= new ShardSum(coefficients);
    sum.reset(coefficients);
    const { bytes } = this.#arena;
    for (let i = 0, used = 0; i < dataShards; i++) {
      // A parity shard takes the column of each missing data shard.
      if (missing[used] === i) {
        const { block, length } = chosen[first + used++];
        sum.add(i, bytes, block, block + length);
      } else {
        sum.add(i, bytes, group.blocks[i], group.blocks[i] + group.lengths[i]);
      }
    }
    const { length } = chosen[first];
    for (let i = 0; i < missing.length; i++) sum.write(i, target, at + i * length, length);
  }

  /**
   * Whether all restored packets of a group can be from the peer. If one parity shard was forged,
   * or came from another peer, then parts of all restored packets are wrong.
   */
  #areValid(packets: Uint8Array<ArrayBuffer>, count: number, length: number): boolean {
    for (let at = 0; at < count * length; at += length) {
      const size = packets[at] | packets[at + 1] << 8;
      if (size < SIZE_FIELD || size > length) return false;
      if (!this.#accepts(packetAt(packets, at))) return false;
    }
    return true;
  }
}

function parityAt(group: ShardGroup, index: number): ParityShard {
  return { index, block: group.blocks[index], length: group.lengths[index] };
}

/** The KCP packet in a restored shard that begins at an offset. */
function packetAt(shards: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return shards.subarray(at + SIZE_FIELD, at + (shards[at] | shards[at + 1] << 8));
}

/** Whether two shards are equal, apart from zeros at the end of the longer one. */
export function equal(
  bytes: Uint8Array,
  a: number,
  lengthA: number,
  b: number,
  lengthB: number,
  other: Uint8Array = bytes,
): boolean {
  const shorter = Math.min(lengthA, lengthB);
  for (let i = 0; i < shorter; i++) if (bytes[a + i] !== other[b + i]) return false;
  for (let i = shorter; i < lengthA; i++) if (bytes[a + i] !== 0) return false;
  for (let i = shorter; i < lengthB; i++) if (other[b + i] !== 0) return false;
  return true;
}

/**
 * Takes the shared memory, or new memory. A callback that gets a packet may run another solver,
 * which must not write there.
 */
function takeScratch(size: number): Uint8Array<ArrayBuffer> {
  const bytes = scratch.length < size ? new Uint8Array(size) : scratch;
  scratch = NO_BYTES;
  return bytes;
}

function giveScratch(bytes: Uint8Array<ArrayBuffer>): void {
  if (bytes.length <= MAX_SCRATCH && bytes.length > scratch.length) scratch = bytes;
}
