/**
 * The binary digits of pi, from which Blowfish takes its initial state.
 *
 * @module
 */

/** Bits computed beyond those asked for, far more than the few that rounding makes wrong. */
const GUARD_BITS = 32;

/** A sum of terms as a fraction: `numerator / (odds · powers)`. */
interface PartialSum {
  readonly numerator: bigint;
  /** The product of the terms' odd divisors. */
  readonly odds: bigint;
  /** The product of the terms' divisors `x²`. */
  readonly powers: bigint;
}

/**
 * Sums `(-1)^k / ((2k + 1) · x^(2 (k - from + 1)))` for k from `from` to before `to`, without dividing.
 *
 * Halving the range until one term is left (binary splitting) keeps the factors of every product about
 * equally long, which is what a fast multiplication of large integers needs.
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
 * @param count How many words of 32 bits. The 1042 of Blowfish take some milliseconds.
 * @returns The words, the most significant first.
 */
export function piWords(count: number): Int32Array {
  const bits = 32 * count + GUARD_BITS;
  const pi = 16n * arctanOfInverse(5, bits) - 4n * arctanOfInverse(239, bits);
  // The hexadecimal digit in front is the 3 of pi's integral part.
  const digits = pi.toString(16).slice(1);
  return Int32Array.from({ length: count }, (_, i) => parseInt(digits.slice(8 * i, 8 * i + 8), 16));
}
