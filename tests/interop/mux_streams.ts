/**
 * What our end of a mux does in the tests against smux, and how its bytes are checked.
 *
 * The seed of the bytes on a stream is a seed of the test + the id of the stream, as in the peer.
 *
 * @module
 */
import { assert, assertEquals, AssertionError } from "@std/assert";
import { pattern } from "../vectors/pattern.ts";
import { checkResults, type SmuxSession, type StreamPlan, type StreamResult } from "./mux_peer.ts";

/** The part of a stream that the tests use. */
export interface OurStream {
  readonly id: number;
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): unknown;
  abort(reason?: unknown): unknown;
}

/** The part of a mux that the tests use. */
export interface OurMux {
  createBidirectionalStream(): Promise<OurStream>;
  /** The next stream of the peer, or null at the end. */
  accept(): Promise<OurStream | null>;
  close(): unknown;
  readonly closed: Promise<unknown>;
}

/** Lengths of writes: around the ends of frames, and small. */
export const WRITES: readonly number[] = [1, 32_768, 17, 32_767, 3, 65_536, 1000, 32_769];

/** Writes bytes, in pieces of the lengths in `writes`. */
export async function writeBytes(
  stream: OurStream,
  bytes: Uint8Array,
  writes: readonly number[] = WRITES,
): Promise<void> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + writes[i % writes.length]);
    while (at < end) at += await stream.write(bytes.subarray(at, end));
  }
}

/** How to read. */
export interface Reading {
  /** The length of the buffer. Default: 65536. */
  reads?: number;
  /** Runs before each read. */
  pause?: () => Promise<void> | void;
}

/** Reads to the end of the stream and compares the bytes with a pattern. */
export async function expectBytes(
  stream: OurStream,
  seed: number,
  size: number,
  { reads = 65_536, pause }: Reading = {},
): Promise<void> {
  const expected = pattern(seed + stream.id, size);
  const buffer = new Uint8Array(reads);
  for (let at = 0;;) {
    await pause?.();
    const count = await stream.read(buffer);
    if (count === null) {
      assertEquals(at, size, `Stream ${stream.id} ends after ${at} bytes`);
      return;
    }
    assert(at + count <= size, `Stream ${stream.id} has more than ${size} bytes`);
    for (let i = 0; i < count; i++) {
      if (buffer[i] !== expected[at + i]) {
        throw new AssertionError(`Byte ${at + i} of ${size} on stream ${stream.id} is another`);
      }
    }
    at += count;
  }
}

/** Writes what arrives, and ends the written half when the other half ends. */
export async function echo(stream: OurStream): Promise<number> {
  const buffer = new Uint8Array(65_536);
  for (let total = 0;;) {
    const count = await stream.read(buffer);
    if (count === null) {
      await stream.closeWrite();
      return total;
    }
    for (let at = 0; at < count;) at += await stream.write(buffer.subarray(at, count));
    total += count;
  }
}

/** What flows on the streams of a test. */
export interface Flow {
  streams: number;
  /** Bytes on each stream. */
  bytes: number;
  writes?: readonly number[];
}

const SEED = 1000;

/** We open streams, and smux sends everything back: it needs the plan `{ echo: true }`. */
export async function echoOut(ours: OurMux, theirs: SmuxSession, flow: Flow): Promise<void> {
  await Promise.all(Array.from({ length: flow.streams }, async () => {
    const stream = await ours.createBidirectionalStream();
    await Promise.all([
      expectBytes(stream, SEED, flow.bytes),
      (async () => {
        await writeBytes(stream, pattern(SEED + stream.id, flow.bytes), flow.writes);
        await stream.closeWrite();
      })(),
    ]);
  }));
  const results = await theirs.served(flow.streams);
  checkResults(results);
  for (const { received, eof } of results) {
    assertEquals({ received, eof }, { received: flow.bytes, eof: true });
  }
  assertEquals((await theirs.look()).open, 0, "Streams that smux still has");
}

/** smux opens streams, and we send everything back. */
export async function echoIn(ours: OurMux, theirs: SmuxSession, flow: Flow): Promise<void> {
  const { bytes, writes = WRITES } = flow;
  const [{ results }] = await Promise.all([
    theirs.run(flow.streams, { bytes, seed: SEED, expect: SEED, writes }),
    ...Array.from({ length: flow.streams }, async () => {
      const stream = await ours.accept();
      assert(stream, "The session ends before all streams have come");
      assertEquals(await echo(stream), bytes);
    }),
  ]);
  expectDone(results, { sent: bytes, received: bytes });
  assertEquals((await theirs.look()).open, 0, "Streams that smux still has");
}

/** Each stream has sent and received so much, and has seen our end. */
export function expectDone(
  results: readonly StreamResult[],
  counts: { sent: number; received: number },
): void {
  checkResults(results);
  for (const { stream, sent, received, eof } of results) {
    assertEquals({ sent, received, eof }, { ...counts, eof: true }, `Stream ${stream}`);
  }
}

/** The plan of a smux that sends a pattern, and expects ours. */
export function exchangePlan(bytes: number, more: StreamPlan = {}): StreamPlan {
  return { bytes, seed: SEED, expect: SEED, writes: WRITES, ...more };
}

/** What our end does beside an {@linkcode exchangePlan}. */
export async function exchange(
  stream: OurStream,
  bytes: number,
  { later = false, first = false, ...reading }: Reading & {
    /** Whether we write only after the half of smux has ended. */
    later?: boolean;
    /** Whether we read only after we have ended our half. */
    first?: boolean;
  } = {},
): Promise<void> {
  const write = async () => {
    await writeBytes(stream, pattern(SEED + stream.id, bytes));
    await stream.closeWrite();
  };
  const read = () => expectBytes(stream, SEED, bytes, reading);
  if (first) {
    await write();
    await read();
  } else if (later) {
    await read();
    await write();
  } else await Promise.all([read(), write()]);
}
