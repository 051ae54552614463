/**
 * What the streams of a simulation carry: each byte says which stream, direction and place it is
 * of.
 *
 * @module
 */

function byteAt(sid: number, up: boolean, at: number): number {
  return (Math.imul(at, 31) + Math.imul(at >>> 8, 7) + Math.imul(sid, 17) + (up ? 101 : 0)) & 0xff;
}

/** Bytes of a stream from a place on. `up`: from the client to the server. */
export function bytesOf(sid: number, up: boolean, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(sid, up, at + i);
  return bytes;
}

/** Index of the first byte that is not what belongs there; -1 if all are right. */
export function wrongByte(
  bytes: Uint8Array,
  length: number,
  sid: number,
  up: boolean,
  at: number,
): number {
  for (let i = 0; i < length; i++) if (bytes[i] !== byteAt(sid, up, at + i)) return i;
  return -1;
}
