/**
 * The table of what holds where: rows of checks, columns of runtimes.
 *
 * @module
 */
import { type Check, suite } from "../suite/mod.ts";
import type { Outcome } from "./outcome.ts";
import { WHOLE_RUN } from "./outcome.ts";

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
export function rowNames(checks: readonly Check[] = suite): string[] {
  const rows = new Set<string>();
  for (const { row, onBothPaths } of checks) {
    if (!onBothPaths) rows.add(row);
    else for (const path of ["kernels", "portable"]) rows.add(`${row}, ${path}`);
  }
  return [...rows];
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
  const rows = rowNames();
  if (columns.some(({ outcome }) => outcome.results.some(({ row }) => row === WHOLE_RUN))) {
    rows.push(WHOLE_RUN);
  }
  return [
    ["", ...titles],
    ...rows.map((row) => [row, ...columns.map(({ outcome }) => cell(outcome, row))]),
  ];
}

/** The table in Markdown, as `deno fmt` writes it. */
export function markdown(table: readonly (readonly string[])[]): string {
  const widths = table[0].map((_, i) => Math.max(3, ...table.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, i) => text.padEnd(widths[i])).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(table[0]), rule, ...table.slice(1).map(line)].join("\n");
}
