/**
 * One end of a measurement of `growth.ts`, in its own process.
 *
 * @module
 */
import process from "node:process";
import { connect, type Connection, type KcpOptions, listen } from "../../mod.ts";
import { deno } from "../../transport/deno.ts";
import { linux } from "../../transport/linux.ts";
import { writeAll } from "../transport/harness.ts";

/** The task of an end of one connection. */
interface TransferTask {
  role: "receive" | "send";
  port: number;
  options: KcpOptions;
  bytes: number;
  /** After how many bytes to take figures. */
  marks: number[];
}

/** The task of an end of many connections to one listener. */
interface CrowdTask {
  role: "listen" | "dial";
  port: number;
  options: KcpOptions;
  count: number;
  /** Seconds without traffic. */
  idle: number;
  /** Seconds with traffic. */
  busy: number;
}

/** The task of an end. */
export type GrowthTask = TransferTask | CrowdTask;

/** The figures after a number of bytes was received or written. */
export interface Mark {
  bytes: number;
  /** Seconds since the first byte. */
  seconds: number;
  rss: number;
  /** Bytes allocated on V8's heap since the first byte. */
  allocated: number;
  packets: number;
  /** How late timers fired since the previous mark, in ms. */
  timerDelay: { p50: number; p99: number; max: number };
}

/** The figures of a listener with many connections. */
export interface Crowd {
  rss: number;
  /** Bytes on V8's heap and in array buffers, after a garbage collection. */
  heap: number;
  /** Share of a CPU core without traffic. */
  idle: number;
  /** Echoed bytes per second, while every connection always waits for an echo. */
  throughput: number;
}

const HOST = "127.0.0.1";
/** Bytes of one write. */
const PIECE = 65_536;
/** Bytes that each of many connections sends before it waits for the echo. */
const MESSAGE = 4096;

function print(value: unknown): void {
  console.log(JSON.stringify(value));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Samples timer delay and heap, once per millisecond. */
class Watch {
  #delays: number[] = [];
  #expected = performance.now() + 1;
  #heap = Deno.memoryUsage().heapUsed;
  #allocated = 0;

  constructor() {
    const step = () => {
      const now = performance.now();
      this.#delays.push(Math.max(0, now - this.#expected));
      this.#sample();
      this.#expected = performance.now() + 1;
      setTimeout(step, 1);
    };
    setTimeout(step, 1);
  }

  #sample(): void {
    const { heapUsed } = Deno.memoryUsage();
    // Allocations between the last sample and a garbage collection are not counted.
    if (heapUsed > this.#heap) this.#allocated += heapUsed - this.#heap;
    this.#heap = heapUsed;
  }

  allocated(): number {
    this.#sample();
    return this.#allocated;
  }

  /** How late timers fired since the last call, in ms. */
  timerDelay(): Mark["timerDelay"] {
    const sorted = this.#delays.sort((a, b) => a - b);
    this.#delays = [];
    const at = (share: number) =>
      sorted[Math.min(sorted.length - 1, sorted.length * share | 0)] ?? 0;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

/** Transfers the bytes of one connection, and prints each mark. */
async function transfer(
  conn: Connection,
  { bytes, marks }: { bytes: number; marks: number[] },
  step: () => Promise<number>,
): Promise<void> {
  let done = await step();
  const started = performance.now();
  const watch = new Watch();
  const before = conn.stats;
  for (let next = 0; next < marks.length;) {
    done += await step();
    for (; next < marks.length && done >= marks[next]; next++) {
      const { packetsIn, packetsOut } = conn.stats;
      print({
        bytes: done,
        seconds: (performance.now() - started) / 1000,
        rss: Deno.memoryUsage().rss,
        allocated: watch.allocated(),
        packets: packetsIn + packetsOut - before.packetsIn - before.packetsOut,
        timerDelay: watch.timerDelay(),
      });
    }
    if (done >= bytes) break;
  }
}

async function receive(task: TransferTask): Promise<void> {
  const listener = await listen({ hostname: HOST, port: 0, bind: linux(), ...task.options });
  print({ port: listener.addr.port });
  const conn = await listener.accept();
  const buffer = new Uint8Array(1 << 18);
  await transfer(conn, task, async () => (await conn.read(buffer)) ?? Infinity);
}

async function send(task: TransferTask): Promise<void> {
  const { port, options } = task;
  const conn = await connect({ hostname: HOST, port, bind: linux(), ...options });
  const piece = new Uint8Array(PIECE);
  await transfer(conn, task, async () => {
    await writeAll(conn, piece);
    return PIECE;
  });
  await sleep(60_000);
}

/** Bytes in use, after a garbage collection if V8 was started with `--expose-gc`. */
function heapUsed(): number {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function listenToMany(task: CrowdTask): Promise<void> {
  const listener = await listen({
    hostname: HOST,
    port: 0,
    bind: linux(),
    backlog: task.count,
    maxUnconfirmed: task.count,
    maxUnconfirmedPerHost: task.count,
    ...task.options,
  });
  print({ port: listener.addr.port });
  let bytes = 0;
  const echo = async (conn: Connection) => {
    const buffer = new Uint8Array(MESSAGE);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      bytes += count;
      await writeAll(conn, buffer.subarray(0, count));
    }
  };
  const conns: Connection[] = [];
  const first = new Uint8Array(1);
  while (conns.length < task.count) {
    const conn = await listener.accept();
    await conn.read(first);
    conns.push(conn);
  }
  await sleep(2000);
  const heap = heapUsed();
  const { rss } = Deno.memoryUsage();
  const cpu = process.cpuUsage();
  await sleep(task.idle * 1000);
  const { user, system } = process.cpuUsage(cpu);
  for (const conn of conns) void echo(conn);
  await writeAll(conns[0], first);
  while (bytes === 0) await sleep(10);
  await sleep(1000);
  const before = bytes;
  const started = performance.now();
  await sleep(task.busy * 1000);
  const throughput = (bytes - before) / (performance.now() - started) * 1000;
  print({ rss, heap, idle: (user + system) / 1e6 / task.idle, throughput } satisfies Crowd);
}

async function dialMany(task: CrowdTask): Promise<void> {
  const conns: Connection[] = [];
  // Deno's own sockets, because the Linux transport needs a thread for each socket.
  for (let n = 0; n < task.count; n++) {
    const conn = await connect({ hostname: HOST, port: task.port, bind: deno(), ...task.options });
    await writeAll(conn, Uint8Array.of(1));
    conns.push(conn);
    // Pause, so that the buffer of the listener's socket does not overflow.
    if (n % 50 === 49) await sleep(5);
  }
  // The listener sends one byte when all connections shall start.
  await conns[0].read(new Uint8Array(1));
  const message = new Uint8Array(MESSAGE);
  for (const conn of conns) {
    void (async () => {
      const buffer = new Uint8Array(MESSAGE);
      for (;;) {
        await writeAll(conn, message);
        for (let got = 0; got < MESSAGE;) got += (await conn.read(buffer)) ?? Infinity;
      }
    })();
  }
  await sleep(600_000);
}

const task = JSON.parse(Deno.args[0]) as GrowthTask;
switch (task.role) {
  case "receive":
    await receive(task);
    break;
  case "send":
    await send(task);
    break;
  case "listen":
    await listenToMany(task);
    break;
  case "dial":
    await dialMany(task);
}
Deno.exit();
