/** The number of letters to add, remove, replace or swap with the next one, to get `b` from `a`. */
function distance(a: string, b: string): number {
  // Row i holds the distances of the first i letters of `a` to the beginnings of `b`.
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(row[j - 1] + 1, rows[i - 1][j] + 1, rows[i - 1][j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
      }
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/**
 * The name that somebody may have meant who wrote another one.
 *
 * @returns Null if no name is similar: more than a third of the letters would change.
 */
export function nearest(written: string, names: readonly string[]): string | null {
  // A name that is longer than every known one is not worth the time.
  if (written.length > 40) return null;
  const low = written.toLowerCase().replaceAll(/[-_]/g, "");
  let best: string | null = null;
  let least = Infinity;
  for (const name of names) {
    const changes = distance(low, name.toLowerCase().replaceAll(/[-_]/g, ""));
    if (changes < least) {
      least = changes;
      best = name;
    }
  }
  return best !== null && least <= Math.max(1, Math.floor(best.length / 3)) ? best : null;
}
