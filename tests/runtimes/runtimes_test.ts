/**
 * The suite of all runtimes on this one, over sockets in memory, and the matrix of its results.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { markdownTable, tableIn } from "../readme/marked_table.ts";
import { face } from "./ends/memory.ts";
import { columns } from "./runner/columns.ts";
import { compareHashes } from "./runner/hashes.ts";
import { allRows, cells, README_COMMAND, rowNames } from "./runner/matrix.ts";
import { Outcome } from "./runner/outcome.ts";
import { type Check, type Result, runChecks, suite } from "./suite/mod.ts";

const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));

Deno.test("runtimes: the suite holds here, over sockets in memory", async (t) => {
  const results: Result[] = [];
  // Here are sockets, which the face does not tell, and no other process.
  const here = suite.filter(({ row, needsPeer }) =>
    row !== "sockets of the root entry" && !needsPeer
  );
  await runChecks(here, face("compiled"), { path: "kernels" }, (result) => {
    results.push(result);
  });
  for (const { row, name, ok, message } of results) {
    await t.step(`${row}: ${name}`, () => assertEquals(ok, true, message));
  }
  assertEquals(results.length, here.length);
});

/** The results of checks whose outcome is given. */
async function resultsOf(checks: readonly Check[], again = false): Promise<Result[]> {
  const results: Result[] = [];
  const path = again ? "portable" : "kernels";
  await runChecks(checks, face("compiled"), { path, again }, (result) => {
    results.push({ ...result, ms: 0, message: result.message?.split("\n")[0] });
  });
  return results;
}

Deno.test("runtimes: a check that throws, or does not end, has failed; the others go on", async () => {
  const results = await resultsOf([
    { row: "a", name: "throws", run: () => Promise.reject(new TypeError("no")) },
    { row: "a", name: "waits", limit: 10, run: () => new Promise<void>(() => {}) },
    { row: "b", name: "holds", run: () => {} },
    { row: "c", name: "shows", run: () => "node" },
    { row: "d", name: "tells", compared: true, onBothPaths: true, run: () => "12" },
  ]);
  const message = undefined;
  assertEquals(results, [
    { row: "a", name: "throws", ok: false, ms: 0, message: "TypeError: no" },
    {
      row: "a",
      name: "waits",
      ok: false,
      ms: 0,
      message: "Error: It has not ended after 10 ms",
    },
    { row: "b", name: "holds", ok: true, ms: 0, message },
    { row: "c", name: "shows", ok: true, ms: 0, message, shown: "node" },
    { row: "d, kernels", name: "tells", ok: true, ms: 0, message, same: "12" },
  ]);
});

Deno.test("runtimes: the second run has the checks of both paths only", async () => {
  const checks: Check[] = [
    { row: "a", name: "once", run: () => {} },
    { row: "b", name: "twice", onBothPaths: true, run: () => {} },
  ];
  const rows = (results: Result[]) => results.map(({ row }) => row);
  assertEquals(rows(await resultsOf(checks)), ["a", "b, kernels"]);
  assertEquals(rows(await resultsOf(checks, true)), ["b, portable"]);
  assertEquals(rowNames(checks), ["a", "b, kernels", "b, portable"]);
});

/** An outcome with the value of one check. */
function told(same: string): Outcome {
  const outcome = new Outcome();
  outcome.take({ row: "hash", name: "bbr", ok: true, ms: 1, same });
  return outcome;
}

Deno.test("runtimes: a hash that differs from the recorded one, or between runtimes, is a failure", () => {
  const failures = (values: string[], recorded: Record<string, string>) => {
    const tested = values.map((same, i) => ({ title: String(i), outcome: told(same) }));
    compareHashes(tested, recorded);
    return tested.map(({ outcome }) => outcome.failures.map(({ message }) => message).join());
  };
  assertEquals(failures(["a", "a"], { bbr: "a" }), ["", ""]);
  assertEquals(failures(["a", "a"], {}), ["", ""]);
  assertEquals(failures(["a", "b"], {}), ["", "Got b, expected a; the runtimes do not agree"]);
  assertEquals(failures(["b"], { bbr: "a" }), [
    "Got b, expected a; all runtimes agree: if the protocol was changed on purpose, record it with " +
    "--record",
  ]);
});

Deno.test("runtimes: the matrix shows what holds, what fails, what is missing, and what is not there", () => {
  const [first, second] = allRows();
  const good = new Outcome(), bad = new Outcome(), absent = new Outcome();
  good.take({ version: "1.2" });
  good.take({ row: first, name: "kernels", ok: true, ms: 1, shown: "compiled" });
  good.take({ row: second, name: "a", ok: true, ms: 1 });
  bad.take({ row: first, name: "kernels", ok: true, ms: 1 });
  bad.take({ row: first, name: "others", ok: false, ms: 1, message: "no" });
  bad.take({ broken: "The end" });
  absent.missing = "there is no npm";
  const table = cells([
    { title: "A", outcome: good },
    { title: "B", outcome: bad },
    { title: "C", outcome: absent },
  ]);
  assertEquals(table[0], ["", "A 1.2", "B", "C"]);
  assertEquals(table[1], [first, "compiled", "1 of 2 fail", "missing"]);
  assertEquals(table[2], [second, "✓", "–", "missing"]);
  assertEquals(table.at(-1), ["the whole run", "–", "1 of 1 fail", "missing"]);
  assertEquals(bad.failures.map(({ message }) => message), ["no", "The end"]);
});

Deno.test("runtimes: the README has a row for each check, and a column for each runtime", () => {
  const table = tableIn(readme, README_COMMAND);
  const [titles, , ...rows] = table.split("\n")
    .map((line) => line.split("|").slice(1, -1).map((text) => text.trim()));
  assertEquals(rows.map(([row]) => row), allRows());
  const versions = titles.slice(1).map((title) => /^(.+) ([\d.]+)$/.exec(title)!);
  assertEquals(versions.map(([, title]) => title), columns.map(({ title }) => title));
  for (const row of rows) {
    const text = row.join(" | ");
    assertEquals(/fail|missing/.test(text), false, `The README shows a failure: ${text}`);
  }
  assertEquals(markdownTable([titles, ...rows]), table, "It is as deno fmt writes it");
});

Deno.test("runtimes: a README without the marks has no table", () => {
  assertThrows(() => tableIn("# kcp", README_COMMAND), Error, "The README has no");
});
