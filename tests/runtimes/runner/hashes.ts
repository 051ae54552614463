/**
 * The values that must be the same on all runtimes, and the recorded ones.
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

/** Writes the values of all runtimes, which are the same. */
export function recordHashes(columns: readonly MatrixColumn[]): void {
  const hashes = Object.fromEntries(allValues(columns).map(([name, value]) => [name, value]));
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
 * Counts a failure for each value that differs from the recorded one.
 *
 * @param recorded The recorded values; null to compare with those of the first column only.
 */
export function compareHashes(columns: readonly MatrixColumn[], recorded: Hashes | null): void {
  const expected = recorded ?? Object.fromEntries(allValues(columns).toReversed());
  const all = new Set(allValues(columns).map(([name, value]) => `${name}: ${value}`));
  for (const { outcome } of columns) {
    for (const { row, name, same } of [...outcome.results]) {
      if (same === undefined || same === expected[name]) continue;
      const agree = [...all].filter((text) => text.startsWith(`${name}: `)).length === 1;
      const hint = agree
        ? "all runtimes agree: if the protocol was changed on purpose, --record writes it"
        : "the runtimes do not agree";
      outcome.fail(`${name}: got ${same}, expected ${expected[name] ?? "nothing"}; ${hint}`, row);
    }
  }
}
