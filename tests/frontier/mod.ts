/**
 * Latency against bytes, of this module and of kcp-go: `deno task frontier`, `--help` says how.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { hasGo } from "../interop/peer.ts";
import {
  APPLICATIONS,
  type Cell,
  type Configuration,
  CONFIGURATIONS,
  KCP_GO_CONFIGURATIONS,
  linkOf,
  nameOf,
  ROUND_TRIPS,
  TROUBLES,
  WAYS,
} from "./grid.ts";
import { KCP_GO_VERSION, VirtualKcpGo } from "./kcp_go.ts";
import { dominated, floorOf, type Point, pointOf } from "./point.ts";
import type { SessionJob, SessionResult } from "./session.ts";
import type { Answer, Task } from "./worker.ts";

const USAGE =
  `Measures how long messages take, and how many bytes that costs, in virtual time: of this module,
and of kcp-go ${KCP_GO_VERSION} if Go is there. By default it runs what the README shows.

  --all          the whole grid. Takes hours
  --app LIST     ${APPLICATIONS.map(({ name }) => name).join(", ")}. Default: game
  --way LIST     ${WAYS.join(", ")}. Default: both-ways
  --rtt LIST     ${ROUND_TRIPS.join(", ")} ms, or others. Default: 100
  --loss LIST    ${TROUBLES.map(({ name }) => name).join(", ")}.
                 10x3 is 10 % in bursts of 3 on average. Default: 0, 1, 5, 10, 20
  --config LIST  ${CONFIGURATIONS.map(({ name }) => name).join(", ")}. Default: all
  --peer WHO     kcp-go or none. Default: kcp-go
  --seeds N      sessions of each point. Default: 20
  --seconds N    for how long a session sends. Default: 60
  --jobs N       how many at once. Default: one for each core
  --json FILE    writes the points, one JSON object a line
  --help         prints this

The bytes are compared with the floor: what this module sends for the same traffic without loss, at
the same settings and without redundancy. UDP and IP headers are not counted. Percentiles are those of
all messages of a point together. The figure behind the p99 is its standard error.`;

interface Arguments {
  readonly cells: readonly Cell[];
  readonly configurations: readonly Configuration[];
  readonly peer: boolean;
  readonly seeds: number;
  readonly seconds: number;
  readonly jobs: number;
  readonly json: string | undefined;
}

/** Reads the arguments; throws with a message for the user when they make no sense. */
function parse(args: readonly string[]): Arguments | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      all: { type: "boolean", default: false },
      app: { type: "string" },
      way: { type: "string" },
      rtt: { type: "string" },
      loss: { type: "string" },
      config: { type: "string" },
      peer: { type: "string", default: "kcp-go" },
      seeds: { type: "string", default: "20" },
      seconds: { type: "string", default: "60" },
      jobs: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const { all } = values;
  const applications = choose("app", values.app, APPLICATIONS, all ? null : ["game"]);
  const ways = choose(
    "way",
    values.way,
    WAYS.map((name) => ({ name })),
    all ? null : ["both-ways"],
  );
  const troubles = choose("loss", values.loss, TROUBLES, all ? null : ["0", "1", "5", "10", "20"]);
  const configurations = choose("config", values.config, CONFIGURATIONS, null);
  if (values.peer !== "kcp-go" && values.peer !== "none") {
    throw new RangeError(`Cannot set --peer to ${values.peer}: allowed are kcp-go and none`);
  }
  const roundTrips = values.rtt?.split(",").map((text) => number("rtt", text)) ??
    (all ? ROUND_TRIPS : [100]);
  return {
    cells: applications.flatMap((application) =>
      ways.flatMap(({ name: way }) =>
        roundTrips.flatMap((roundTrip) =>
          troubles.map((trouble) => ({ application, way, roundTrip, trouble }))
        )
      )
    ),
    configurations,
    peer: values.peer === "kcp-go",
    seeds: number("seeds", values.seeds),
    seconds: number("seconds", values.seconds),
    jobs: number("jobs", values.jobs ?? `${navigator.hardwareConcurrency}`),
    json: values.json,
  };
}

function number(name: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new RangeError(`Cannot set --${name} to ${text}: allowed are whole numbers from 1`);
  }
  return Number(text);
}

