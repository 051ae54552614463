import { logarithm, powerOfGenerator } from "./galois_field.ts";
import { Matrix } from "./matrix.ts";

/** Logarithms are added modulo that: so many powers of the generator there are. */
const ORDER = 255;

/**
 * The factors by which the values of a polynomial at some points give its values at others.
 *
 * A polynomial of a degree below the number of points is known by its values there. Its value at x is the sum of
 * value_k × Π (x - x_t) / (x_k - x_t) over all k, the product being over all t but k. That is Lagrange's form; in a field of
 * 256 elements it needs a logarithm for each pair, and no system of equations.
 *
 * @param points The points where the values are known, all different.
 * @param targets The points where they are wanted, none of which is known.
 * @returns A row for each target, a column for each point.
 */
export function lagrange(points: Uint8Array, targets: Uint8Array): Matrix {
  const columns = points.length;
  const matrix = new Matrix(targets.length, columns);
  // The logarithm of what is below the fraction, for each point.
  const below = new Uint16Array(columns);
  for (let k = 0; k < columns; k++) {
    let sum = 0;
    for (let t = 0; t < columns; t++) if (t !== k) sum += logarithm(points[k] ^ points[t]);
    below[k] = sum % ORDER;
  }
  for (let i = 0; i < targets.length; i++) {
    const x = targets[i];
    let above = 0;
    for (let t = 0; t < columns; t++) above += logarithm(x ^ points[t]);
    for (let k = 0; k < columns; k++) {
      const exponent = (above - logarithm(x ^ points[k]) + ORDER - below[k]) % ORDER;
      matrix.values[i * columns + k] = powerOfGenerator(exponent);
    }
  }
  return matrix;
}
