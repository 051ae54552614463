import type { Arena } from "../kcp/arena.ts";
import { equal } from "./group_solver.ts";
import { MISSING, type ShardGroup } from "./shard_group.ts";

/** Most bytes of shards that are stored, whatever the `limit`. */
const MAX_BYTES = 1 << 22;
/** Parity shards use this part of the bytes at most, so that a flood of them leaves room for data. */
const PARITY_PART = 1 / 2;
/** Rivals use this part of the bytes at most. */
const RIVAL_PART = 1 / 4;
/** Most rivals of one group. */
const MAX_RIVALS = 32;

/** Keeps the bytes of shards in an arena, within limits for data, parity and rivals. */
export class ShardStore {
  /** Most bytes that are stored. */
  limit: number = Infinity;
  readonly #arena: Arena;
  /** Bytes of the shards that are stored, and of the parity shards and the rivals among them. */
  #bytes = 0;
  #parityBytes = 0;
  #rivalBytes = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get #most(): number {
    return Math.min(this.limit, MAX_BYTES);
  }

  /**
   * Stores a data shard of a group.
   *
   * @param index Its place in the group. No shard is stored for it.
   * @param start Arena offset of its first byte after the header.
   * @param end Arena offset after its last byte.
   * @returns Whether there was room.
   */
  putData(group: ShardGroup, index: number, start: number, end: number): boolean {
    const block = this.#copy(start, end, this.#most - this.#bytes);
    if (block < 0) return false;
    group.blocks[index] = block;
    group.lengths[index] = end - start;
    group.data++;
    return true;
  }

  /** The same for a parity shard. It becomes a rival if another is stored for its place. */
  putParity(group: ShardGroup, index: number, start: number, end: number): boolean {
    const length = end - start;
    const most = this.#most;
    const isRival = group.blocks[index] !== MISSING;
    let room = Math.min(most - this.#bytes, most * PARITY_PART - this.#parityBytes);
    if (isRival) {
      if (group.rivals.length >= MAX_RIVALS) return false;
      room = Math.min(room, most * RIVAL_PART - this.#rivalBytes);
    }
    const block = this.#copy(start, end, room);
    if (block < 0) return false;
    this.#parityBytes += length;
    if (isRival) {
      this.#rivalBytes += length;
      group.rivals.push({ index, block, length });
    } else {
      group.blocks[index] = block;
      group.lengths[index] = length;
      group.parity++;
    }
    return true;
  }

  /** Whether the same parity shard is stored for that place already. */
  hasParity(group: ShardGroup, index: number, start: number, end: number): boolean {
    const { bytes } = this.#arena;
    const length = end - start;
    const same = (block: number, other: number) =>
      length === other && equal(bytes, start, length, block, other);
    return same(group.blocks[index], group.lengths[index]) ||
      group.rivals.some((rival) => rival.index === index && same(rival.block, rival.length));
  }

  /** Copies bytes of a shard into a new block. Returns -1 if it needs more than `room` bytes. */
  #copy(start: number, end: number, room: number): number {
    const length = end - start;
    const arena = this.#arena;
    // Leave memory for data that can be delivered: a stored shard may never be needed.
    if (length > room || arena.used > arena.limit / 2) return -1;
    const block = arena.alloc(length);
    if (block < 0) return -1;
    this.#bytes += length;
    arena.copy(block, start, length);
    return block;
  }

  /** Frees all shards of a group. */
  free(group: ShardGroup, dataShards: number): void {
    if (group.parity > 0) this.freeParity(group, dataShards);
    const { blocks } = group;
    for (let i = 0; i < dataShards && group.data > 0; i++) {
      if (blocks[i] === MISSING) continue;
      this.#free(blocks[i], group.lengths[i]);
      blocks[i] = MISSING;
      group.data--;
    }
  }

  /** Frees the parity shards of a group, with the rivals. */
  freeParity(group: ShardGroup, dataShards: number): void {
    const { blocks, rivals } = group;
    for (let i = dataShards; i < blocks.length && group.parity > 0; i++) {
      if (blocks[i] === MISSING) continue;
      this.#free(blocks[i], group.lengths[i]);
      this.#parityBytes -= group.lengths[i];
      blocks[i] = MISSING;
      group.parity--;
    }
    for (const { block, length } of rivals) {
      this.#free(block, length);
      this.#parityBytes -= length;
      this.#rivalBytes -= length;
    }
    rivals.length = 0;
  }

  #free(block: number, length: number): void {
    this.#arena.free(block, length);
    this.#bytes -= length;
  }
}
