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
 * Makes a failure of each result whose value differs from the recorded one.
 *
 * @param recorded The recorded values; null to compare with those of the first column only.
 */
export function compareHashes(columns: readonly MatrixColumn[], recorded: Hashes | null): void {
  const expected = recorded ?? Object.fromEntries(allValues(columns).toReversed());
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
      outcome.refute(result, `Got ${same}, expected ${expected[name] ?? "nothing"}; ${hint}`);
    }
  }
}
