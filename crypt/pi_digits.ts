/**
 * The binary digits of pi. They are the initial state of Blowfish.
 *
 * @module
 */

/** Extra bits that are computed. Rounding makes only a few of the last bits wrong. */
const GUARD_BITS = 32;

/** A sum of terms as a fraction: `numerator / (odds · powers)`. */
interface PartialSum {
  readonly numerator: bigint;
  /** The product of the odd divisors of all terms. */
  readonly odds: bigint;
  /** The product of the divisors `x²` of all terms. */
  readonly powers: bigint;
}

/**
 * Sums `(-1)^k / ((2k + 1) · x^(2 (k - from + 1)))` for k from `from` to before `to`, without
 * divisions.
 *
 * The range is halved until one term is left (binary splitting). Then the two factors of every
 * product are about equally long, so the multiplication of large integers is fast.
 */
function sumTerms(squaredX: bigint, from: number, to: number): PartialSum {
  if (to - from === 1) {
    return { numerator: from % 2 === 0 ? 1n : -1n, odds: BigInt(2 * from + 1), powers: squaredX };
  }
  const middle = (from + to) >>> 1;
  const a = sumTerms(squaredX, from, middle);
  const b = sumTerms(squaredX, middle, to);
  return {
    numerator: a.numerator * b.odds * b.powers + b.numerator * a.odds,
    odds: a.odds * b.odds,
    powers: a.powers * b.powers,
  };
}

/** `arctan(1 / x) · 2^bits`, by the series of Gregory. */
function arctanOfInverse(x: number, bits: number): bigint {
  const terms = Math.ceil(bits / (2 * Math.log2(x))) + 1;
  const { numerator, odds, powers } = sumTerms(BigInt(x * x), 0, terms);
  return (numerator * BigInt(x) << BigInt(bits)) / (odds * powers);
}

/**
 * The first bits of pi's fractional part, 0x243f6a88 85a308d3 and so on, by Machin's formula
 * `pi / 4 = 4 arctan(1 / 5) - arctan(1 / 239)`.
 *
 * @param count Number of 32-bit words. The 1042 words of Blowfish take a few ms.
 * @returns The words, the most significant first.
 */
export function piWords(count: number): Int32Array {
  const bits = 32 * count + GUARD_BITS;
  const pi = 16n * arctanOfInverse(5, bits) - 4n * arctanOfInverse(239, bits);
  // The first hexadecimal digit is 3, the integral part of pi.
  const digits = pi.toString(16).slice(1);
  return Int32Array.from({ length: count }, (_, i) => parseInt(digits.slice(8 * i, 8 * i + 8), 16));
}
