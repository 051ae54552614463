/**
 * Checks of keys.
 *
 * @module
 */

/** The allowed lengths of a key in bytes: a list, or a range. */
export type KeySizes = readonly number[] | { readonly from: number; readonly to: number };

/** The allowed lengths as text, if the length is not allowed; else null. */
function allowedSizes(keySizes: KeySizes, size: number): string | null {
  if ("from" in keySizes) {
    const { from, to } = keySizes;
    if (size >= from && size <= to) return null;
    return to === Infinity ? `${from} or more` : `${from} to ${to}`;
  }
  return keySizes.includes(size) ? null : keySizes.join(", ").replace(/, (?=\d+$)/, " or ");
}

/**
 * Checks a key that the application gave.
 *
 * @param name The name of the cipher.
 * @param key The key. It is copied.
 * @param keySizes Its allowed lengths in bytes.
 * @returns The copy.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If the cipher does not allow a key of that length.
 */
export function checkedKey(name: string, key: unknown, keySizes: KeySizes): Uint8Array {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(
      `Cannot key ${name} with a value of type ${key === null ? "null" : typeof key}: ` +
        "it must be a Uint8Array",
    );
  }
  const allowed = allowedSizes(keySizes, key.length);
  if (allowed !== null) {
    throw new RangeError(`Cannot key ${name} with ${key.length} bytes: allowed are ${allowed}`);
  }
  // `slice` would not copy a Buffer of Node: it shares its memory with the result.
  return new Uint8Array(key);
}
