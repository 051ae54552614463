/**
 * The matrix in the README.
 *
 * @module
 */
import { cells, markdown, type MatrixColumn } from "./matrix.ts";

const README = new URL("../../../README.md", import.meta.url);
const BEGIN = "<!-- deno task runtimes --readme writes this table -->";
const END = "<!-- the end of the table -->";

/** The table between the marks of the README, as it stands there. */
export function tableOf(readme: string): string {
  const start = readme.indexOf(BEGIN), end = readme.indexOf(END, start);
  if (start < 0 || end < start) throw new Error(`The README has no ${BEGIN} … ${END}`);
  return readme.slice(start + BEGIN.length, end).trim();
}

/** Writes the matrix between the marks. */
export async function writeReadme(columns: readonly MatrixColumn[]): Promise<void> {
  const readme = await Deno.readTextFile(README);
  const table = markdown(cells(columns));
  const old = `${BEGIN}\n\n${tableOf(readme)}\n\n${END}`;
  if (!readme.includes(old)) throw new Error("The marks in the README stand on lines of their own");
  await Deno.writeTextFile(README, readme.replace(old, () => `${BEGIN}\n\n${table}\n\n${END}`));
}
