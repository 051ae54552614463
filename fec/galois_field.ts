/**
 * The field GF(2^8) of bytes, in which addition is XOR.
 *
 * @module
 */

/**
 * x^8 + x^4 + x^3 + x^2 + 1. Products are reduced modulo this polynomial. x, the byte 2, generates
 * the field.
 */
const POLYNOMIAL = 0x11d;
/** Number of elements other than 0. The powers of the generator repeat after it. */
const ORDER = 255;

interface Tables {
  /** The powers of the generator, twice, so that a sum of two logarithms need not be reduced. */
  readonly exp: Uint8Array;
  /** Logarithms to the base of the generator. 0 has none: its entry is 0. */
  readonly log: Uint8Array;
}

let shared: Tables | undefined;

/** The tables. They are built at first use. */
function tables(): Tables {
  if (shared) return shared;
  const exp = new Uint8Array(2 * ORDER);
  const log = new Uint8Array(256);
  for (let i = 0, power = 1; i < ORDER; i++) {
    exp[i] = exp[i + ORDER] = power;
    log[power] = i;
    power <<= 1;
    if (power > 255) power ^= POLYNOMIAL;
  }
  return shared = { exp, log };
}

/** The product of two bytes. */
export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  const { exp, log } = tables();
  return exp[log[a] + log[b]];
}

/** The logarithm of a byte to the base of the generator, 0 to 254. 0 has no logarithm. */
export function logarithm(a: number): number {
  return tables().log[a];
}

/** The generator to the power of `exponent`, 0 to 509. */
export function powerOfGenerator(exponent: number): number {
  return tables().exp[exponent];
}
