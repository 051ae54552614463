/**
 * Tables of the README that a command writes. They stand between two comments, the first of which
 * names the command.
 *
 * @module
 */

const README = new URL("../../README.md", import.meta.url);
const END = "<!-- the end of the table -->";

/** The comment before a table. */
function beginOf(command: string): string {
  return `<!-- ${command} writes this table -->`;
}

/** Where a table begins and ends in the README. */
function placeOf(readme: string, command: string): [start: number, end: number] {
  const begin = beginOf(command);
  const start = readme.indexOf(begin) + begin.length;
  const end = readme.indexOf(END, start);
  if (start < begin.length || end < 0) throw new Error(`The README has no ${begin} … ${END}`);
  return [start, end];
}

/**
 * The table of a README that a command has written.
 *
 * @throws {Error} If the comments around it are missing.
 */
export function tableIn(readme: string, command: string): string {
  return readme.slice(...placeOf(readme, command)).trim();
}

/** The table of this README that a command has written. */
export async function readTable(command: string): Promise<string> {
  return tableIn(await Deno.readTextFile(README), command);
}

/** Puts a table into the README, in the place of that which the same command has written. */
export async function writeTable(command: string, table: string): Promise<void> {
  const readme = await Deno.readTextFile(README);
  const [start, end] = placeOf(readme, command);
  const text = `${readme.slice(0, start)}\n\n${table}\n\n${readme.slice(end)}`;
  await Deno.writeTextFile(README, text);
}

/** Rows of cells as a table in Markdown, as `deno fmt` writes it. The first row is the head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(3, ...rows.map((row) => row[i].length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i])));
  const rule = widths.map((width) => "-".repeat(width));
  return [lines[0], rule, ...lines.slice(1)].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
