/**
 * Measures: `deno task bench [--json] [--runs N] [name…]`.
 *
 * Each figure is the median of several runs after a warm-up; the runs of all figures take turns, so that a
 * machine that is slow for a while is slow for all of them.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runCore } from "./core.ts";

/** One figure, as `--json` prints it. */
interface Result {
  name: string;
  value: number;
  unit: string;
}

/** Something that can be measured again and again. */
interface Benchmark {
  name: string;
  unit: string;
  run(): number;
}

const benchmarks: Benchmark[] = [
  ...[128, 1024, 4096, 16_384].map((window) => ({
    name: `core/window-${window}`,
    unit: "segments/s",
    run: () => runCore(window, 0, 400_000),
  })),
  {
    name: "core/window-16384-loss-5%",
    unit: "segments/s",
    run: () => runCore(16_384, 0.05, 400_000),
  },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "7" },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) {
  console.error(`Cannot make ${values.runs} runs: allowed are whole numbers from 1`);
  Deno.exit(2);
}
const chosen = benchmarks.filter(({ name }) =>
  positionals.length === 0 || positionals.some((part) => name.includes(part))
);
if (chosen.length === 0) {
  console.error(`No benchmark has ${positionals.join(" or ")} in its name`);
  Deno.exit(2);
}

const samples = chosen.map((): number[] => []);
for (const { run } of chosen) run();
for (let i = 0; i < runs; i++) chosen.forEach(({ run }, n) => samples[n].push(run()));

const width = Math.max(...chosen.map(({ name }) => name.length));
chosen.forEach(({ name, unit }, n) => {
  const sorted = samples[n].toSorted((a, b) => a - b);
  const result: Result = { name, value: sorted[Math.floor(runs / 2)], unit };
  if (values.json) {
    console.log(JSON.stringify(result));
  } else {
    const figure = (value: number) => (value / 1e6).toFixed(2);
    console.log(
      `${name.padEnd(width)}   ${figure(result.value)} M ${unit}   (${figure(sorted[0])} to ${
        figure(sorted[runs - 1])
      })`,
    );
  }
});
