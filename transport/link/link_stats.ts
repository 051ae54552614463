/**
 * What happened to the packets on a link, as counters.
 *
 * @module
 */

/**
 * What happened on a link so far. Counters are in packets, or in bytes where they say so. Each
 * packet has exactly one fate: `packets + duplicated = delivered + lost + lostBurst + overflowed +
 * tooLarge + blackedOut`.
 */
export interface LinkStats {
  /** Packets sent into the link. */
  packets: number;
  /** Bytes of payload sent into the link. */
  bytes: number;
  /** Packets that arrived, duplicates included. */
  delivered: number;
  /** Bytes of payload that arrived, duplicates included. */
  deliveredBytes: number;
  /** Packets lost by `loss` alone. Those that `burstLoss` lost as well count as `lostBurst`. */
  lost: number;
  /** Packets lost by `burstLoss`. */
  lostBurst: number;
  /** Duplicates that arrived. */
  duplicated: number;
  /** Packets that arrived with one bit flipped. */
  corrupted: number;
  /** Packets that arrived after `reorder` held them back, overtaken or not. */
  reordered: number;
  /** Packets dropped because the queue was full. */
  overflowed: number;
  /** Packets dropped because they were longer than `mtu`. */
  tooLarge: number;
  /** Packets lost because the link was down or in a blackout. */
  blackedOut: number;
}

/**
 * Makes the counters of a link that has not been used yet.
 *
 * @returns Counters that are all 0.
 */
export function emptyLinkStats(): LinkStats {
  return {
    packets: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    lostBurst: 0,
    duplicated: 0,
    corrupted: 0,
    reordered: 0,
    overflowed: 0,
    tooLarge: 0,
    blackedOut: 0,
  };
}

/**
 * Adds counters to other counters.
 *
 * @param sum The counters that grow.
 * @param added The counters that are added to them.
 */
export function addLinkStats(sum: LinkStats, added: Readonly<LinkStats>): void {
  for (const name of Object.keys(added) as (keyof LinkStats)[]) sum[name] += added[name];
}
