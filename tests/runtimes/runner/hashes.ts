/**
 * The values that must be the same on all runtimes, and the recorded ones. Those of BBR are not in the
 * record: it is tuned too often.
 *
 * @module
 */
import type { MatrixColumn } from "./matrix.ts";

const FILE = new URL("../hashes.json", import.meta.url);

/** Values by the name of the check. */
export type Hashes = Readonly<Record<string, string>>;

/** Reads the recorded values. */
export function recordedHashes(): Hashes {
  return JSON.parse(Deno.readTextFileSync(FILE));
}

/** Writes the values of all runtimes, which are the same, for the names that are in the record. */
export function recordHashes(columns: readonly MatrixColumn[]): void {
  const values = new Map(allValues(columns));
  const names = Object.keys(recordedHashes()).filter((name) => values.has(name));
  const hashes = Object.fromEntries(names.map((name) => [name, values.get(name)]));
  Deno.writeTextFileSync(FILE, `${JSON.stringify(hashes, null, 2)}\n`);
}

/** Each value that a column has reported. */
function allValues(columns: readonly MatrixColumn[]): [name: string, value: string][] {
  return columns.flatMap(({ outcome: { results } }) =>
    results.flatMap(({ name, same }): [string, string][] =>
      same === undefined ? [] : [[name, same]]
    )
  );
}

/**
 * Makes a failure of each result whose value differs from the recorded one, or where there is none,
 * from that of the first column.
 */
export function compareHashes(columns: readonly MatrixColumn[], recorded: Hashes): void {
  const expected = { ...Object.fromEntries(allValues(columns).toReversed()), ...recorded };
  const seen = new Map<string, Set<string>>();
  for (const [name, value] of allValues(columns)) {
    seen.set(name, (seen.get(name) ?? new Set()).add(value));
  }
  for (const { outcome } of columns) {
    for (const result of [...outcome.results]) {
      const { name, same } = result;
      if (same === undefined || same === expected[name]) continue;
      const hint = seen.get(name)!.size > 1
        ? "the runtimes do not agree"
        : "all runtimes agree: if the protocol was changed on purpose, record it with --record";
      outcome.refute(result, `Got ${same}, expected ${expected[name]}; ${hint}`);
    }
  }
}
