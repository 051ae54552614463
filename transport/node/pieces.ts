/**
 * Pieces of bytes that are written one after the other.
 *
 * @module
 */

/** Bytes of all pieces. */
export function lengthOf(pieces: readonly Uint8Array[]): number {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  return total;
}

/** What is left of pieces without their first bytes. */
export function without(pieces: Uint8Array[], count: number): Uint8Array[] {
  let index = 0;
  for (; index < pieces.length && pieces[index].length <= count; index++) {
    count -= pieces[index].length;
  }
  const rest = pieces.slice(index);
  if (count > 0) rest[0] = rest[0].subarray(count);
  return rest;
}

/** The first bytes of pieces, at most so many. */
export function upTo(pieces: readonly Uint8Array[], most: number): Uint8Array[] {
  const part: Uint8Array[] = [];
  for (const piece of pieces) {
    if (most === 0) break;
    part.push(piece.length <= most ? piece : piece.subarray(0, most));
    most -= Math.min(most, piece.length);
  }
  return part;
}
