/** How many data shards and parity shards a group has. */
export interface FecRatio {
  /** Data shards of a group: the packets that are protected. 1 to 255. */
  readonly dataShards: number;
  /**
   * Parity shards of a group. Each of them can replace one lost packet. 1 to 255, and at most 256
   * together with the data shards.
   */
  readonly parityShards: number;
}

/** Most shards in a group: GF(2^8) has no more points. */
export const MAX_SHARDS = 256;

/**
 * Checks a ratio.
 *
 * @param ratio The ratio.
 * @param prefix Text before the names of its members in error messages.
 * @returns A copy that has only the two members.
 * @throws {TypeError} When a member is not a number.
 * @throws {RangeError} When a member is out of range, or there are more than 256 shards.
 */
export function checkRatio(ratio: FecRatio, prefix = ""): FecRatio {
  const { dataShards, parityShards } = ratio;
  for (const [name, value] of Object.entries({ dataShards, parityShards })) {
    if (typeof value !== "number") {
      throw new TypeError(`Cannot set ${prefix}${name} to ${String(value)}: it must be a number`);
    }
    if (!Number.isInteger(value) || value < 1 || value >= MAX_SHARDS) {
      throw new RangeError(
        `Cannot set ${prefix}${name} to ${value}: allowed are whole numbers 1 to 255`,
      );
    }
  }
  if (dataShards + parityShards > MAX_SHARDS) {
    throw new RangeError(
      `Cannot group ${dataShards} data and ${parityShards} parity shards: allowed are 256 in all`,
    );
  }
  return { dataShards, parityShards };
}
