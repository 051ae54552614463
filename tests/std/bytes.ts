/**
 * Stand-ins for the functions of `@std/bytes` that this project uses, for machines where JSR does
 * not answer. Names, signatures and results are the same.
 *
 * @module
 */

/** Joins the arrays into one new array. */
export function concat(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(buffers.reduce((length, buffer) => length + buffer.length, 0));
  let offset = 0;
  for (const buffer of buffers) {
    joined.set(buffer, offset);
    offset += buffer.length;
  }
  return joined;
}

/**
 * Copies bytes of `src` to `dst`, from `offset` on, until one of them ends. An `offset` outside of
 * `dst` becomes the nearest one inside.
 *
 * @returns The number of bytes copied.
 */
export function copy(src: Uint8Array, dst: Uint8Array, offset = 0): number {
  const start = Math.max(0, Math.min(offset, dst.length));
  const length = Math.min(src.length, dst.length - start);
  dst.set(src.subarray(0, length), start);
  return length;
}

/** Whether both arrays hold the same bytes. */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && matchesAt(a, b, 0);
}

/**
 * Returns the index of the first `needle` in `source` at or after `start`, or -1. An empty needle
 * is never found. A negative `start` counts from the end, as in `indexOf`.
 */
export function indexOfNeedle(source: Uint8Array, needle: Uint8Array, start = 0): number {
  if (needle.length === 0) return -1;
  const last = source.length - needle.length;
  let index = source.indexOf(needle[0], start);
  while (index !== -1 && index <= last) {
    if (matchesAt(source, needle, index)) return index;
    index = source.indexOf(needle[0], index + 1);
  }
  return -1;
}

/** Whether `needle` is in `source` at or after `start`. */
export function includesNeedle(source: Uint8Array, needle: Uint8Array, start = 0): boolean {
  return indexOfNeedle(source, needle, start) !== -1;
}

/** Whether `source` begins with `prefix`. */
export function startsWith(source: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= source.length && matchesAt(source, prefix, 0);
}

/** Whether `source` ends with `suffix`. */
export function endsWith(source: Uint8Array, suffix: Uint8Array): boolean {
  return suffix.length <= source.length && matchesAt(source, suffix, source.length - suffix.length);
}

/** Whether `source` has `part` at `offset`. `part` must not reach beyond the end of `source`. */
function matchesAt(source: Uint8Array, part: Uint8Array, offset: number): boolean {
  for (let i = 0; i < part.length; i++) {
    if (source[offset + i] !== part[i]) return false;
  }
  return true;
}
