import { logarithm, powerOfGenerator } from "./galois_field.ts";
import { Matrix } from "./matrix.ts";

/** Logarithms are added modulo this number: the powers of the generator repeat after it. */
const ORDER = 255;

/**
 * The factors that compute the values of a polynomial at some points from its values at others.
 *
 * Let the polynomial have a degree below the number of known points. Its value at x is the sum over
 * all k of value_k × Π (x - x_t) / (x_k - x_t), with the product over all t except k (Lagrange's
 * form). In a field of 256 elements this takes one logarithm for each pair of points, and no system
 * of equations has to be solved.
 *
 * @param points The points where the values are known. No two are equal.
 * @param targets The points where the values are wanted. None of them is a known point.
 * @returns A row for each target, a column for each known point.
 */
export function lagrange(points: Uint8Array, targets: Uint8Array): Matrix {
  const columns = points.length;
  const matrix = new Matrix(targets.length, columns);
  // The logarithm of each point's denominator.
  const denominators = new Uint16Array(columns);
  for (let k = 0; k < columns; k++) {
    let sum = 0;
    for (let t = 0; t < columns; t++) if (t !== k) sum += logarithm(points[k] ^ points[t]);
    denominators[k] = sum % ORDER;
  }
  for (let i = 0; i < targets.length; i++) {
    const x = targets[i];
    let numerator = 0;
    for (let t = 0; t < columns; t++) numerator += logarithm(x ^ points[t]);
    for (let k = 0; k < columns; k++) {
      const exponent = (numerator - logarithm(x ^ points[k]) + ORDER - denominators[k]) % ORDER;
      matrix.values[i * columns + k] = powerOfGenerator(exponent);
    }
  }
  return matrix;
}
