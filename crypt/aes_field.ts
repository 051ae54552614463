/**
 * The field of AES, and its S-box (FIPS 197 §4 and §5.1.1).
 *
 * @module
 */

/** The product of two bytes in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 §4.2). */
export function multiply(a: number, b: number): number {
  let product = 0;
  for (; b > 0; b >>= 1, a = a << 1 ^ (a >> 7) * 0x11b) if (b & 1) product ^= a;
  return product;
}

/** The inverse of each byte. 0 has the entry 0. */
export function fieldInverses(): Uint8Array {
  // x + 1 generates the multiplicative group, which has 255 elements. The inverse of its power i is
  // its power 255 - i.
  const powers = new Uint8Array(256);
  for (let i = 0, power = 1; i < 256; i++, power = multiply(power, 3)) powers[i] = power;
  const inverses = new Uint8Array(256);
  for (let i = 0; i < 255; i++) inverses[powers[i]] = powers[255 - i];
  return inverses;
}

/** The S-box (FIPS 197 §5.1.1) of a byte's inverse, without its constant. */
export function affine(inverse: number): number {
  let out = inverse;
  for (let n = 1; n <= 4; n++) out ^= (inverse << n | inverse >> 8 - n) & 0xff;
  return out;
}
