/**
 * Measures tunnels: the programs of examples/kcptun, those of kcptun, and one of each, with the same
 * flags. It needs Linux and the programs of kcptun.
 *
 * @module
 */
import type { LinkOptions } from "../../transport/deno.ts";
import { hasKcptun } from "../interop/kcptun/programs.ts";
import { MeasuredTunnel, type Pair } from "./kcptun_tunnel.ts";

/** Seconds of a transfer in each direction that is not counted: V8 compiles the code meanwhile. */
const COMPILING = 2;
/** Seconds before a count begins, and that it takes. */
const WARMUP = 1;
const SECONDS = 2;
/** Bytes that can't be compressed. */
const DATA = randomBytes(1 << 20);
/** Bytes of a write. */
const WRITE = 1 << 16;
const GB = 1e9;

/** What a tunnel carries. */
interface Transfer {
  /** Bytes per second from the application to the target. */
  up: number;
  /** Bytes per second from the target to the application. */
  down: number;
  /** CPU seconds of both ends for 1 GB, up and down together. */
  cpu: number;
}

/** Resident memory in bytes. */
interface Memory {
  client: number;
  server: number;
}

/** How long (ms) the first byte of an answer takes. */
interface FirstByte {
  p50: number;
  p90: number;
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  }
  return bytes;
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}

/** Sends from one end to the other. Gives the bytes and the CPU seconds that were counted. */
async function send(tunnel: MeasuredTunnel, up: boolean, warmup = WARMUP, counting = SECONDS) {
  const ends = await tunnel.connect();
  const [from, to] = up ? ends : ends.toReversed();
  let bytes = 0;
  const reading = (async () => {
    const buffer = new Uint8Array(1 << 18);
    for (let count; (count = await to.read(buffer)) !== null;) bytes += count;
  })().catch(() => {});
  let over = false;
  const writing = (async () => {
    for (let at = 0; !over; at = (at + WRITE) % DATA.length) {
      for (let end = at + WRITE, next = at; next < end;) {
        next += await from.write(DATA.subarray(next, end));
      }
    }
  })().catch(() => {});
  await sleep(warmup);
  const before = { bytes, cpu: tunnel.cpu, at: performance.now() };
  await sleep(counting);
  const seconds = (performance.now() - before.at) / 1000;
  const result = { bytes: bytes - before.bytes, cpu: tunnel.cpu - before.cpu, seconds };
  over = true;
  from.close();
  to.close();
  await Promise.all([reading, writing]);
  return result;
}

async function measureTransfer(
  pair: Pair,
  settings: readonly string[],
  flags: readonly string[],
): Promise<Transfer> {
  await using tunnel = await MeasuredTunnel.start(pair, settings, flags);
  for (const isUp of [true, false]) await send(tunnel, isUp, COMPILING, 0);
  const up = await send(tunnel, true);
  const down = await send(tunnel, false);
  return {
    up: up.bytes / up.seconds,
    down: down.bytes / down.seconds,
    cpu: (up.cpu + down.cpu) / ((up.bytes + down.bytes) / GB),
  };
}

/** The memory of both ends while so many connections are open, of which each was used once. */
async function measureMemory(
  pair: Pair,
  connections: number,
  flags: readonly string[],
): Promise<Memory> {
  await using tunnel = await MeasuredTunnel.start(pair, [], flags);
  const open: Deno.TcpConn[] = [];
  const byte = Uint8Array.of(1);
  for (let i = 0; i < connections; i++) {
    const [app, target] = await tunnel.connect();
    open.push(app, target);
    for (const [from, to] of [[app, target], [target, app]]) {
      await from.write(byte);
      await to.read(byte);
    }
  }
  await sleep(WARMUP);
  const memory = tunnel.memory;
  for (const conn of open) conn.close();
  return memory;
}

/** A round trip of 100 ms that loses 5 % in each direction. */
const LOSSY: LinkOptions = { latency: 50, loss: 0.05 };
/** Connections that ask for a byte, one after the other. */
const REQUESTS = 50;

