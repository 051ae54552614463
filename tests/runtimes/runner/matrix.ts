/**
 * The table of what holds where: rows of checks, columns of runtimes.
 *
 * @module
 */
import { type Check, END_ROW, suite } from "../suite/mod.ts";
import type { Outcome } from "./outcome.ts";
import { WHOLE_RUN } from "./outcome.ts";

/** What writes the table into the README. */
export const README_COMMAND = "deno task runtimes --readme";

/** A column, and what its runtime has reported. */
export interface MatrixColumn {
  readonly title: string;
  readonly outcome: Outcome;
}

/** The mark of a row that holds. */
const HOLDS = "✓";
/** The mark of a row that does not apply. */
const NONE = "–";

/** The names of all rows, in the order of the suite. */
export function rowNames(checks: readonly Check[]): string[] {
  const rows = new Set<string>();
  for (const { row, onBothPaths } of checks) {
    if (!onBothPaths) rows.add(row);
    else for (const path of ["kernels", "portable"]) rows.add(`${row}, ${path}`);
  }
  return [...rows];
}

/** All rows of the matrix: those of the suite, and what the peer sees when a process ends. */
export function allRows(): string[] {
  return [...rowNames(suite), END_ROW];
}

/** What stands where a row meets a column. */
function cell({ missing, results }: Outcome, row: string): string {
  if (missing !== null) return "missing";
  const of = results.filter((result) => result.row === row);
  if (of.length === 0) return NONE;
  const failed = of.filter(({ ok }) => !ok).length;
  if (failed > 0) return `${failed} of ${of.length} fail`;
  return of.find(({ shown }) => shown !== undefined)?.shown ?? HOLDS;
}

/** The cells of the table, the titles first. */
export function cells(columns: readonly MatrixColumn[]): string[][] {
  const titles = columns.map(({ title, outcome }) => `${title} ${outcome.version}`.trimEnd());
  const rows = allRows();
  if (columns.some(({ outcome }) => outcome.results.some(({ row }) => row === WHOLE_RUN))) {
    rows.push(WHOLE_RUN);
  }
  return [
    ["", ...titles],
    ...rows.map((row) => [row, ...columns.map(({ outcome }) => cell(outcome, row))]),
  ];
}
