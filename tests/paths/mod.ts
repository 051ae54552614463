/**
 * How congestion control uses paths: `deno task paths`, `--help` says how.
 *
 * @module
 */
import { runOnLanes } from "../measure/lanes.ts";
import { type Arguments, parse, USAGE } from "./arguments.ts";
import { draw } from "./drawing.ts";
import { applies, type Configuration, type Row } from "./grid.ts";
import type { Outcome } from "./measure.ts";
import { type Line, lineOf, Report } from "./report.ts";
import type { Answer, Task } from "./worker.ts";

/** Rows with changes of the path last as long as the last change and these seconds, at least. */
const AFTER_CHANGE = 5;

/** For how long the flows of a row send, in seconds. */
function secondsOf({ seconds, changes = [] }: Row, most: number): number {
  const least = changes.length === 0 ? 1 : changes.at(-1)!.at + AFTER_CHANGE;
  return Math.max(least, Math.min(seconds, most));
}

/** Measures every row, and shows each as soon as it and those before it are complete. */
async function measure(
  { rows, configurations, seeds, seconds, jobs }: Arguments,
  report: Report,
): Promise<void> {
  const all = rows.map((row) => ({
    row,
    seconds: secondsOf(row, seconds),
    configurations: configurations.filter((each) => applies(row, each)),
    results: new Map<Configuration, Line | string[]>(),
  })).filter(({ configurations }) => configurations.length > 0);
  let shown = 0;
  const show = () => {
    for (; shown < all.length; shown++) {
      const { row, configurations, results } = all[shown];
      if (results.size < configurations.length) return;
      report.show(
        row,
        configurations.map((configuration) => ({
          configuration,
          line: results.get(configuration)!,
        })),
      );
    }
  };
  const work = all.flatMap(({ row, seconds, configurations, results }) =>
    configurations.map((configuration) => async (lane: { run(task: Task): Promise<Answer> }) => {
      const task = {
        row: row.name,
        configuration: configuration.name,
        seeds: seeds ?? row.seeds ?? 1,
        seconds,
      };
      const answer = await lane.run(task);
      const failures = answer.filter((each) => typeof each === "string");
      const outcomes = answer.filter((each): each is Outcome => typeof each !== "string");
      results.set(
        configuration,
        failures.length > 0 ? failures : lineOf(row, configuration, outcomes, seconds),
      );
      show();
    })
  );
  await runOnLanes<Task, Answer>(jobs, new URL("./worker.ts", import.meta.url), work);
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
  const { rows, configurations, json, svg } = options;
  const began = performance.now();
  const report = new Report();
  await measure(options, report);
  report.leftOut(rows, configurations);
  report.summary(configurations, (performance.now() - began) / 1000);
  const head = {
    time: "virtual",
    deno: Deno.version.deno,
    date: new Date().toISOString().slice(0, 10),
  };
  if (json) {
    const lines = [head, ...report.lines].map((line) => JSON.stringify(line));
    await Deno.writeTextFile(json, `${lines.join("\n")}\n`);
  }
  if (svg) await Deno.writeTextFile(svg, draw(report.lines));
  return report.failures > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
