/** How many shards of each kind a group has. */
export interface FecRatio {
  /** Data shards, the packets that are protected: 1 to 255. */
  readonly dataShards: number;
  /** Parity shards, each of which makes up for one lost packet: 1 to 255, at most 256 with the others. */
  readonly parityShards: number;
}

/** Most shards in a group: there are no more points in GF(2^8). */
export const MAX_SHARDS = 256;

/**
 * Checks a ratio.
 *
 * @param prefix What stands before the names of its members in errors.
 * @throws {TypeError | RangeError} When it is none, or has too many shards.
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
