/**
 * The field GF(2^8) of bytes, in which addition is XOR.
 *
 * @module
 */

/** x^8 + x^4 + x^3 + x^2 + 1, modulo which polynomials are multiplied; x, the byte 2, generates the field. */
const POLYNOMIAL = 0x11d;
/** Elements other than 0: powers of the generator repeat after so many. */
const ORDER = 255;

interface Tables {
  /** Powers of the generator, twice over, so that a sum of two logarithms need not be reduced. */
  readonly exp: Uint8Array;
  /** Logarithms to the generator; that of 0 means nothing. */
  readonly log: Uint8Array;
}

let shared: Tables | undefined;

/** The tables, which are built at first use. */
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

/**
 * The byte whose product with `a` is 1.
 *
 * @throws {RangeError} When `a` is 0, which has none.
 */
export function inverse(a: number): number {
  if (a === 0) throw new RangeError("Cannot invert 0: allowed are 1 to 255");
  const { exp, log } = tables();
  return exp[ORDER - log[a]];
}

/**
 * The product of `exponent` factors `a`, which is 1 for none of them, even if `a` is 0.
 *
 * @param a A byte.
 * @param exponent A whole number, 0 or more.
 */
export function power(a: number, exponent: number): number {
  if (exponent === 0) return 1;
  if (a === 0) return 0;
  const { exp, log } = tables();
  return exp[log[a] * exponent % ORDER];
}

/**
 * Adds a multiple of some bytes to others: `target[to + i] += factor × source[from + i]`.
 *
 * The two may be the same bytes, which are multiplied by `factor + 1` then.
 *
 * @param target Where the sums go.
 * @param to Index of the first of them.
 * @param source What is multiplied.
 * @param from Index of the first of it.
 * @param count How many bytes.
 * @param factor A byte.
 */
export function addProducts(
  target: Uint8Array,
  to: number,
  source: Uint8Array,
  from: number,
  count: number,
  factor: number,
): void {
  if (factor === 0) return;
  const { exp, log } = tables();
  const shift = log[factor];
  for (let i = 0; i < count; i++) {
    const value = source[from + i];
    if (value !== 0) target[to + i] ^= exp[shift + log[value]];
  }
}
