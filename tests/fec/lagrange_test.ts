import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { lagrange } from "../../fec/lagrange.ts";
import { multiply, parityMatrix, ratioOf } from "./harness.ts";

/** The value of a polynomial, by Horner's method. */
function valueAt(polynomial: readonly number[], x: number): number {
  return polynomial.reduceRight((value, factor) => multiply(value, x) ^ factor, 0);
}

Deno.test("lagrange: values of a polynomial at some points give those at others", () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(Array.from({ length: 256 }, (_, x) => x), { minLength: 2 }),
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 30, maxLength: 30 }),
      (bytes, degree, factors) => {
        const count = Math.min(degree, bytes.length - 1);
        const points = Uint8Array.from(bytes.slice(0, count));
        const targets = Uint8Array.from(bytes.slice(count));
        const polynomial = factors.slice(0, count);
        const matrix = lagrange(points, targets);
        assertEquals([matrix.rows, matrix.columns], [targets.length, count]);
        targets.forEach((x, row) => {
          let sum = 0;
          points.forEach((point, column) => {
            sum ^= multiply(matrix.at(row, column), valueAt(polynomial, point));
          });
          assertEquals(sum, valueAt(polynomial, x));
        });
      },
    ),
    { numRuns: 200, seed: 5 },
  );
});

Deno.test("lagrange: the first points give the systematic Vandermonde code", () => {
  for (const [d, p] of [[1, 1], [2, 3], [10, 3], [17, 40], [60, 60]]) {
    const points = Uint8Array.from({ length: d + p }, (_, x) => x);
    const matrix = lagrange(points.subarray(0, d), points.subarray(d));
    const rows = Array.from({ length: p }, (_, row) => matrix.values.slice(row * d, (row + 1) * d));
    assertEquals(rows, parityMatrix(ratioOf(d, p)), `${d}/${p}`);
  }
});