/** The time from the beginning of a connection to the first byte of an answer, over one session. */
async function measureFirstByte(pair: Pair, flags: readonly string[]): Promise<FirstByte> {
  await using tunnel = await MeasuredTunnel.start(pair, [], flags, LOSSY);
  const times: number[] = [];
  const byte = Uint8Array.of(1);
  // The first connection opens the session.
  for (let i = -1; i < REQUESTS; i++) {
    const began = performance.now();
    const [app, target] = await tunnel.connect(byte);
    await target.read(byte);
    await target.write(byte);
    await app.read(byte);
    if (i >= 0) times.push(performance.now() - began);
    app.close();
    target.close();
  }
  times.sort((a, b) => a - b);
  return { p50: times[REQUESTS / 2], p90: times[REQUESTS * 9 / 10] };
}

/** A benchmark of tunnels, as mod.ts runs it. */
interface TunnelBenchmark {
  name: string;
  unit: "B/s" | "s/GB" | "B" | "ms";
  run(): Promise<number>;
  rival: { name: string; run(): Promise<number> };
}

/**
 * A measurement that several rows share: each makes its first call for the first round, and so on.
 * What is measured in a round is measured once.
 */
function perRound<T>(measure: () => Promise<T>): () => () => Promise<T> {
  const rounds: Promise<T>[] = [];
  return () => {
    let round = 0;
    return () => rounds[round++] ??= measure();
  };
}

const PAIRS: Readonly<Record<string, Pair>> = {
  "": ["ours", "ours"],
  "/ours-to-theirs": ["ours", "theirs"],
  "/theirs-to-ours": ["theirs", "ours"],
};
const THEIRS: Pair = ["theirs", "theirs"];

/** All benchmarks of tunnels; none without the programs of kcptun. */
export function kcptunBenchmarks(flags: readonly string[]): TunnelBenchmark[] {
  if (!hasKcptun || Deno.build.os !== "linux") return [];
  /** A row for each figure and each pair. */
  const rows = <T extends object>(
    name: string,
    figures: Readonly<Partial<Record<keyof T & string, TunnelBenchmark["unit"]>>>,
    measure: (pair: Pair) => Promise<T>,
    pairs = PAIRS,
  ): TunnelBenchmark[] => {
    const theirs = perRound(() => measure(THEIRS));
    return Object.entries(pairs).flatMap(([suffix, pair]) => {
      const ours = perRound(() => measure(pair));
      return Object.entries(figures).map(([figure, unit]): TunnelBenchmark => {
        const key = figure as keyof T;
        const [mine, other] = [ours(), theirs()];
        return {
          name: `kcptun/${name}/${figure}${suffix}`,
          unit: unit as TunnelBenchmark["unit"],
          run: async () => (await mine())[key] as number,
          rival: { name: "kcptun", run: async () => (await other())[key] as number },
        };
      });
    });
  };
  const transfer = { up: "B/s", down: "B/s", cpu: "s/GB" } as const;
  const memory = { client: "B", server: "B" } as const;
  return [
    ...["none", "salsa20", "aes"].flatMap((crypt) =>
      Object.entries({
        "10-3": [],
        "no-fec": ["--datashard", "0"],
        "10-3-windows-1024": ["--sndwnd", "1024", "--rcvwnd", "1024"],
      }).flatMap(([name, more]) => {
        const settings = ["--crypt", crypt, ...more];
        return rows<Transfer>(
          `${crypt}-${name}`,
          transfer,
          (pair) => measureTransfer(pair, settings, flags),
        );
      })
    ),
    ...[0, 1000].flatMap((count) =>
      rows<Memory>(`memory-${count}`, memory, (pair) => measureMemory(pair, count, flags), {
        "": PAIRS[""],
      })
    ),
    ...rows<FirstByte>(
      "first-byte-100ms-loss-5%",
      { p50: "ms", p90: "ms" },
      (pair) => measureFirstByte(pair, flags),
    ),
  ];
}
