/**
 * What every mux of ours must do with smux, whatever is below: see `mux_machine_test.ts` for the
 * machine alone, and `mux_test.ts` for the whole.
 *
 * @module
 */
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { pattern } from "../vectors/pattern.ts";
import type { Pair, PairOptions } from "./mux_pair.ts";
import { checkResults } from "./mux_peer.ts";
import {
  echo,
  echoIn,
  echoOut,
  exchange,
  exchangePlan,
  expectBytes,
  expectDone,
  writeBytes,
} from "./mux_streams.ts";

/** One scenario. */
export interface Scenario {
  name: string;
  /** The version in which it can be. Default: both. */
  version?: 1 | 2;
  /** What it can run on. Default: both. */
  over?: "tcp";
  options?: Omit<PairOptions, "version" | "dialler">;
  run(pair: Pair, version: 1 | 2): Promise<void>;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** From one byte to 16 MiB, on 1, 100 and 1,000 streams. */
const flows: Scenario[] = [
  { streams: 1, bytes: 1 },
  { streams: 1, bytes: 16 * MIB },
  { streams: 100, bytes: 100_000 },
  { streams: 1000, bytes: 3000 },
].map((flow) => ({
  name: `${flow.streams} streams of ${flow.bytes} bytes`,
  options: { plan: { echo: true } },
  run: async ({ ours, theirs }) => {
    await echoOut(ours, theirs, flow);
    await echoIn(ours, theirs, flow);
  },
}));

/** The application reads, writes that, and reads on: if credit were stuck behind data, all would stop. */
const echoes: Scenario[] = [[40, MIB], [200, 250_000]].map(([streams, bytes]) => ({
  name: `we echo ${bytes} bytes on ${streams} streams`,
  over: streams > 100 ? "tcp" : undefined,
  run: ({ ours, theirs }) => echoIn(ours, theirs, { streams, bytes, writes: [65_536] }),
}));

const SIZE = 300_000;
/** Streams of a scenario in which each does the same. */
const MANY = 20;

/** A direction that ends does not end the other one, whoever begins. */
const halves: Scenario[] = [
  {
    name: "smux answers after our end",
    options: { plan: exchangePlan(SIZE, { later: true }) },
    run: async ({ ours, theirs }) => {
      await Promise.all(Array.from({ length: MANY }, async () => {
        await exchange(await ours.createBidirectionalStream(), SIZE, { first: true });
      }));
      expectDone(await theirs.served(MANY), { sent: SIZE, received: SIZE });
    },
  },
  {
    name: "we answer after the end of smux",
    options: { plan: exchangePlan(SIZE) },
    run: async ({ ours, theirs }) => {
      await Promise.all(Array.from({ length: MANY }, async () => {
        await exchange(await ours.createBidirectionalStream(), SIZE, { later: true });
      }));
      expectDone(await theirs.served(MANY), { sent: SIZE, received: SIZE });
    },
  },
  {
    name: "smux opens, and we answer after its end",
    run: async ({ ours, theirs }) => {
      const [{ results }] = await Promise.all([
        theirs.run(MANY, exchangePlan(SIZE)),
        ...Array.from({ length: MANY }, async () => {
          await exchange((await ours.accept())!, SIZE, { later: true });
        }),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
    },
  },
  {
    name: "smux opens, and answers after our end",
    run: async ({ ours, theirs }) => {
      const [{ results }] = await Promise.all([
        theirs.run(MANY, exchangePlan(SIZE, { later: true })),
        ...Array.from({ length: MANY }, async () => {
          await exchange((await ours.accept())!, SIZE, { first: true });
        }),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
    },
  },
  {
    name: "nothing but ends",
    options: { plan: { echo: true } },
    run: async ({ ours, theirs }) => {
      await echoOut(ours, theirs, { streams: MANY, bytes: 0 });
      await echoIn(ours, theirs, { streams: MANY, bytes: 0 });
    },
  },
  {
    name: "what smux wrote before its Close arrives",
    options: { plan: { bytes: SIZE, seed: 5, end: "close", limit: 1 } },
    run: async ({ ours, theirs }) => {
      // smux reads one byte and writes the rest at the same time, then closes.
      await Promise.all(Array.from({ length: MANY }, async () => {
        const stream = await ours.createBidirectionalStream();
        await writeBytes(stream, new Uint8Array(1));
        await expectBytes(stream, 5, SIZE);
        await stream.closeWrite();
      }));
      for (const { sent } of await theirs.served(MANY)) assertEquals(sent, SIZE);
    },
  },
];

/** A reader that does not read holds its own stream, and no other. */
const slow: Scenario[] = [
  {
    name: "smux holds one stream, the others go on",
    options: { plan: { echo: true, hold: true } },
    run: async ({ ours, theirs }) => {
      // Less than what smux's whole session takes: beyond that, smux of version 1 stops all streams.
      const held = await ours.createBidirectionalStream();
      const bytes = pattern(1, 2 * MIB);
      const writing = writeBytes(held, bytes).then(() => held.closeWrite());
      const [{ results }] = await Promise.all([
        theirs.run(MANY, exchangePlan(SIZE)),
        ...Array.from({ length: MANY }, async () => exchange((await ours.accept())!, SIZE)),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
      const reading = echoed(held, bytes);
      await theirs.release();
      await Promise.all([writing, reading]);
      checkResults(await theirs.served(1));
    },
  },
  {
    name: "our slow reader gets everything, and holds nobody",
    options: { ours: { stallGrace: Infinity, maxReceiveBuffer: 2 * MIB } },
    run: async ({ ours, theirs }, version) => {
      // In version 2, a window stops the sender. In version 1 only the whole session could.
      const bytes = version === 2 ? 4 * MIB : MIB;
      const slow = theirs.run(1, { bytes, seed: 9, limit: 1 });
      const held = (await ours.accept())!;
      const [{ results }] = await Promise.all([
        theirs.run(MANY, exchangePlan(SIZE)),
        ...Array.from({ length: MANY }, async () => exchange((await ours.accept())!, SIZE)),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
      let reads = 0;
      await Promise.all([
        expectBytes(held, 9, bytes, { pause: () => ++reads % 16 === 0 ? sleep(1) : undefined }),
        writeBytes(held, new Uint8Array(1)).then(() => held.closeWrite()),
      ]);
      checkResults((await slow).results);
    },
  },
  {
    name: "a stream that nobody reads is cut after the grace period, and the others go on",
    version: 1,
    options: { ours: { stallGrace: 200 } },
    run: async ({ ours, theirs }) => {
      const unread = theirs.run(1, { bytes: 16 * MIB, limit: 1 });
      const held = (await ours.accept())!;
      const [{ results }] = await Promise.all([
        theirs.run(MANY, exchangePlan(SIZE)),
        ...Array.from({ length: MANY }, async () => exchange((await ours.accept())!, SIZE)),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
      // smux has sent all of it: so the rest was dropped.
      assertEquals((await unread).results[0].sent, 16 * MIB);
      await assertRejects(() => held.read(new Uint8Array(1)), Error, "Nobody has read stream");
    },
  },
  {
    name: "readers of few bytes at a time",
    options: { plan: { echo: true, reads: 7 } },
    run: async ({ ours, theirs }) => {
      const stream = await ours.createBidirectionalStream();
      await Promise.all([
        expectBytes(stream, 3, 20_000, { reads: 5 }),
        writeBytes(stream, pattern(3 + stream.id, 20_000)).then(() => stream.closeWrite()),
      ]);
      expectDone(await theirs.served(1), { sent: 20_000, received: 20_000 });
    },
  },
];

/** Expects these bytes and then the end. */
async function echoed(
  stream: { read(p: Uint8Array): Promise<number | null> },
  bytes: Uint8Array,
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  let at = 0;
  for (let count; (count = await stream.read(buffer)) !== null; at += count) {
    assertEquals(buffer.subarray(0, count), bytes.subarray(at, at + count));
  }
  assertEquals(at, bytes.length);
}

/** The shortest and the longest frames. */
const frames: Scenario[] = [1, 65_535].map((maxFrameSize) => ({
  name: `frames of ${maxFrameSize} bytes at most`,
  options: { ours: { maxFrameSize }, theirs: { maxFrameSize }, plan: { echo: true } },
  run: async ({ ours, theirs }) => {
    const bytes = maxFrameSize === 1 ? 5000 : 2 * MIB;
    await echoOut(ours, theirs, { streams: 3, bytes });
    await echoIn(ours, theirs, { streams: 3, bytes });
  },
}));

/** Bytes of a stream and of the session. */
type Buffers = readonly [stream: number, session: number];

const BUFFERS: readonly Buffers[] = [
  [1, 64],
  [512, 4096],
  [4096, 4 * MIB],
  [65_536, 65_536],
  [64 * KIB, 4 * MIB],
  [2 * MIB, 4 * MIB],
  [16 * MIB, 16 * MIB],
];

/** With buffers of a few bytes, each of them takes a turn of both ends. */
function exchanged(a: Buffers, b: Buffers): number {
  return Math.min(300_000, 300 * Math.min(...a, ...b) + 3000);
}

/** Every pair of unequal buffers. */
const buffers: Scenario[] = BUFFERS.flatMap((a) =>
  BUFFERS.filter((b) => a !== b).map((b) => ({
    name: `buffers of ours ${a.join(" of ")}, of smux ${b.join(" of ")}`,
    options: {
      ours: { maxStreamBuffer: a[0], maxReceiveBuffer: a[1] },
      theirs: { maxStreamBuffer: b[0], maxReceiveBuffer: b[1] },
      plan: exchangePlan(exchanged(a, b)),
    },
    run: async ({ ours, theirs }: Pair) => {
      const bytes = exchanged(a, b);
      await Promise.all(Array.from({ length: 5 }, async () => {
        await exchange(await ours.createBidirectionalStream(), bytes);
      }));
      expectDone(await theirs.served(5), { sent: bytes, received: bytes });
      const [{ results }] = await Promise.all([
        theirs.run(5, exchangePlan(bytes)),
        ...Array.from({ length: 5 }, async () => exchange((await ours.accept())!, bytes)),
      ]);
      expectDone(results, { sent: bytes, received: bytes });
    },
  }))
);

/** What users of multiplexers have reported. */
const reports: Scenario[] = [
  {
    // smux#23: a session that is closed early cost the last data.
    name: "data is read although smux closes the stream and the session right behind it",
    // kcp-go drops what it has queued when it is closed.
    over: "tcp",
    run: async ({ ours, theirs }) => {
      const [{ results }, stream] = await Promise.all([
        // Less than smux of version 2 sends before it is told of a read.
        theirs.run(1, { bytes: 200_000, seed: 4, end: "close", noRead: true }),
        ours.accept(),
      ]);
      checkResults(results);
      await theirs.close();
      await expectBytes(stream!, 4, 200_000);
    },
  },
  {
    // smux#23, the other way: what was written is sent although the session is closed.
    name: "a close of ours delivers what was written",
    options: { plan: { expect: 6, leave: true, end: "leave" } },
    run: async ({ ours, theirs }) => {
      const streams = await Promise.all(
        Array.from({ length: MANY }, () => ours.createBidirectionalStream()),
      );
      await Promise.all(streams.map(async (stream) => {
        await writeBytes(stream, pattern(6 + stream.id, SIZE));
        await stream.closeWrite();
      }));
      await ours.close();
      await ours.closed;
      const results = await theirs.served(MANY);
      checkResults(results);
      for (const { received, eof } of results) {
        assertEquals({ received, eof }, { received: SIZE, eof: true });
      }
    },
  },
  {
    // smux#28: a read failed at once when the written half was ended.
    name: "an end of ours does not end a read that waits",
    options: { plan: exchangePlan(SIZE, { later: true }) },
    run: async ({ ours, theirs }) => {
      const stream = await ours.createBidirectionalStream();
      const reading = expectBytes(stream, 1000, SIZE);
      await writeBytes(stream, pattern(1000 + stream.id, SIZE));
      await stream.closeWrite();
      await reading;
      expectDone(await theirs.served(1), { sent: SIZE, received: SIZE });
    },
  },
  {
    // smux#61: an error of one stream ended all others.
    name: "a stream that is aborted leaves the others alone",
    options: { plan: { echo: true } },
    run: async ({ ours, theirs }) => {
      const stream = await ours.createBidirectionalStream();
      await writeBytes(stream, pattern(1, 1000));
      const reading = stream.read(new Uint8Array(1000)).catch(() => null);
      await stream.abort();
      await reading;
      await theirs.served(1);
      await echoOut(ours, theirs, { streams: 3, bytes: SIZE });
      await echoIn(ours, theirs, { streams: 3, bytes: SIZE });
    },
  },
  {
    // smux#82: under load, the end came before the last data.
    name: "the last data of many short streams is never lost",
    options: { plan: { echo: true } },
    run: async ({ ours, theirs }) => {
      for (let round = 0; round < 5; round++) {
        await echoIn(ours, theirs, { streams: 200, bytes: 100, writes: [99, 1] });
        await echoOut(ours, theirs, { streams: 200, bytes: 100, writes: [99, 1] });
      }
    },
  },
];

/** The session as a whole. */
const sessions: Scenario[] = [
  {
    name: "streams beyond the accept queue are refused at once, and the others go on",
    options: { ours: { acceptBacklog: 10 } },
    run: async ({ ours, theirs }) => {
      const opened = theirs.run(100, { bytes: 1000, seed: 1000, writes: [1000] });
      // A stream that comes later is refused as well: so all of the others have come.
      await sleep(300);
      const [late] = (await theirs.run(1, {})).results;
      assertEquals({ received: late.received, eof: late.eof }, { received: 0, eof: true });
      const accepted: Promise<number>[] = [];
      for (let n = 0; n < 10; n++) accepted.push(echo((await ours.accept())!));
      assertEquals(await Promise.all(accepted), Array(10).fill(1000));
      const { results } = await opened;
      checkResults(results);
      const counts = results.map(({ received }) => received).toSorted((a, b) => b - a);
      assertEquals(counts, [...Array(10).fill(1000), ...Array(90).fill(0)]);
      await echoIn(ours, theirs, { streams: 5, bytes: SIZE });
    },
  },
  {
    name: "keep-alives of both ends hold an idle session",
    options: {
      ours: { keepAliveInterval: 50, keepAliveTimeout: 500 },
      theirs: { keepAlive: 50, keepAliveTimeout: 500 },
    },
    run: async ({ ours, theirs }) => {
      await sleep(700);
      assertEquals((await theirs.look()).closed, false);
      const [{ results }] = await Promise.all([
        theirs.run(1, exchangePlan(SIZE)),
        exchange((await ours.accept())!, SIZE),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
    },
  },
];

/** Streams that end before their data is read leave nothing behind. */
const leftovers: Scenario[] = [
  {
    name: "streams that nobody reads to the end leave no memory behind",
    run: async ({ ours, theirs }) => {
      for (let round = 0; round < 10; round++) {
        const running = theirs.run(MANY, { bytes: 50_000, end: "close", noRead: true });
        for (let i = 0; i < MANY; i++) {
          const stream = (await ours.accept())!;
          assertGreater(await stream.read(new Uint8Array(100)), 0);
          await stream.abort();
        }
        checkResults((await running).results);
      }
      assertEquals((await theirs.look()).open, 0, "Streams that smux still has");
      const [{ results }] = await Promise.all([
        theirs.run(1, exchangePlan(SIZE)),
        exchange((await ours.accept())!, SIZE),
      ]);
      expectDone(results, { sent: SIZE, received: SIZE });
    },
  },
];

/** All scenarios. */
const scenarios: readonly Scenario[] = [
  ...flows,
  ...echoes,
  ...halves,
  ...slow,
  ...frames,
  ...reports,
  ...sessions,
  ...leftovers,
];

/** Those that can run so. */
export function scenariosFor(over: "tcp" | "kcp", version: 1 | 2): Scenario[] {
  return scenarios.filter((it) =>
    (it.version ?? version) === version && (it.over ?? over) === over
  );
}

/** A few scenarios, for what makes each of them slow. */
export function fewScenarios(): Scenario[] {
  return [
    ...halves.slice(0, 4),
    {
      name: "20 streams of 100000 bytes",
      options: { plan: { echo: true } },
      run: async ({ ours, theirs }) => {
        await echoOut(ours, theirs, { streams: 20, bytes: 100_000 });
        await echoIn(ours, theirs, { streams: 20, bytes: 100_000 });
      },
    },
  ];
}

/** The scenarios of unequal buffers: there are many. */
export const bufferScenarios: readonly Scenario[] = buffers;

/** Runs a scenario, and closes both sessions. */
export async function runScenario(
  { name, run }: Scenario,
  version: 1 | 2,
  pair: Pair,
): Promise<void> {
  const { ours, theirs } = pair;
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error(`${name}: not done in 60 s`)), 60_000);
  try {
    await Promise.race([run(pair, version), deadline.promise]);
    await ours.close();
    await Promise.race([ours.closed, deadline.promise]);
  } finally {
    clearTimeout(timer);
    // The peer has closed it already on TCP. kcp-go does not tell it that our end is closed.
    await theirs.close().catch(() => {});
    await pair.close();
  }
}
