import type { PacketWriter } from "./packet_writer.ts";
import { CMD_PROBE, CMD_PUSH, distance, OVERHEAD } from "./segment.ts";

/** Most sizes of an even range that a round tries. */
const SIZES = 8;

/** The peer has answered a {@linkcode CMD_PROBE}. */
export const KNOWN = 0;
/** The peer has not shown yet whether it knows them. */
export const UNKNOWN = 1;
/** The peer has answered others, but not them. */
export const FOREIGN = 2;
/** The peer is not known to be of this library: it gets none. */
export const STRANGE = 3;

/**
 * Probes of the path MTU that are sent together, and what the answers show.
 *
 * A probe is a {@linkcode CMD_PROBE}. A peer of another implementation gets data segments instead that
 * it has acknowledged before. It drops the data as a duplicate, and acknowledges it again with the `ts`
 * of the probe. So every peer can be probed.
 *
 * While it is not certain that the peer knows probes, the first one is of the other kind, without data.
 */
export class ProbeRound {
  /** When it was sent, in ms. */
  at = -Infinity;
  /** When it ends, in ms. Infinity while no round is running. */
  endsAt = Infinity;
  /** Whether an answer has come, and whether a {@linkcode CMD_PROBE} was answered. */
  answered = false;
  heeded = false;
  /** The largest probe that arrived. */
  best = 0;
  #kind = KNOWN;
  #sizes: readonly number[] = [];
  #written = 0;
  #ts = 0;
  #sn = 0;
  #firstSn = 0;
  #rounds = 0;

  /**
   * Starts a round.
   *
   * @param kind {@linkcode KNOWN}, {@linkcode UNKNOWN}, {@linkcode FOREIGN} or {@linkcode STRANGE}.
   * @param sizes Bytes of the probes, in the order in which they are sent.
   * @param sn The sequence number of the first one. Those of the others descend.
   * @param firstSn The sequence number of the first segment, which no probe has.
   */
  start(
    kind: number,
    sizes: readonly number[],
    sn: number,
    firstSn: number,
    ts: number,
    now: number,
  ): void {
    this.#firstSn = firstSn;
    this.at = now;
    this.answered = this.heeded = false;
    this.best = 0;
    this.#kind = kind;
    this.#sizes = sizes;
    this.#written = 0;
    // The answers are told apart by it: no two rounds have the same one.
    this.#ts = this.#rounds++ > 0 && distance(ts, this.#ts) <= 0 ? (this.#ts + 1) | 0 : ts;
    this.#sn = sn;
  }

  /** Whether probes wait to be written. */
  get unwritten(): boolean {
    return this.#written < this.#sizes.length;
  }

  /** Writes the probes, each in a packet of its own. False when the batch is full. */
  write(writer: PacketWriter): boolean {
    while (this.unwritten) {
      const index = this.#written;
      const size = this.#sizes[index];
      writer.close();
      if (!writer.reserve(size)) return false;
      writer.pad(size - OVERHEAD);
      const cmd = this.#asks(index) ? CMD_PROBE : CMD_PUSH;
      // A copy of the first segment with other content would look like a new conversation.
      const sn = (this.#sn - index) | 0;
      const skipped = distance(sn, this.#firstSn) <= 0 ? (sn - 1) | 0 : sn;
      writer.write(cmd, 0, this.#ts, skipped, size - OVERHEAD);
      // Large probes share the limits on burst and rate.
      writer.carriesData = size > OVERHEAD;
      this.#written++;
    }
    writer.close();
    return true;
  }

  /**
   * Takes an acknowledgment of a segment, or the answer to a probe.
   *
   * @returns The size of the probe. 0 if it is none of this round.
   */
  take(sn: number, ts: number, heeded: boolean): number {
    const index = this.#indexOf(sn, ts);
    if (index < 0) return 0;
    this.answered = true;
    if (heeded) this.heeded = true;
    this.best = Math.max(this.best, this.#sizes[index]);
    return this.#sizes[index];
  }

  /** Whether a probe is a {@linkcode CMD_PROBE}. */
  #asks(index: number): boolean {
    if (this.#kind === STRANGE) return false;
    return this.#kind === FOREIGN ? index === 0 : this.#kind === KNOWN || index > 0;
  }

  /** The place of a probe that was written. -1 if it is none of this round. */
  #indexOf(sn: number, ts: number): number {
    const index = distance(this.#sn, sn) - (distance(sn, this.#firstSn) < 0 ? 1 : 0);
    return ts === this.#ts && index >= 0 && index < this.#written ? index : -1;
  }

  /** Whether the largest probe has arrived, so that the other answers do not matter. */
  get settled(): boolean {
    return this.answered && this.best >= Math.max(...this.#sizes);
  }

  /** Whether it tries sizes. */
  get triesSizes(): boolean {
    return this.#sizes[this.#sizes.length - 1] > OVERHEAD;
  }

  /** Whether the answers show which sizes arrived: the peer has got what it answers. */
  get showsSizes(): boolean {
    return this.answered && this.#kind >= FOREIGN ? !this.heeded : this.heeded;
  }

  /** The smallest size above `low` that it has tried. Infinity if there is none. */
  above(low: number): number {
    let next = Infinity;
    for (const size of this.#sizes) if (size > low && size < next) next = size;
    return next;
  }

  /** Ends the round, and drops what was not written. */
  stop(): void {
    this.endsAt = Infinity;
    this.#written = this.#sizes.length;
  }
}

/**
 * Sizes between `low` and `high`, without both, ascending. The peer may acknowledge only the newest
 * of several probes, so the largest comes last.
 *
 * @param most Most sizes of the even steps. There are two at least, so that each round narrows the
 * bounds to a third or less.
 */
export function sizesBetween(low: number, high: number, most: number = SIZES): number[] {
  const steps = Math.min(SIZES, Math.max(2, most));
  const sizes: number[] = [];
  // A wide range is halved until it is small enough for even steps.
  let from = low;
  for (; 4 * from < high; from *= 2) sizes.push(from);
  const step = (high - from) / (steps + 1);
  for (let i = from === low ? 1 : 0; i <= steps; i++) {
    const size = Math.round(from + i * step);
    if (size > (sizes.at(-1) ?? low) && size < high) sizes.push(size);
  }
  return sizes;
}
