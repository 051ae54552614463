import { type LossModel, unrepaired } from "./loss_model.ts";

/** What a sender knows of its path and of its traffic. */
export interface PathState extends LossModel {
  /** The smoothed round-trip time in ms. */
  readonly roundTrip: number;
  /** Packets with data that leave within a {@linkcode fillTime}, on average. */
  readonly packets: number;
}

/** Below this round-trip time, in ms, a retransmission comes in time. Source: WebRTC. */
const NO_PARITY_BELOW = 20;
/** From this round-trip time on, in ms, losses are repaired by parity as far as it can. Ditto. */
const FULL_PARITY_FROM = 100;
/**
 * A group has to be full within this part of a round trip. A repair that comes later is hardly
 * sooner than a retransmission.
 */
const FILL = 0.6;
/** The share of messages that may be late. It decides the 99th percentile. */
const LATE = 0.02;
/** Most messages that wait behind one that is late, as far as the plan cares. */
const MOST_BLOCKED = 50;
/** A retransmission comes after so many later packets at the soonest, as `resend` has it. */
const SKIPS = 2;
/** What it costs if all messages are late, if no affordable parity reaches the target. */
const LATE_PRICE = 15;
/** Parity for each data shard that a plan may have. A lone packet may have two copies. */
const MOST_PARITY = 1;
const MOST_COPIES = 2;
/** The sizes that a group may have: each costs the peer some time to learn. */
const GROUP_SIZES: readonly number[] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24];

/** How long a group may take to fill, in ms. */
export function fillTime(roundTrip: number): number {
  return FILL * roundTrip;
}

/** The time from one packet to the next, in ms. A fill time begins with a packet. */
function gapOf(roundTrip: number, packets: number): number {
  return fillTime(roundTrip) / Math.max(0.5, packets - 0.5);
}

/** The most parity shards of a group of that many data shards. */
export function mostParity(dataShards: number): number {
  if (dataShards === 1) return MOST_COPIES;
  return Math.max(2, Math.min(Math.ceil(dataShards * MOST_PARITY), 4 + Math.ceil(dataShards / 3)));
}

/**
 * Decides which share of the packets may be lost without a repair by parity.
 *
 * A message that waits for a retransmission holds up those behind it. So the share is small where
 * messages follow each other fast. Where the round trip is short, a retransmission is soon enough.
 *
 * @param fill How long the group takes to fill, in ms.
 */
function allowed({ loss, roundTrip, packets }: PathState, fill: number): number {
  const gap = gapOf(roundTrip, packets);
  const retransmission = roundTrip + Math.min(SKIPS * gap, roundTrip / 4);
  const blocked = Math.min(MOST_BLOCKED, Math.max(0, (retransmission - fill) / gap));
  const target = LATE / (1 + blocked);
  const need = Math.min(1, (roundTrip - NO_PARITY_BELOW) / (FULL_PARITY_FROM - NO_PARITY_BELOW));
  return need <= 0 ? 1 : need * target + (1 - need) * Math.max(loss, target);
}

/**
 * The largest group that fills in time.
 *
 * @param packets Packets with data that leave within a {@linkcode fillTime}.
 */
export function groupSize(packets: number): number {
  return GROUP_SIZES.findLast((size) => size <= packets + 0.25) ?? 1;
}

/**
 * Finds the least parity with which few enough messages are late.
 *
 * @param dataShards Data shards of a group.
 * @param most Most parity shards of a group.
 * @returns Parity shards of a group; 0 for none.
 */
export function planParity(path: PathState, dataShards: number, most: number): number {
  const { loss, roundTrip, packets } = path;
  const own = Math.min(dataShards, packets);
  const fill = Math.max(0, own - 1) * gapOf(roundTrip, packets);
  const target = allowed(path, fill);
  if (loss <= target) return 0;
  const late = unrepaired(path, dataShards, most);
  let best = Infinity;
  let parityShards = 0;
  for (let parity = 0; parity <= most; parity++) {
    if (late[parity] <= target) return parity;
    const price = parity / own + LATE_PRICE * (late[parity] - target);
    if (price < best) {
      best = price;
      parityShards = parity;
    }
  }
  return parityShards;
}
