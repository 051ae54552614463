/**
 * What Salsa20 and ChaCha20 share.
 *
 * @module
 */

/** The constants of the state: "expand 32-byte k". */
export const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/**
 * The 8 little-endian words of a key of 32 bytes.
 *
 * @throws {RangeError} If the key has another length.
 */
export function keyWords(name: string, key: Uint8Array): Uint32Array {
  if (key.length !== 32) {
    throw new RangeError(`Cannot key ${name} with ${key.length} bytes: allowed are 32`);
  }
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
}