/** Chooses by names, separated by commas. Without a choice, the default; null stands for all. */
function choose<T extends { readonly name: string }>(
  name: string,
  text: string | undefined,
  all: readonly T[],
  fallback: readonly string[] | null,
): readonly T[] {
  const names = text?.split(",") ?? fallback ?? all.map(({ name }) => name);
  return names.map((wanted) => {
    const found = all.find(({ name }) => name === wanted);
    if (found) return found;
    const allowed = all.map(({ name }) => name).join(", ");
    throw new RangeError(`Cannot set --${name} to ${wanted}: allowed are ${allowed}`);
  });
}

/** Runs tasks one after the other, each in the same worker. */
class Lane {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

  run(task: Task): Promise<(SessionResult | Error)[]> {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }: MessageEvent<Answer>) => {
        resolve(data.map((each) => typeof each === "string" ? new Error(each) : each));
      };
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      this.#worker.postMessage(task);
    });
  }

  stop(): void {
    this.#worker.terminate();
  }
}

/** What one configuration gave in one cell. */
type Outcome = (SessionResult | Error)[];
/** Something to run on a lane. */
type Work = (lane: Lane) => Promise<void>;

/** Runs all work, on several lanes at once. */
async function runAll(work: Work[], lanes: readonly Lane[]): Promise<void> {
  let next = 0;
  await Promise.all(lanes.map(async (lane) => {
    while (next < work.length) await work[next++](lane);
  }));
}

function jobsOf(cell: Cell, seeds: number, seconds: number): SessionJob[] {
  const { rate, size } = cell.application;
  return Array.from({ length: seeds }, (_, i) => ({
    seed: i + 1,
    rate,
    size,
    messages: rate * seconds,
    bothWays: cell.way === "both-ways",
    link: linkOf(cell),
  }));
}

/** A line of the table. */
function row(point: Point): string {
  const { implementation, configuration, p50, p99, p99Error, p999, worst, bytes, packets } = point;
  const name = implementation === "ours" ? configuration : `kcp-go ${configuration}`;
  const ms = (value: number, width = 8) => value.toFixed(1).padStart(width);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(10);
  return `  ${name.padEnd(22)}${ms(p50)}${ms(p99)} ± ${p99Error.toFixed(1).padEnd(5)}${ms(p999)}${
    ms(worst)
  }${percent(bytes)}${percent(packets)}`;
}

const HEAD = `  ${"ms, one way".padEnd(22)}${"p50".padStart(8)}${"p99".padStart(8)}${
  " ".repeat(8)
}${"p99.9".padStart(8)}${"worst".padStart(8)}${"bytes".padStart(10)}${"packets".padStart(10)}`;

/** The lines of JSON of a cell. */
function linesOf(cell: Cell, points: readonly Point[], seconds: number): string[] {
  return points.map((point) => {
    const ours = point.implementation === "ours";
    const peer = ours
      ? points.find((other) =>
        other.implementation === "kcp-go" && other.configuration === point.configuration
      )
      : undefined;
    return JSON.stringify({
      name: `${nameOf(cell)}/${ours ? "" : "kcp-go/"}${point.configuration}`,
      value: point.p99,
      unit: "ms",
      ...peer && { peer: "kcp-go", peerValue: peer.p99, ratio: point.p99 / peer.p99 },
      application: cell.application.name,
      way: cell.way,
      roundTrip: cell.roundTrip,
      trouble: cell.trouble.name,
      ...point,
      sessionSeconds: seconds,
    });
  });
}

