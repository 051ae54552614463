/**
 * What the applications write, so that a reader can tell from the bytes alone whose they are and
 * whether one is missing, doubled or out of place.
 *
 * @module
 */
import { Random } from "../../../transport/link/random.ts";
import type { End } from "./end.ts";

/** A prime: no number of lost bytes that is a power of two goes unnoticed. */
const PERIOD = 65_521;
const TABLE = new Uint8Array(2 * PERIOD);
new Random("bytes of the life campaign").fill(TABLE.subarray(0, PERIOD));
TABLE.copyWithin(PERIOD, 0, PERIOD);

function place(key: number, position: number): number {
  return (key * 7919 + position) % PERIOD;
}

/** Writes bytes `from` and on of stream `key` to `target`. Byte 0 is the key itself. */
export function fill(target: Uint8Array, key: number, from: number): Uint8Array {
  for (let at = 0; at < target.length;) {
    const start = place(key, from + at);
    const count = Math.min(target.length - at, PERIOD);
    target.set(TABLE.subarray(start, start + count), at);
    at += count;
  }
  if (from === 0 && target.length > 0) target[0] = key;
  return target;
}

/** The first place at which bytes differ from those of stream `key` at `from`; -1 for none. */
export function findDifference(bytes: Uint8Array, key: number, from: number): number {
  for (let at = 0; at < bytes.length;) {
    const start = place(key, from + at);
    const count = Math.min(bytes.length - at, PERIOD);
    for (let i = 0; i < count; i++) {
      if (bytes[at + i] !== TABLE[start + i] && from + at + i > 0) return at + i;
    }
    at += count;
  }
  return -1;
}

/** What one incarnation of an application writes. */
export class Outgoing {
  readonly key: number;
  readonly end: End;
  /** Bytes that the connection took. */
  written = 0;
  /** Sizes of the messages that it took, in message mode. */
  readonly sizes: number[] = [];
  /** When the end of the stream was asked for, in ms of the network. */
  endedAt = Infinity;
  /** The end was acknowledged: `closeWrite` or `closed` resolved. */
  endPromisedAt = Infinity;
  /** Whether the peer had acknowledged the end then. */
  endAcknowledged = false;
  /** Bytes that were promised to be delivered, and when. */
  promised = 0;
  promisedAt = -Infinity;
  /** What called for the promise. */
  promisedBy = "";
  /** Bytes of all that was written that a process had acknowledged when it was killed. */
  acknowledgedAtKill = 0;
  /** The ends that read bytes of this stream. */
  readonly readers: Incoming[] = [];
  readonly #counts: number[] = [];
  readonly #times: number[] = [];

  constructor(key: number, end: End) {
    this.key = key;
    this.end = end;
  }

  /** `count` bytes were taken. */
  wrote(count: number, now: number): void {
    this.written += count;
    this.#counts.push(this.written);
    this.#times.push(now);
  }

  /** When byte `position` was taken; Infinity if it was not. */
  timeOf(position: number): number {
    let low = 0, high = this.#counts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#counts[middle] <= position) low = middle + 1;
      else high = middle;
    }
    return low < this.#times.length ? this.#times[low] : Infinity;
  }

  /** All that was written until now is promised. */
  promise(by: string, now: number): void {
    this.promisedBy = by;
    this.promised = this.written;
    this.promisedAt = now;
  }
}

/** What one incarnation of an application has read. */
export class Incoming {
  readonly end: End;
  got = 0;
  messages = 0;
  /** Whose bytes they are; null before the first. */
  from: Outgoing | null = null;
  /** How reading ended: the end of the stream, an error kind, or not yet. */
  outcome = "";
  /** The application stopped to read of its own will. */
  left = false;

  constructor(end: End) {
    this.end = end;
  }
}
