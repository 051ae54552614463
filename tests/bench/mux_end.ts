/**
 * One end of a measurement of the mux, in a process of its own. The last argument is its task, in
 * JSON. It prints lines of JSON: a server its port, and the end that measures its result. bench.go in
 * tests/interop/smux is the same end with smux on kcp-go.
 *
 * @module
 */
import process from "node:process";
import { connectMux, listenMux, type Mux, type MuxStream } from "../../transport/mux.ts";

/** The task of an end. bench.go describes the modes. */
export interface MuxTask {
  role: "server" | "client";
  mode: "sink" | "request" | "idle" | "opens";
  port: number;
  streams: number;
  /** Whether both ends of an idle stream wait for the next byte. */
  waiting: boolean;
  /** Length of a write, or of a request, in bytes. */
  size: number;
  /** ms from one request to the next. */
  pause: number;
  /** Seconds before the count begins, and that it takes. */
  warmup: number;
  seconds: number;
  /** The version of the protocol. */
  version: 1 | 2;
  /** Over how many conversations the streams are spread. Default: 1. */
  sessions?: number;
  /** How many copies of new data are sent. Default: 0. */
  newCopies?: number;
}

/** How much was counted in how many seconds. */
export interface MuxCount {
  count: number;
  seconds: number;
}

/** Percentiles of requests in ms, and the bytes per second of the bulk stream beside them. */
export interface MuxDelays {
  requests: number;
  p50: number;
  p99: number;
  max: number;
  bulk: number;
}

/** Bytes in use, before the streams and with them. */
export interface MuxMemory {
  before: number;
  after: number;
  streams: number;
}

const SINK = 0;
const ECHO = 1;
const HOST = "127.0.0.1";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function print(value: unknown): void {
  console.log(JSON.stringify(value));
}

/** Counts for `seconds` after the warm-up. */
async function count(task: MuxTask, counted: () => number): Promise<MuxCount> {
  await sleep(task.warmup * 1000);
  const before = counted();
  const started = performance.now();
  await sleep(task.seconds * 1000);
  return { count: counted() - before, seconds: (performance.now() - started) / 1000 };
}