async function measure(options: Arguments): Promise<number> {
  const { cells, configurations, seeds, seconds } = options;
  const began = performance.now();
  if (options.peer && !hasGo) {
    console.error("kcp-go is not measured: there is no Go on the PATH");
  }
  const kcpGo = options.peer && hasGo ? await VirtualKcpGo.build() : null;
  const theirs = kcpGo
    ? KCP_GO_CONFIGURATIONS.filter(({ name }) => configurations.some((own) => own.name === name))
    : [];
  const perCell = configurations.length + theirs.length;
  console.log(
    `${cells.length} cells, ${
      cells.length * perCell
    } points, each of ${seeds} sessions of ${seconds} s`,
  );

  const work: Work[] = [];
  const floors = new Map<string, Outcome>();
  const outcomes = cells.map((): Outcome[] => Array(perCell));
  const left = cells.map(() => perCell);
  const lines: string[] = [];
  let failures = 0;
  let shown = 0;
  let pairs = 0;

  const floorKey = ({ application, way, roundTrip }: Cell) =>
    `${application.name} ${way} ${roundTrip}`;
  for (const cell of cells) {
    const key = floorKey(cell);
    if (floors.has(key)) continue;
    floors.set(key, []);
    const clean: Cell = { ...cell, trouble: TROUBLES[0] };
    work.push(async (lane) => {
      const task = { jobs: jobsOf(clean, 1, seconds), options: CONFIGURATIONS[0].options };
      floors.set(key, await lane.run(task));
    });
  }

  /** Shows the cells that are complete, in order. */
  const show = () => {
    for (; shown < cells.length && left[shown] === 0; shown++) {
      const cell = cells[shown];
      const [floorResult] = floors.get(floorKey(cell))!;
      if (floorResult instanceof Error) throw floorResult;
      const floor = floorOf([floorResult]);
      console.log(
        `\n${cell.application.name}, ${cell.way}, ${cell.roundTrip} ms, ${cell.trouble.title}; ` +
          `floor ${floor.bytes.toFixed(0)} bytes, ${floor.packets.toFixed(2)} packets a message`,
      );
      console.log(HEAD);
      const points: Point[] = [];
      for (const [i, outcome] of outcomes[shown].entries()) {
        const ours = i < configurations.length;
        const { name } = ours ? configurations[i] : theirs[i - configurations.length];
        const failed = outcome.filter((result) => result instanceof Error);
        for (const error of failed) console.log(`  ${ours ? "" : "kcp-go "}${name}: ${error}`);
        failures += failed.length;
        const finished = outcome.filter((result) => !(result instanceof Error)) as SessionResult[];
        if (finished.length === 0) continue;
        const point = pointOf(ours ? "ours" : "kcp-go", name, finished, floor);
        points.push(point);
        console.log(row(point));
      }
      for (const { theirs, ours } of dominated(points)) {
        pairs++;
        console.log(
          `  kcp-go ${theirs.configuration} has a lower p99 and fewer bytes than ${ours.configuration}`,
        );
      }
      lines.push(...linesOf(cell, points, seconds));
    }
  };

  for (const [n, cell] of cells.entries()) {
    const jobs = jobsOf(cell, seeds, seconds);
    const done = (i: number, outcome: Outcome) => {
      outcomes[n][i] = outcome;
      left[n]--;
      show();
    };
    for (const [i, { options }] of configurations.entries()) {
      work.push(async (lane) => done(i, await lane.run({ jobs, options })));
    }
    for (const [i, { data, parity }] of theirs.entries()) {
      work.push(async () =>
        done(
          configurations.length + i,
          await kcpGo!.run(jobs.map((job) => ({ ...job, data, parity }))),
        )
      );
    }
  }

  const lanes = Array.from({ length: options.jobs }, () => new Lane());
  await runAll(work, lanes);
  for (const lane of lanes) lane.stop();
  const minutes = (seeds * seconds / 60).toFixed(0);
  console.log(
    `\n${lines.length} points of ${
      cells.length * perCell
    }, ${minutes} minutes of session time each, ` +
      `${failures} sessions failed, ${((performance.now() - began) / 1000).toFixed(0)} s`,
  );
  if (kcpGo) {
    console.log(
      pairs === 0
        ? "No point of kcp-go's has both a lower p99 and fewer bytes than one of ours"
        : `${pairs} times a point of kcp-go's has both a lower p99 and fewer bytes than one of ours`,
    );
  }
  if (options.json) {
    const head = JSON.stringify({
      deno: Deno.version.deno,
      kcpGo: kcpGo ? `v${KCP_GO_VERSION}` : null,
      time: "virtual",
      date: new Date().toISOString().slice(0, 10),
    });
    await Deno.writeTextFile(options.json, `${[head, ...lines].join("\n")}\n`);
  }
  return failures > 0 ? 1 : 0;
}

/** Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  let options: Arguments | null;
  try {
    options = parse(args);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  return await measure(options);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
