/**
 * What the frontier is measured over: applications, networks, and configurations. All are data.
 *
 * @module
 */
import type { SessionOptions } from "../../mod.ts";
import type { LinkOptions } from "../../transport/simulated.ts";

/** Messages at a steady rate. */
export interface Application {
  readonly name: string;
  /** Messages a second. */
  readonly rate: number;
  /** Bytes of each message. */
  readonly size: number;
}

/** The applications. */
export const APPLICATIONS: readonly Application[] = [
  { name: "game", rate: 60, size: 200 },
  { name: "input", rate: 10, size: 50 },
  { name: "video", rate: 500, size: 1200 },
];

/** What a network does to packets, apart from its latency. Both directions do the same. */
export interface Trouble {
  /** A name for `--loss`. */
  readonly name: string;
  /** Words for people. */
  readonly title: string;
  readonly link: LinkOptions;
}

/** Average shares of lost packets in %. */
const LOSSES = [1, 5, 10, 20];
/** Average lengths of bursts of loss, in packets. */
const BURSTS = [3, 10];
/** The largest random delay where there is jitter, in ms. */
const JITTER = 20;

/**
 * Loss in bursts by the model of Gilbert and Elliott: everything is lost in the bad state, and nothing
 * in the good one.
 *
 * @param loss The average share of lost packets, 0 to 1.
 * @param length The average length of a burst, in packets.
 */
export function burstLoss(loss: number, length: number): { enter: number; leave: number } {
  const leave = 1 / length;
  return { enter: leave * loss / (1 - loss), leave };
}

/** The networks. */
export const TROUBLES: readonly Trouble[] = [
  { name: "0", title: "no loss", link: {} },
  ...LOSSES.map((percent): Trouble => ({
    name: `${percent}`,
    title: `${percent} % loss`,
    link: { loss: percent / 100 },
  })),
  ...LOSSES.flatMap((percent) =>
    BURSTS.map((length): Trouble => ({
      name: `${percent}x${length}`,
      title: `${percent} % loss in bursts of ${length}`,
      link: { burstLoss: burstLoss(percent / 100, length) },
    }))
  ),
  { name: "jitter", title: `jitter of ${JITTER} ms`, link: { jitter: JITTER } },
  {
    name: "reorder",
    title: "5 % late by 20 ms",
    link: { reorder: { probability: 0.05, delay: 20 } },
  },
];

/** Round trips in ms. */
export const ROUND_TRIPS: readonly number[] = [20, 100, 300];

/** Who sends: the end that connects, or both. */
export const WAYS = ["one-way", "both-ways"] as const;
/** Who sends. */
export type Way = typeof WAYS[number];

/** Settings that both ends have, in addition to those of all configurations: see `SETTINGS`. */
export interface Configuration {
  readonly name: string;
  readonly options: SessionOptions;
}

const SHARES = {
  "10/3": { dataShards: 10, parityShards: 3 },
  "3/1": { dataShards: 3, parityShards: 1 },
} as const;

/** The configurations of this module. The first has no redundancy. */
export const CONFIGURATIONS: readonly Configuration[] = [
  { name: "none", options: {} },
  { name: "10/3", options: { fec: SHARES["10/3"] } },
  { name: "3/1", options: { fec: SHARES["3/1"] } },
  { name: "auto", options: { fec: "auto" } },
  { name: "copies", options: { copies: 1 } },
  { name: "ride-along", options: { rideAlong: 2 } },
  { name: "new-copies", options: { copies: 1, newCopies: 2 } },
  { name: "copies+ride-along", options: { copies: 1, rideAlong: 2 } },
  { name: "copies+auto", options: { copies: 1, fec: "auto" } },
];

/** A configuration of kcp-go. */
export interface KcpGoConfiguration {
  readonly name: string;
  /** Data and parity shards; 0 and 0 for no error correction. */
  readonly data: number;
  readonly parity: number;
}

/** The configurations of kcp-go. Those of one name have the same settings in both. */
export const KCP_GO_CONFIGURATIONS: readonly KcpGoConfiguration[] = [
  { name: "none", data: 0, parity: 0 },
  ...Object.entries(SHARES).map(([name, { dataShards, parityShards }]) => ({
    name,
    data: dataShards,
    parity: parityShards,
  })),
];

/** One network and one traffic. */
export interface Cell {
  readonly application: Application;
  readonly way: Way;
  /** Round trip in ms. */
  readonly roundTrip: number;
  readonly trouble: Trouble;
}

/** A name for a cell, such as `game/both-ways/100ms/5`. */
export function nameOf({ application, way, roundTrip, trouble }: Cell): string {
  return `${application.name}/${way}/${roundTrip}ms/${trouble.name}`;
}

/** The options of the links of a cell, in both directions. */
export function linkOf({ roundTrip, trouble }: Cell): LinkOptions {
  return { ...trouble.link, latency: roundTrip / 2 };
}
