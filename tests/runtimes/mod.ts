/**
 * Runs one suite on every runtime, and shows what holds where.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { markdownTable, writeTable } from "../readme/marked_table.ts";
import { type Kind, makeBundles } from "./runner/bundles.ts";
import { type Column, columns, type Context } from "./runner/columns.ts";
import { compareHashes, recordedHashes, recordHashes } from "./runner/hashes.ts";
import { cells, type MatrixColumn, README_COMMAND } from "./runner/matrix.ts";
import { Outcome } from "./runner/outcome.ts";
import { Missing } from "./runner/missing.ts";
import { Peer } from "./runner/peer.ts";

const HELP = `Runs one suite on every runtime, and shows what holds where.

deno task runtimes [names] [options]

names      which runtimes. Default: all of
           ${columns.map(({ name }) => name).join(" ")}
--json     prints one JSON object for each result instead of the matrix
--readme   writes the matrix into README.md, if everything was run and holds
--record   writes the hashes of the simulated network into tests/runtimes/hashes.json,
           if all runtimes agree
--jobs=N   how many runtimes run at once. Default: 2
--flags=…  the flags that tests/std/flags.ts prints

A runtime that is not there counts as ignored. With KCP_INTEROP=required it is a failure.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean" },
    json: { type: "boolean" },
    readme: { type: "boolean" },
    record: { type: "boolean" },
    jobs: { type: "string", default: "2" },
    flags: { type: "string", default: "" },
  },
});

if (values.help) {
  console.log(HELP);
  Deno.exit();
}
const jobs = Number(values.jobs);
if (!Number.isInteger(jobs) || jobs < 1) {
  console.error(`Cannot run ${values.jobs} runtimes at once: expected a whole number from 1`);
  Deno.exit(2);
}
for (const name of positionals) {
  if (columns.some((column) => column.name === name)) continue;
  console.error(
    `There is no runtime ${name}: allowed are ${columns.map(({ name }) => name).join(", ")}`,
  );
  Deno.exit(2);
}
const chosen = columns.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const required = Deno.env.get("KCP_INTEROP") === "required";

/** Runs a column, and gives what it has reported. */
async function runColumn(column: Column, context: Context): Promise<Outcome> {
  const outcome = new Outcome();
  try {
    await column.run(context, outcome);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Missing && !required) outcome.missing = message;
    else outcome.fail(message);
  }
  return outcome;
}

const start = performance.now();
const flags = values.flags.split(" ").filter((flag) => flag !== "");
const folder = await makeBundles(flags, new Set(chosen.map(({ kind }): Kind => kind)));
const ran = new Map<Column, MatrixColumn>();
try {
  await using peer = await Peer.start();
  const queue = chosen.values();
  await Promise.all(Array.from({ length: jobs }, async () => {
    for (const column of queue) {
      const outcome = await runColumn(column, { folder, peer });
      ran.set(column, { title: column.title, outcome });
    }
  }));
} finally {
  await Deno.remove(folder, { recursive: true });
}

const matrix = chosen.map((column) => ran.get(column)!);
compareHashes(matrix, values.record ? {} : recordedHashes());
const results = matrix.flatMap(({ outcome }) => outcome.results);
const failed = results.filter(({ ok }) => !ok).length;

if (values.json) {
  for (const [i, { outcome }] of matrix.entries()) {
    for (const result of outcome.results) {
      console.log(
        JSON.stringify({ runtime: chosen[i].name, version: outcome.version, ...result }),
      );
    }
  }
} else {
  console.log(markdownTable(cells(matrix)));
}
for (const { title, outcome } of matrix) {
  if (outcome.missing !== null) console.error(`\n${title} is missing: ${outcome.missing}`);
  for (const { row, name, message } of outcome.failures) {
    console.error(`\n${title} ${outcome.version}: ${row}: ${name}\n${message}`);
  }
}
if (failed === 0 && values.record) recordHashes(matrix);
const missing = matrix.filter(({ outcome }) => outcome.missing !== null).length;
const complete = failed === 0 && missing === 0 && chosen.length === columns.length;
if (complete && values.readme) await writeTable(README_COMMAND, markdownTable(cells(matrix)));

// The form of `deno test`: what adds up test runs can read it.
const seconds = Math.round((performance.now() - start) / 1000);
const summary = `${results.length - failed} passed | ${failed} failed | ${missing} ignored`;
const line = `${failed === 0 ? "ok" : "FAILED"} | ${summary} (${seconds}s)`;
if (values.json) console.error(line);
else console.log(`\n${line}`);
if (values.readme && !complete) console.error("README.md stays as it is: the run is not complete");
Deno.exitCode = failed === 0 ? 0 : 1;
