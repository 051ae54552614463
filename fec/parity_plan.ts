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
const FILL = 0.7;
/** The share of messages that may be late. It decides the 99th percentile. */
const LATE = 0.015;
/** Most messages that wait behind one that is late, as far as the plan cares. */
const MOST_BLOCKED = 50;
/** A retransmission comes after so many later packets at the soonest, as `resend` has it. */
const SKIPS = 2;
/**
 * Parity for each data shard that a plan may have; against bursts, which parity repairs badly,
 * less. A lone packet may have two copies.
 */
const MOST_PARITY = 1.25;
const MOST_PARITY_IN_BURSTS = 0.8;
const MOST_COPIES = 2;
/** Large groups need less: so many more than half of their data. */
const MOST_OF_SMALL = 8;
/** A target counts as missed by this factor, and by that one once parity is sent. */
const MISSED = 1.5;
const MISSED_ALREADY = 2.5;
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
  return Math.min(Math.ceil(dataShards * MOST_PARITY), MOST_OF_SMALL + Math.ceil(dataShards / 2));
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
  const need = needAt(roundTrip);
  return need === 0 ? 1 : need * target + (1 - need) * Math.max(loss, target);
}

/** How much a path with that round trip needs parity: 0 to 1. */
function needAt(roundTrip: number): number {
  const need = (roundTrip - NO_PARITY_BELOW) / (FULL_PARITY_FROM - NO_PARITY_BELOW);
  return Math.min(1, Math.max(0, need));
}

/**
 * The largest group that fills in time.
 *
 * @param packets Packets with data that leave within a {@linkcode fillTime}.
 */
export function groupSize(packets: number): number {
  return GROUP_SIZES.findLast((size) => size <= packets + 0.25) ?? 1;
}

/** {@linkcode planParity}: no affordable parity would repair enough. */
export const HOPELESS = -1;

/**
 * Finds the least parity with which few enough messages are late.
 *
 * Parity that fails too often costs more than it brings: then there is none.
 *
 * @param dataShards Data shards of a group.
 * @param most Most parity shards of a group.
 * @param present Parity shards that groups have now.
 * @param determined Whether `most` is sent even if it is not enough.
 * @returns Parity shards of a group; 0 for none, or {@linkcode HOPELESS}.
 */
export function planParity(
  path: PathState,
  dataShards: number,
  most: number,
  present: number,
  determined = false,
): number {
  const { loss, repeat, roundTrip, packets } = path;
  const own = Math.min(dataShards, packets);
  const fill = Math.max(0, own - 1) * gapOf(roundTrip, packets);
  const target = allowed(path, fill);
  if (loss <= target) return 0;
  const bursts = repeat > loss;
  if (dataShards > 1 && bursts && !determined) {
    most = Math.min(most, Math.ceil(dataShards * MOST_PARITY_IN_BURSTS));
  }
  // Where a retransmission is nearly in time, only cheap parity pays.
  most = Math.round(most * needAt(roundTrip));
  const late = unrepaired(path, dataShards, most);
  const parity = late.findIndex((share) => share <= target);
  if (parity >= 0) return parity;
  // The copies of a lone packet cost no time.
  if (determined || dataShards === 1) return most;
  if (bursts || late[most] > target * (present > 0 ? MISSED_ALREADY : MISSED)) return HOPELESS;
  return most;
}
