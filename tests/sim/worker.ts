/**
 * Runs a share of a campaign: in this thread, or in a worker that campaign.ts started.
 *
 * @module
 */
import { Coverage, fuzz } from "./fuzz/fuzz.ts";
import { LifeFailure, simulateLife } from "./life/run.ts";
import { fuzzMux, MuxCoverage } from "./mux/fuzz.ts";
import { simulateMux } from "./mux/run.ts";
import { simulate } from "./run.ts";

/** What is run: two bare machines, connections and listeners, or streams over one connection. */
export type FamilyName = "machines" | "life" | "mux" | "all";

/** A share of a campaign. */
export interface Share {
  readonly family: FamilyName;
  /** Seeds from `start`, every `step`th, to before `end`. */
  readonly start: number;
  readonly step: number;
  readonly end: number;
  /** Fuzz packets, or frames of the family `mux`, and the seed for them. */
  readonly fuzz: number;
  readonly fuzzSeed: number;
  /** Whether to go on after a failure. */
  readonly goOn: boolean;
}

/** A seed that broke a rule. */
export interface Failure {
  readonly family: FamilyName;
  readonly seed: number;
  readonly rule: string;
  readonly message: string;
}

/** What a share has done since the last report. */
export interface Report {
  readonly runs: number;
  readonly packets: number;
  readonly bytes: number;
  /** Virtual time in ms. */
  readonly time: number;
  readonly fuzzed: number;
  readonly counts: [string, number][];
  readonly failures: Failure[];
  readonly done: boolean;
}

/** Every so many seeds one is run twice: the same seed gives the same run. */
const TWICE = 100;
/** Runs, and fuzz packets, between two reports. */
const BATCH = 250;
const FUZZ_BATCH = 200_000;

/** Runs a share, and reports now and then. */
export async function runShare(share: Share, report: (report: Report) => void): Promise<void> {
  let counts = new Map<string, number>();
  let failures: Failure[] = [];
  let [runs, packets, bytes, time] = [0, 0, 0, 0];
  const tell = (fuzzed: number, done: boolean) => {
    report({ runs, packets, bytes, time, fuzzed, counts: [...counts], failures, done });
    counts = new Map();
    failures = [];
    runs =
      packets =
      bytes =
      time =
        0;
  };
  const add = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count);

  const included = (family: FamilyName) => share.family === family || share.family === "all";
  for (let seed = share.start; seed < share.end; seed += share.step) {
    if (included("mux")) {
      try {
        const result = simulateMux(seed);
        if (seed % TWICE === 0) sameHash("mux", seed, result.hash, simulateMux(seed).hash);
        packets += result.frames;
        bytes += result.bytes;
        time += result.time;
        add("mux: streams", result.streams);
        for (const [name, count] of result.counts) add(`mux: ${name}`, count);
      } catch (error) {
        failures.push({ family: "mux", seed, rule: "mux", message: (error as Error).message });
      }
    }
    if (included("machines")) {
      try {
        const result = simulate(seed);
        packets += result.packets;
        bytes += result.bytes;
        time += result.time;
        add("machines: runs", 1);
        if (result.died) add("machines: dead links", 1);
      } catch (error) {
        failures.push({
          family: "machines",
          seed,
          rule: "machines",
          message: (error as Error).message,
        });
      }
    }
    if (included("life")) {
      try {
        const result = await simulateLife(seed);
        if (seed % TWICE === 0) await again(seed, result.hash);
        packets += result.packets;
        bytes += result.bytes;
        time += result.time;
        for (const [name, count] of result.counts) add(name, count);
      } catch (error) {
        const { rule, message } = error as LifeFailure;
        failures.push({ family: "life", seed, rule: rule ?? "throws", message });
      }
    }
    runs++;
    if (failures.length > 0 && !share.goOn) break;
    if (runs === BATCH || failures.length > 0) tell(0, false);
  }
  for (let fuzzed = 0, round = 0; fuzzed < share.fuzz && failures.length === 0; round++) {
    const size = Math.min(FUZZ_BATCH, share.fuzz - fuzzed);
    const seed = share.fuzzSeed + round * 1000;
    const fail = (error: unknown) =>
      failures.push({ family: "all", seed, rule: "fuzz", message: (error as Error).message });
    if (share.family === "mux") {
      const coverage = new MuxCoverage();
      try {
        fuzzMux(size, seed, coverage);
      } catch (error) {
        fail(error);
      }
      fuzzed += coverage.frames;
      for (const [name, count] of coverage.counts) add(`fuzz: ${name}`, count);
      tell(coverage.frames, false);
      continue;
    }
    const coverage = new Coverage();
    try {
      fuzz(size, seed, coverage);
    } catch (error) {
      fail(error);
    }
    fuzzed += coverage.packets;
    for (const [name, count] of coverage.counts) add(`fuzz: ${name}`, count);
    add("fuzz: honest bytes", coverage.honest);
    tell(coverage.packets, false);
  }
  tell(0, true);
}

/** Rule `hash`. */
async function again(seed: number, hash: string): Promise<void> {
  sameHash("life", seed, hash, (await simulateLife(seed)).hash);
}

function sameHash(family: "life" | "mux", seed: number, first: string, second: string): void {
  if (first === second) return;
  const message = `Seed ${seed} failed: hash: two runs gave ${first} and ${second}`;
  throw family === "life" ? new LifeFailure(seed, "hash", message, null) : new Error(message);
}

/** What a worker has, and the main thread has not. */
interface WorkerScope {
  readonly WorkerGlobalScope?: unknown;
  onmessage: ((event: { data: Share }) => void) | null;
  postMessage(report: Report): void;
}

const scope = globalThis as unknown as WorkerScope;
if (scope.WorkerGlobalScope !== undefined) {
  scope.onmessage = ({ data }) => {
    runShare(data, (report) => scope.postMessage(report));
  };
}
