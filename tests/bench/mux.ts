/**
 * Measures the mux, and smux 1.5.58 on kcp-go in the same way: two processes, and between them a path
 * of a third where one is wanted.
 *
 * @module
 */
import type { LinkOptions } from "../../transport/deno.ts";
import { buildGo, hasGo } from "../interop/go_program.ts";
import type { MuxCount, MuxDelays, MuxMemory, MuxTask } from "./mux_end.ts";
import { type Start, startProgram, startScript } from "./process.ts";

/** What is measured. */
export interface MuxLoad {
  mode: MuxTask["mode"];
  streams: number;
  /** Whether both ends of an idle stream wait for the next byte. */
  waiting?: boolean;
  /** Length of a write, or of a request, in bytes. */
  size: number;
  /** The path between the ends. Default: none, the ends share the loopback. */
  link?: LinkOptions;
  /** Seconds that the count takes. Default: 2. */
  seconds?: number;
}

/** The measuring of one implementation. */
export interface MuxMeasure {
  /** Bytes, or streams, per second. */
  rate(load: MuxLoad): Promise<number>;
  /** Percentiles in ms of a request beside a bulk stream. */
  delays(load: MuxLoad): Promise<MuxDelays>;
  /** Bytes of memory of an idle stream: the mean of both ends. */
  memory(load: MuxLoad): Promise<number>;
}

/** kcptun's buffers. The other settings of smux and of kcp-go are those of the interop peer. */
const SMUX = { version: 2, maxReceiveBuffer: 4 << 20, maxStreamBuffer: 2 << 20 };

/**
 * The mux of this library as `deno run -A` runs it, with nothing set but the version.
 *
 * @param sessions Over how many conversations the streams are spread.
 * @param newCopies How many copies of new data are sent.
 */
export function ourMux(flags: readonly string[], sessions = 1, newCopies = 0): MuxMeasure {
  const all = ["-A", "--unstable-net", "--v8-flags=--expose-gc"];
  const start: Start = (task) => startScript("mux_end.ts", task, flags, all);
  return measureWith(start, { version: 2, sessions, newCopies }, flags);
}

/** smux on kcp-go in its fastest mode, in stream mode. */
export async function theirMux(flags: readonly string[]): Promise<MuxMeasure> {
  const program = await buildGo("smux");
  const settings = { over: "kcp", smux: SMUX };
  return measureWith((task) => startProgram([program, "bench"], task), settings, flags);
}

function measureWith(start: Start, settings: object, flags: readonly string[]): MuxMeasure {
  const run = async <T>(load: MuxLoad, counts: "server" | "client" | "both"): Promise<T[]> => {
    const { mode, streams, waiting = false, size, link, seconds = 2 } = load;
    const task = { ...settings, mode, streams, waiting, size, pause: 10, warmup: 1, seconds };
    const processes = [];
    try {
      const server = start({ ...task, role: "server", port: 0 });
      processes.push(server);
      let { port } = await next<{ port: number }>(server.lines);
      if (link) {
        const proxy = startScript("mux_proxy.ts", { port, link }, flags, ["-A", "--unstable-net"]);
        processes.push(proxy);
        ({ port } = await next<{ port: number }>(proxy.lines));
      }
      const client = start({ ...task, role: "client", port });
      processes.push(client);
      const counting = { server: [server], client: [client], both: [server, client] }[counts];
      return await Promise.all(counting.map(({ lines }) => next<T>(lines)));
    } finally {
      await Promise.all(processes.map((each) => each.stop()));
    }
  };
  return {
    async rate(load) {
      const [{ count, seconds }] = await run<MuxCount>(
        load,
        load.mode === "sink" ? "server" : "client",
      );
      return count / seconds;
    },
    async delays(load) {
      return (await run<MuxDelays>(load, "client"))[0];
    },
    async memory(load) {
      const both = await run<MuxMemory>(load, "both");
      const each = both.map(({ before, after, streams }) => (after - before) / streams);
      return (each[0] + each[1]) / 2;
    },
  };
}

async function next<T>(lines: AsyncGenerator<unknown>): Promise<T> {
  const { value, done } = await lines.next();
  if (done) throw new Error("A process ended before its result");
  return value as T;
}

/** A benchmark of the mux, as mod.ts runs it. */
interface MuxBenchmark {
  name: string;
  unit: "B/s" | "streams/s" | "B" | "ms";
  run(): Promise<number>;
  rival?: { name: string; run(): Promise<number> };
}

/** 50 ms there and back. */
const FAR: LinkOptions = { latency: 25 };

/** All benchmarks of the mux. Below, smux runs on kcp-go. */
export function muxBenchmarks(flags: readonly string[]): MuxBenchmark[] {
  const ours = ourMux(flags);
  const theirs = lazily(() => theirMux(flags));
  const row = (
    name: string,
    unit: MuxBenchmark["unit"],
    measure: (it: MuxMeasure) => () => Promise<number>,
    measured = ours,
  ): MuxBenchmark => {
    const run = async () => await measure(await theirs())();
    const rival = hasGo ? { name: "smux on kcp-go", run } : undefined;
    return { name: `mux/${name}`, unit, run: measure(measured), rival };
  };
  const requests = (name: string, link?: LinkOptions, measured = ours): MuxBenchmark[] => {
    const load: MuxLoad = { mode: "request", streams: 1, size: 1024, link, seconds: 5 };
    // Both percentiles are of one run, if both are wanted.
    const found = new Map<MuxMeasure, { p50?: MuxDelays; p99?: MuxDelays }>();
    const percentile = (which: "p50" | "p99") => (it: MuxMeasure) => async () => {
      const kept = found.get(it)?.[which];
      const delays = kept ?? await it.delays(load);
      found.set(it, kept ? {} : { [which === "p50" ? "p99" : "p50"]: delays });
      return delays[which];
    };
    return (["p50", "p99"] as const).map((which) =>
      row(`request-${name}-${which}`, "ms", percentile(which), measured)
    );
  };
  return [
    ...[1, 100, 1000].map((streams) =>
      row(
        `sink-${streams}`,
        "B/s",
        (it) => () => it.rate({ mode: "sink", streams, size: 64 << 10 }),
      )
    ),
    ...[false, true].map((waiting) =>
      row(
        waiting ? "idle-stream-waiting" : "idle-stream",
        "B",
        (it) => () => it.memory({ mode: "idle", streams: 10_000, waiting, size: 1 }),
      )
    ),
    row("opens", "streams/s", (it) => () => it.rate({ mode: "opens", streams: 100, size: 1 })),
    ...requests("loopback"),
    ...requests("50ms", FAR),
    ...requests("50ms-loss-5%", { ...FAR, loss: 0.05 }),
    // The requests have a conversation of their own: the bulk stream's losses do not delay them.
    ...requests("50ms-loss-5%-sessions-2", { ...FAR, loss: 0.05 }, ourMux(flags, 2)),
    ...requests("50ms-loss-5%-sessions-2-copies", { ...FAR, loss: 0.05 }, ourMux(flags, 2, 2)),
    // A path of 100 Mbit/s, whose queue holds 100 ms.
    ...requests("50ms-100Mbit", { ...FAR, bandwidth: 12.5e6, queueBytes: 1.25e6 }),
  ];
}

/** Calls a function once, when its result is first wanted. */
function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}
