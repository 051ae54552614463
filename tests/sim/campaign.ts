/**
 * Runs many seeded simulations, and structured fuzz packets; stops at the first that breaks a rule.
 *
 * @module
 */
import { simulateLife } from "./life/run.ts";
import { simulateMux } from "./mux/run.ts";
import { simulate } from "./run.ts";
import { type Failure, type FamilyName, type Report, runShare, type Share } from "./worker.ts";

const USAGE = `Runs seeded simulations of KCP over bad networks: of two bare machines (machines), of
connections and listeners from their first packet to their last (life), and of streams over one
connection (mux). Prints what it covered.

  --runs N      how many seeds. Default: 20000
  --start N     the first seed. Default: 0
  --seed N      runs one seed again and prints all that happens
  --family F    machines, life, mux, or all. Default: all
  --fuzz N      feeds N fuzz packets into the machines, or N frames with --family mux, instead of
                simulations unless --runs is there
  --jobs N      how many threads. Default: 1
  --go-on       goes on after a failure; prints each as it happens, and a table at the end
  --help        prints this`;

interface Arguments {
  runs: number;
  start: number;
  seed: number | null;
  family: FamilyName;
  fuzz: number;
  jobs: number;
  goOn: boolean;
}

const FAMILIES: readonly string[] = ["machines", "life", "mux", "all"];

/** Reads the arguments; throws with a message for the user when they make no sense. */
function parse(args: readonly string[]): Arguments {
  const values = new Map<string, number>();
  let family = "all";
  let goOn = false;
  for (let i = 0; i < args.length; i++) {
    const name = args[i];
    if (name === "--go-on") {
      goOn = true;
      continue;
    }
    const value = args[++i];
    if (name === "--family") {
      if (!FAMILIES.includes(value)) {
        throw new RangeError(`Cannot run the family ${value}: there are ${FAMILIES.join(", ")}`);
      }
      family = value;
      continue;
    }
    if (!["--runs", "--start", "--seed", "--fuzz", "--jobs"].includes(name)) {
      throw new RangeError(`Cannot use ${name}: see --help`);
    }
    if (value === undefined || !/^\d+$/.test(value)) {
      throw new RangeError(`Cannot set ${name} to ${value}: it must be a whole number`);
    }
    values.set(name, Number(value));
  }
  const packets = values.get("--fuzz") ?? 0;
  return {
    runs: values.get("--runs") ?? (packets > 0 ? 0 : 20_000),
    start: values.get("--start") ?? 0,
    seed: values.get("--seed") ?? null,
    family: family as FamilyName,
    fuzz: packets,
    jobs: Math.max(1, values.get("--jobs") ?? 1),
    goOn,
  };
}

/** Runs a share in a worker of its own. */
function runInWorker(share: Share, report: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      report(data);
      if (!data.done) return;
      worker.terminate();
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(share);
  });
}

/** What a campaign has done so far. */
class Progress {
  readonly options: Arguments;
  readonly counts = new Map<string, number>();
  readonly failures: Failure[] = [];
  #runs = 0;
  #packets = 0;
  #bytes = 0;
  #time = 0;
  #fuzzed = 0;
  #shown = 0;
  readonly #began = performance.now();

  constructor(options: Arguments) {
    this.options = options;
  }

  add(report: Report): void {
    this.#runs += report.runs;
    this.#packets += report.packets;
    this.#bytes += report.bytes;
    this.#time += report.time;
    this.#fuzzed += report.fuzzed;
    for (const [name, count] of report.counts) {
      this.counts.set(name, (this.counts.get(name) ?? 0) + count);
    }
    this.failures.push(...report.failures);
    // A campaign that is stopped early has printed what it found.
    if (this.options.goOn) report.failures.forEach(tellOne);
    const now = performance.now();
    if (now - this.#shown > 10_000) {
      this.#shown = now;
      this.show();
    }
  }

  show(): void {
    const seconds = (performance.now() - this.#began) / 1000;
    const { runs, fuzz: packets } = this.options;
    const parts = [];
    if (runs > 0) {
      parts.push(
        `${this.#runs} of ${runs} runs, ${this.#packets} packets, ${this.#bytes} bytes, ${
          (this.#time / 3_600_000).toFixed(1)
        } virtual hours`,
      );
    }
    if (packets > 0) parts.push(`${this.#fuzzed} of ${packets} fuzz packets`);
    console.log(`${parts.join(", ")}, ${this.failures.length} failures, ${seconds.toFixed(1)} s`);
  }

  /** Prints what was covered. */
  cover(): void {
    const names = [...this.counts.keys()].sort();
    const width = Math.max(0, ...names.map((name) => name.length));
    for (const name of names) console.log(`${name.padEnd(width)}  ${this.counts.get(name)}`);
  }

  /** Prints the failures by rule. */
  tell(): void {
    const rules = new Map<string, Failure[]>();
    for (const failure of this.failures) {
      const list = rules.get(failure.rule);
      if (list) list.push(failure);
      else rules.set(failure.rule, [failure]);
    }
    for (const [rule, failures] of [...rules].sort()) {
      const seeds = failures.map(({ seed }) => seed).sort((a, b) => a - b);
      console.error(`${rule}: ${failures.length} failures, seeds ${seeds.slice(0, 10).join(", ")}`);
      tellOne(failures.find(({ seed }) => seed === seeds[0])!);
    }
  }
}

/** Prints a failure, and how to see it again. */
function tellOne({ rule, family, seed, message }: Failure): void {
  console.error(`  ${message}`);
  if (rule !== "fuzz") {
    console.error(`  replay: deno task sim --family ${family} --seed ${seed}`);
  }
}

/** Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let options: Arguments;
  try {
    options = parse(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  if (options.seed !== null) return await replay(options.seed, options.family);

  const { runs, start, family, jobs, goOn } = options;
  const progress = new Progress(options);
  const controller = new AbortController();
  const report = (each: Report) => {
    progress.add(each);
    if (progress.failures.length > 0 && !goOn) controller.abort();
  };
  const shares = Array.from({ length: jobs }, (_, n): Share => ({
    family,
    start: start + n,
    step: jobs,
    end: start + runs,
    fuzz: Math.ceil(options.fuzz / jobs),
    fuzzSeed: start + n,
    goOn,
  }));
  const stopped = new Promise<void>((resolve) => {
    controller.signal.addEventListener("abort", () => resolve());
  });
  const all = jobs === 1
    ? runShare(shares[0], report)
    : Promise.all(shares.map((share) => runInWorker(share, report)));
  await Promise.race([all, stopped]);
  progress.show();
  progress.cover();
  if (progress.failures.length === 0) return 0;
  progress.tell();
  return 1;
}

async function replay(seed: number, family: FamilyName): Promise<number> {
  let code = 0;
  const attempt = async (run: () => unknown) => {
    try {
      console.log(await run());
    } catch (error) {
      console.error((error as Error).cause);
      console.error((error as Error).message);
      code = 1;
    }
  };
  const included = (name: FamilyName) => family === name || family === "all";
  if (included("machines")) await attempt(() => simulate(seed, console.log));
  if (included("life")) await attempt(() => simulateLife(seed, console.log));
  if (included("mux")) await attempt(() => simulateMux(seed, console.log));
  return code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
