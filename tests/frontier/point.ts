/**
 * A point of the frontier: what all sessions of one configuration in one cell have in common.
 *
 * @module
 */
import { Delays } from "./delays.ts";
import type { SessionResult } from "./session.ts";

/** Who was measured. */
export type Implementation = "ours" | "kcp-go";

/** The figures of a configuration in a cell. Delays are one-way, in ms, of all messages together. */
export interface Point {
  readonly implementation: Implementation;
  readonly configuration: string;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly worst: number;
  /** The standard error of the mean of the sessions' own p99, in ms. */
  readonly p99Error: number;
  /** Bytes of packets, both ways, for each message. UDP and IP headers are not counted. */
  readonly bytesPerMessage: number;
  /** The same, divided by that of the floor: see {@linkcode floor}. */
  readonly bytes: number;
  /** Packets, both ways, divided by those of the floor. */
  readonly packets: number;
  readonly messages: number;
  readonly sessions: number;
  /** In real time: how late 99 of 100 packets left the proxy at most, in ms, in the worst run. */
  readonly late?: number;
  /** In real time: the longest time in ms that a process of a run did not run, or was busy. */
  readonly stall?: number;
}

/**
 * The bytes and packets that the traffic of a cell needs for each message: those of this module without
 * loss, jitter and reordering, at the same settings and without redundancy.
 */
export interface Floor {
  readonly bytes: number;
  readonly packets: number;
}

const SHARES = [0.5, 0.99, 0.999, 1];

/** Computes the floor from sessions. */
export function floorOf(results: readonly SessionResult[]): Floor {
  const { bytes, packets, sent } = sum(results);
  return { bytes: bytes / sent, packets: packets / sent };
}

function sum(results: readonly SessionResult[]) {
  const delays = new Delays();
  let bytes = 0;
  let packets = 0;
  let sent = 0;
  for (const result of results) {
    delays.merge(result.delays);
    bytes += result.bytes;
    packets += result.packets;
    sent += result.sent;
  }
  return { delays, bytes, packets, sent };
}

/** Computes a point from its sessions. */
export function pointOf(
  implementation: Implementation,
  configuration: string,
  results: readonly SessionResult[],
  floor: Floor,
): Point {
  const { delays, bytes, packets, sent } = sum(results);
  const [p50, p99, p999, worst] = delays.quantiles(SHARES);
  const each = results.map((result) => {
    const own = new Delays();
    own.merge(result.delays);
    return own.quantiles([0.99])[0];
  });
  return {
    implementation,
    configuration,
    mean: delays.mean,
    p50,
    p99,
    p999,
    worst,
    p99Error: standardError(each),
    bytesPerMessage: bytes / sent,
    bytes: bytes / sent / floor.bytes,
    packets: packets / sent / floor.packets,
    messages: delays.messages,
    sessions: results.length,
  };
}

/** The standard error of the mean; 0 for fewer than two values. */
function standardError(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((a, b) => a + b) / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

/**
 * Finds each pair of a point of kcp-go's and one of ours in the same cell in which kcp-go's has both a
 * lower p99 and fewer bytes.
 */
export function dominated(points: readonly Point[]): { theirs: Point; ours: Point }[] {
  return points.filter(({ implementation }) => implementation === "kcp-go").flatMap((theirs) =>
    points.filter((ours) =>
      ours.implementation === "ours" && theirs.p99 < ours.p99 && theirs.bytes < ours.bytes
    ).map((ours) => ({ theirs, ours }))
  );
}
