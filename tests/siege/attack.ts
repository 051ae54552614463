/**
 * A listener that strangers attack while it serves honest peers.
 *
 * @module
 */
import type { Adapter, Sample } from "./end.ts";
import { type Launch, type Line, Program, startEnd, startServer } from "./processes.ts";

/** A part of the attack. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Packets of the attacker a second; 0: as many as it can; null: none. */
  readonly rate: number | null;
}

/** What was measured in a phase. Times are in ms. */
export interface Figures {
  readonly phase: string;
  /** Packets of the attacker a second. */
  readonly attack: number;
  /** Bytes a second that came back to the transfer. */
  readonly throughput: number;
  readonly ping: Spread;
  /** Time until a new client had its echo. */
  readonly clients: Spread;
  /** How late timers of the listener's process were. */
  readonly late: Spread;
  /** Resident memory of the listener's process in bytes: the median of each third of the phase. */
  readonly memory: [number, number, number];
}

/** The middle, the 99th percentile and the largest of some times. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** The result of an attack. */
export interface Siege {
  readonly figures: Figures[];
  /** What does not hold of that which must. */
  readonly faults: string[];
  /** The counters of the listener before the first phase and after the last one. */
  readonly before: Sample["stats"];
  readonly after: Sample["stats"];
  /** Packets of the attacker, by kind. */
  readonly sent: Record<string, number>;
}

const HOST = "127.0.0.1";
/** Time for the honest peers to start, and for the compiler of the runtime to warm up, in ms. */
const WARMUP = 1_500;
/** What was written when the attack ends must have come back after this time, in ms. */
const DRAIN = 30_000;
/**
 * The median new client is served within three round trips and this time, in ms. One proves its address,
 * one carries its data, and one is for a retransmission: the machine may be busy.
 */
const PATIENCE = 100;
/** Most growth of the memory from the second third of a phase to the last. */
const GROWTH = 1.05;
/**
 * In a short phase, the memory may grow by as much as the young generation of V8 does, in bytes. A
 * phase that is long enough for V8 to reach its usual size, in s, has no such allowance.
 */
const YOUNG_GENERATION = 32 << 20;
const LONG_PHASE = 60;

/** The value below which a share of the sorted values lies. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    worst: sorted.at(-1) ?? NaN,
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Attacks a listener on an adapter, phase by phase. */
export async function attack(
  launch: Launch,
  adapter: Adapter,
  flood: string,
  phases: readonly Phase[],
): Promise<Siege> {
  const faults: string[] = [];
  const task = { adapter, hostname: HOST, port: 0, tells: true };
  const { server, port } = await startServer(launch, task);
  await using _server = server;
  await using transfer = startEnd(launch, { ...task, port, role: "transfer" });
  await using probe = startEnd(launch, { ...task, port, role: "probe" });
  const { conv, local } = await transfer.find<Line>(
    "connection",
    (line) => line.conv !== undefined ? line : undefined,
    20_000,
  );
  await probe.find("answered client", ({ client }) => client, 20_000);
  await sleep(WARMUP);

  const samples = (): Sample[] => server.lines.filter(({ rss }) => rss) as unknown as Sample[];
  const before = samples().at(-1)!.stats;
  const windows: { phase: Phase; from: number; to: number; sent: number; seconds: number }[] = [];
  const sent: Record<string, number> = {};
  for (const phase of phases) {
    if (server.over) break;
    const from = Date.now();
    let count = 0, seconds = phase.seconds;
    if (phase.rate === null) await sleep(1000 * phase.seconds);
    else {
      await using attacker = new Program("the attacker", [
        flood,
        `-target=${HOST}:${port}`,
        `-honest=${local}`,
        `-conv=${conv}`,
        `-rate=${phase.rate}`,
        `-seconds=${phase.seconds}`,
        `-seed=${1 + windows.length}`,
      ]);
      const report = await attacker.find<Line>(
        "report",
        (line) => line.sent && line,
        1000 * phase.seconds + 10_000,
      );
      seconds = report.seconds;
      for (const [kind, packets] of Object.entries<number>(report.sent)) {
        sent[kind] = (sent[kind] ?? 0) + packets;
        count += packets;
      }
      if (!report.raw) sent.withoutRawSockets = 1;
    }
    windows.push({ phase, from, to: Date.now(), sent: count, seconds });
  }

  const died = server.over;
  await Promise.all([transfer.tell("stop"), probe.tell("stop")]);
  const done = (program: Program, what: string) =>
    program.find<Line>(what, (line) => line.done && line, DRAIN)
      .catch((error: Error) => void faults.push(error.message));
  const [moved] = await Promise.all([done(transfer, "end"), done(probe, "end")]);
  if (died || server.over) faults.push("the listener died");
  if (moved && !moved.same) {
    faults.push(
      `the transfer lost something: ${moved.sentBytes} bytes sent, ${moved.receivedBytes} came ` +
        `back, ${moved.error ?? "with another SHA-256"}`,
    );
  }
  const pinged = probe.lines.find((line) => line.pinged);
  if (pinged && (pinged.error || pinged.sent !== pinged.received)) {
    faults.push(`${pinged.received} of ${pinged.sent} pings came back: ${pinged.error}`);
  }
  const failed = probe.lines.filter((line) => line.failed);
  if (failed.length > 0) {
    const there = server.lines.find(({ ended }) => ended === failed[0].conv);
    faults.push(
      `${failed.length} new clients were not served, the first: ${failed[0].failed}; ` +
        `at the listener: ${there ? there.message ?? "closed" : "no end"}`,
    );
  }

  const figures = windows.map(({ phase, from, to, sent, seconds }): Figures => {
    const within = ({ at }: { at?: number }) => at !== undefined && at >= from && at < to;
    const bytes = transfer.lines.filter((line) => line.bytes !== undefined && within(line));
    const [first, last] = [bytes[0], bytes.at(-1)];
    const inside = samples().filter(within);
    const third = (i: number) =>
      quantile(
        inside.slice(i * inside.length / 3, (i + 1) * inside.length / 3)
          .map(({ rss }) => rss).toSorted((a, b) => a - b),
        0.5,
      );
    const result: Figures = {
      phase: phase.name,
      attack: sent / seconds,
      throughput: bytes.length > 1 ? (last!.bytes - first.bytes) / (last!.at - first.at) * 1000 : 0,
      ping: spread(
        probe.lines.filter((line) => line.pings && within(line)).flatMap((l) => l.pings),
      ),
      clients: spread(
        probe.lines.filter((line) => line.client && within(line)).map((l) => l.client),
      ),
      late: spread(inside.flatMap(({ late }) => late)),
      memory: [third(0), third(1), third(2)],
    };
    const { ping, clients, memory } = result;
    if (phase.rate && !(clients.p50 <= 3 * ping.p50 + PATIENCE)) {
      faults.push(
        `${phase.name}: the median new client waited ${clients.p50.toFixed(0)} ms, ` +
          `the median ping took ${ping.p50.toFixed(0)} ms`,
      );
    }
    const allowance = phase.seconds < LONG_PHASE ? YOUNG_GENERATION : 0;
    if (phase.rate === 0 && !(memory[2] <= Math.max(GROWTH * memory[1], memory[1] + allowance))) {
      faults.push(
        `${phase.name}: the memory of the listener grew from ${memory[1]} to ${memory[2]}`,
      );
    }
    if (!(result.throughput > 0)) faults.push(`${phase.name}: the transfer stood still`);
    return result;
  });
  await sleep(500);
  return { figures, faults, before, after: samples().at(-1)!.stats, sent };
}
