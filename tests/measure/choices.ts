/**
 * Arguments of measurements: whole numbers, and choices by name.
 *
 * @module
 */

/**
 * Reads a whole number from 1.
 *
 * @throws {RangeError} When the text is none; the message is for the user.
 */
export function number(name: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new RangeError(`Cannot set --${name} to ${text}: allowed are whole numbers from 1`);
  }
  return Number(text);
}

/** The names of a list. */
export function names(list: readonly { readonly name: string }[]): string[] {
  return list.map(({ name }) => name);
}

/**
 * Chooses by names, separated by commas. Without a choice, the default; null stands for all.
 *
 * @throws {RangeError} When a name is not in the list; the message is for the user.
 */
export function choose<T extends { readonly name: string }>(
  name: string,
  text: string | undefined,
  all: readonly T[],
  fallback: readonly string[] | null,
): readonly T[] {
  const chosen = text?.split(",") ?? fallback ?? names(all);
  return chosen.map((wanted) => {
    const found = all.find(({ name }) => name === wanted);
    if (found) return found;
    const allowed = names(all).join(", ");
    throw new RangeError(`Cannot set --${name} to ${wanted}: allowed are ${allowed}`);
  });
}