/** Bytes in use, after garbage collections: V8 is started with `--expose-gc`. */
async function memory(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("Cannot measure memory without --expose-gc");
  for (let n = 0; n < 3; n++) {
    gc();
    await sleep(50);
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function serve(task: MuxTask): Promise<void> {
  const { port, version, sessions, newCopies } = task;
  const listener = await listenMux({ hostname: HOST, port, version, sessions, newCopies });
  print({ port: listener.addr.port });
  const mux = await listener.accept();
  const before = task.mode === "idle" ? await memory() : 0;
  const state = { counted: 0, opened: 0 };
  (async () => {
    for await (const stream of mux.incomingBidirectionalStreams) {
      serveStream(task, stream, state).catch(() => {});
    }
  })().catch(() => {});
  if (task.mode === "sink") {
    while (state.counted === 0) await sleep(1);
    print(await count(task, () => state.counted));
  } else if (task.mode === "idle") {
    while (state.opened < task.streams) await sleep(1);
    print({ before, after: await memory(), streams: task.streams });
  }
}

async function serveStream(
  task: MuxTask,
  stream: MuxStream,
  state: { counted: number; opened: number },
): Promise<void> {
  const first = new Uint8Array(1);
  if (await stream.read(first) === null) return;
  if (task.mode === "idle") {
    await stream.write(first);
    state.opened++;
    if (task.waiting) await stream.read(first);
    return;
  }
  if (task.mode === "opens") {
    await stream.write(first);
    await stream.read(first);
    await stream.closeWrite();
    return;
  }
  const buffer = new Uint8Array(65_536);
  const kind = first[0];
  for (let n; (n = await stream.read(buffer)) !== null;) {
    if (kind === SINK) state.counted += n;
    else await stream.writeAll(buffer.subarray(0, n));
  }
}

async function openStream(mux: Mux, kind: number, urgent = false): Promise<MuxStream> {
  // Streams of a group share a conversation, and a new group takes the one with fewest streams.
  const sendGroup = urgent && mux.sessions > 1 ? mux.createSendGroup() : null;
  const stream = await mux.createBidirectionalStream({ sendOrder: urgent ? 1 : 0, sendGroup });
  await stream.writeAll(Uint8Array.of(kind));
  return stream;
}

/** Reads exactly the length of the buffer. */
async function readFull(stream: MuxStream, buffer: Uint8Array): Promise<void> {
  for (let at = 0; at < buffer.length;) {
    const n = await stream.read(buffer.subarray(at));
    if (n === null) throw new Error("The server ended the stream");
    at += n;
  }
}

async function dial(task: MuxTask): Promise<void> {
  const before = task.mode === "idle" ? await memory() : 0;
  const { port, version, sessions, newCopies } = task;
  const mux = await connectMux({ hostname: HOST, port, version, sessions, newCopies });
  let written = 0;
  const bulk = async (size: number) => {
    const stream = await openStream(mux, SINK);
    const piece = new Uint8Array(size);
    for (;;) {
      await stream.writeAll(piece);
      written += size;
    }
  };
  switch (task.mode) {
    case "sink":
      await Promise.all(Array.from({ length: task.streams }, () => bulk(task.size)));
      break;
    case "request":
      bulk(65_536);
      print(await request(task, mux, () => written));
      break;
    case "idle":
      await openIdle(task, mux);
      print({ before, after: await memory(), streams: task.streams });
      break;
    case "opens": {
      let counted = 0;
      for (let n = 0; n < task.streams; n++) openOnAndOn(mux, () => counted++);
      print(await count(task, () => counted));
    }
  }
}

/** Sends a request each `pause`. They go before the bulk stream, and the answers come in order. */
async function request(task: MuxTask, mux: Mux, written: () => number): Promise<MuxDelays> {
  const stream = await openStream(mux, ECHO, true);
  const warm = performance.now() + task.warmup * 1000;
  const until = warm + task.seconds * 1000;
  const sent: number[] = [];
  const delays: number[] = [];
  let before = 0;
  let over = false;
  const send = async () => {
    const message = new Uint8Array(task.size);
    for (let at = performance.now(); at < until; at += task.pause) {
      await sleep(Math.max(0, at - performance.now()));
      // The time before the write: it waits for room, too.
      sent.push(performance.now());
      await stream.writeAll(message);
    }
    over = true;
  };
  const receive = async () => {
    const answer = new Uint8Array(task.size);
    for (let n = 0; !over || n < sent.length; n++) {
      await readFull(stream, answer);
      const began = sent[n];
      if (began < warm) before = written();
      else delays.push(performance.now() - began);
    }
  };
  await Promise.all([send(), receive()]);
  const bulk = (written() - before) / ((performance.now() - warm) / 1000);
  if (delays.length === 0) throw new Error("No request was answered");
  delays.sort((a, b) => a - b);
  const at = (share: number) => delays[Math.min(delays.length - 1, share * delays.length | 0)];
  return { requests: delays.length, p50: at(0.5), p99: at(0.99), max: at(1), bulk };
}

/** Opens streams, 100 at once, and waits for a byte on each. */
async function openIdle(task: MuxTask, mux: Mux): Promise<void> {
  let left = task.streams;
  await Promise.all(Array.from({ length: 100 }, async () => {
    while (left-- > 0) {
      const stream = await openStream(mux, ECHO);
      const answer = new Uint8Array(1);
      await readFull(stream, answer);
      if (task.waiting) stream.read(answer).catch(() => {});
    }
  }));
}

async function openOnAndOn(mux: Mux, done: () => void): Promise<void> {
  const answer = new Uint8Array(1);
  for (;;) {
    const stream = await openStream(mux, ECHO);
    await readFull(stream, answer);
    await stream.closeWrite();
    while (await stream.read(answer) !== null);
    done();
  }
}

const task: MuxTask = JSON.parse(process.argv.at(-1)!);
await (task.role === "server" ? serve(task) : dial(task));
// The measurement ends both processes. If one ended by itself, the other would print an error.
setTimeout(() => process.exit(), 20_000);
