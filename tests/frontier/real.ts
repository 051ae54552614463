/**
 * The same measurement in real time: many sessions at once, over real sockets, through a proxy that
 * loses packets. kcp-go and this module take turns, each with two processes, through the same proxy
 * program with the same seeds.
 *
 * @module
 */
import { jsonLines } from "../bench/process.ts";
import type { Arguments } from "./arguments.ts";
import { Delays } from "./delays.ts";
import { type Cell, type Configuration, type KcpGoConfiguration, linkOf } from "./grid.ts";
import { buildReal } from "./kcp_go.ts";
import { type Point, pointOf } from "./point.ts";
import type { EndTask } from "./real_end.ts";
import type { Report } from "./report.ts";
import type { SessionResult } from "./session.ts";
import { measureFloor } from "./virtual.ts";

/** What came of a run. */
interface RealResult {
  /** One result for each session. The bytes of the run are divided equally. */
  readonly results: SessionResult[];
  /** How late 99 of 100 packets left the proxy at most, in ms. */
  readonly late: number;
  /** The longest time in ms that one of the three processes did not run. */
  readonly stall: number;
}

/** A process that prints lines of JSON, and ends when its stdin is closed. */
class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<unknown>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor(program: string, args: string[]) {
    const options = { args, stdin: "piped", stdout: "piped" } as const;
    this.#process = new Deno.Command(program, options).spawn();
    this.#lines = jsonLines(this.#process.stdout);
    this.#input = this.#process.stdin.getWriter();
  }

  async line<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new Error(`A process ended with exit code ${(await this.#process.status).code}`);
    }
    return value as T;
  }

  async ask<T>(): Promise<T> {
    await this.#input.write(new TextEncoder().encode("\n"));
    return await this.line();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 2000);
    while (!(await this.#lines.next()).done);
    await this.#process.status;
    clearTimeout(timer);
  }
}

/**
 * Runs a pair of ends through the proxy.
 *
 * @param program The proxy and kcp-go's ends.
 * @param configuration One of this module's, or one of kcp-go's.
 * @param sessions How many sessions there are at once.
 * @param seed The seed of the proxy. The same seed loses the same packets of each session, by number.
 */
async function run(
  program: string,
  cell: Cell,
  configuration: Configuration | KcpGoConfiguration,
  sessions: number,
  seed: number,
  { seconds, linux, flags }: Arguments,
): Promise<RealResult> {
  const { rate, size } = cell.application;
  const traffic = {
    sessions,
    rate,
    size,
    messages: rate * seconds,
    bothWays: cell.way === "both-ways",
  };
  const start = (role: "serve" | "dial", port?: number) => {
    if (!("options" in configuration)) {
      const { data, parity } = configuration;
      return new Child(program, [role, JSON.stringify({ ...traffic, port, data, parity })]);
    }
    const task: EndTask = { ...traffic, role, port, options: configuration.options, linux };
    const script = new URL("real_end.ts", import.meta.url).pathname;
    const all = ["run", "--no-lock", "--no-check", "--unstable-net", ...flags, "-A", script];
    return new Child(Deno.execPath(), [...all, JSON.stringify(task)]);
  };
  await using server = start("serve");
  const { port } = await server.line<{ port: number }>();
  const way = { port, link: linkOf(cell), seed };
  await using proxy = new Child(program, ["proxy", JSON.stringify(way)]);
  const { port: proxyPort } = await proxy.line<{ port: number }>();
  await using client = start("dial", proxyPort);
  type Found = { delays: Record<string, Record<string, number>> | null; stall: number };
  const both = await Promise.all([server.line<Found>(), client.line<Found>()]);
  const sums = await proxy.ask<{ bytes: number; packets: number; late: number; stall: number }>();
  const byConversation = new Map<string, Delays>();
  for (const { delays } of both) {
    for (const [conv, counts] of Object.entries(delays ?? {})) {
      const all = byConversation.get(conv) ?? new Delays();
      byConversation.set(conv, all);
      all.merge(Object.entries(counts).map(([steps, count]) => [Number(steps), count]));
    }
  }
  const results = [...byConversation.values()].map((delays): SessionResult => ({
    delays: delays.entries(),
    bytes: sums.bytes / sessions,
    packets: sums.packets / sessions,
    sent: delays.messages,
  }));
  const stall = Math.max(sums.stall, ...both.map(({ stall }) => stall));
  return { results, late: sums.late, stall };
}
/** A run with more than this was disturbed: see {@linkcode RealResult}. In ms. */
const MAX_LATE = 5;
const MAX_STALL = 100;

/** The seeds of two runs with different sessions are this far apart. */
const SEED_STEP = 1000;

/**
 * Measures every cell. The configurations take turns, in several rounds. A run that the machine
 * disturbed is made again; of all tries, the one whose proxy was least late counts.
 */
export async function measureReal(options: Arguments, report: Report): Promise<void> {
  const { cells, configurations, theirs, seeds, seconds, jobs, tries } = options;
  const program = await buildReal();
  const rounds = Math.ceil(seeds / jobs);
  let repeated = 0;
  for (const cell of cells) {
    const floor = measureFloor(cell, seconds);
    report.begin(cell, floor);
    // Each configuration of kcp-go follows the one of this module that has the same settings.
    const order: (Configuration | KcpGoConfiguration)[] = configurations.flatMap((own) => [
      own,
      ...theirs.filter(({ name }) => name === own.name),
    ]);
    const found = new Map(order.map((each) => [each, [] as SessionResult[]]));
    const disturbed = new Map(order.map((each) => [each, { late: 0, stall: 0 }]));
    for (let round = 0; round < rounds; round++) {
      const sessions = Math.min(jobs, seeds - round * jobs);
      for (const each of order) {
        const once = () => run(program, cell, each, sessions, round * SEED_STEP, options);
        let result = await once();
        for (let n = 1; n < tries && (result.late > MAX_LATE || result.stall > MAX_STALL); n++) {
          repeated++;
          const next = await once();
          if (next.late < result.late) result = next;
        }
        found.get(each)!.push(...result.results);
        const worst = disturbed.get(each)!;
        worst.late = Math.max(worst.late, result.late);
        worst.stall = Math.max(worst.stall, result.stall);
      }
    }
    const points = [...configurations, ...theirs].map((each): Point => {
      const implementation = "options" in each ? "ours" : "kcp-go";
      const point = pointOf(implementation, each.name, found.get(each)!, floor);
      return { ...point, ...disturbed.get(each) };
    });
    report.end(cell, points);
  }
  console.log(
    `\n${repeated} runs were made again: the proxy was more than ${MAX_LATE} ms late, or a process ` +
      `stalled for more than ${MAX_STALL} ms`,
  );
}
