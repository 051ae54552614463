import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { multiply } from "../../fec/galois_field.ts";
import { Matrix } from "../../fec/matrix.ts";
import { Random } from "../../transport/random.ts";

function randomMatrix(random: Random, rows: number, columns: number): Matrix {
  return new Matrix(rows, columns, random.fill(new Uint8Array(rows * columns)));
}

/** The determinant by expansion along the first row: slow, and unlike elimination. */
function determinant(rows: number[][]): number {
  if (rows.length === 1) return rows[0][0];
  let sum = 0;
  for (let c = 0; c < rows.length; c++) {
    const minor = rows.slice(1).map((row) => row.filter((_, i) => i !== c));
    sum ^= multiply(rows[0][c], determinant(minor));
  }
  return sum;
}

function rowsOf(matrix: Matrix): number[][] {
  return Array.from({ length: matrix.rows }, (_, r) => {
    return Array.from({ length: matrix.columns }, (_, c) => matrix.at(r, c));
  });
}

Deno.test("matrix: elements lie row after row", () => {
  const matrix = new Matrix(2, 3, Uint8Array.of(1, 2, 3, 4, 5, 6));
  assertEquals(rowsOf(matrix), [[1, 2, 3], [4, 5, 6]]);
  assertEquals(rowsOf(new Matrix(2, 1)), [[0], [0]]);
  assertThrows(
    () => new Matrix(2, 3, new Uint8Array(5)),
    RangeError,
    "Cannot make a matrix of 2 × 3 from 5 elements: allowed are 6",
  );
});

Deno.test("matrix: Vandermonde rows are powers of their number, the first ones 1, even of 0", () => {
  assertEquals(rowsOf(Matrix.vandermonde(5, 4)), [
    [1, 0, 0, 0],
    [1, 1, 1, 1],
    [1, 2, 4, 8],
    [1, 3, 5, 15],
    [1, 4, 16, 64],
  ]);
  assertEquals(Matrix.vandermonde(256, 3).at(255, 2), multiply(255, 255));
  assertThrows(() => Matrix.vandermonde(257, 3), RangeError, "Cannot make 257 Vandermonde rows");
});

Deno.test("matrix: any rows of a Vandermonde matrix are independent", () => {
  const random = new Random("vandermonde");
  for (let n = 0; n < 300; n++) {
    const size = 1 + random.below(12);
    const numbers = new Set<number>();
    while (numbers.size < size) numbers.add(random.below(256));
    const all = Matrix.vandermonde(256, size);
    const chosen = new Matrix(size, size);
    [...numbers].forEach((r, i) => chosen.values.set(all.slice(r, r + 1).values, i * size));
    const product = chosen.multiply(chosen.inverse());
    assertEquals(product.values, Matrix.identity(size).values, `rows ${[...numbers]}`);
  }
});

Deno.test("matrix: slice copies whole rows", () => {
  const matrix = Matrix.vandermonde(4, 2);
  const middle = matrix.slice(1, 3);
  assertEquals(rowsOf(middle), [[1, 1], [1, 2]]);
  middle.values.fill(0);
  assertEquals(rowsOf(matrix)[1], [1, 1]);
});

Deno.test("matrix: a product's elements are sums of products of rows and columns", () => {
  const size = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(size, size, size, fc.integer(), (rows, inner, columns, seed) => {
      const random = new Random(seed);
      const a = randomMatrix(random, rows, inner);
      const b = randomMatrix(random, inner, columns);
      const product = a.multiply(b);
      assertEquals([product.rows, product.columns], [rows, columns]);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          let sum = 0;
          for (let k = 0; k < inner; k++) sum ^= multiply(a.at(r, k), b.at(k, c));
          assertEquals(product.at(r, c), sum);
        }
      }
    }),
  );
  assertThrows(
    () => new Matrix(2, 3).multiply(new Matrix(2, 3)),
    RangeError,
    "Cannot multiply by a matrix of 2 rows: allowed are 3",
  );
});

Deno.test("matrix: the inverse is one from both sides, and exists unless the determinant is 0", () => {
  const random = new Random("inverse");
  let singular = 0;
  let zeroPivots = 0;
  for (let n = 0; n < 2000; n++) {
    const size = 1 + random.below(5);
    const matrix = randomMatrix(random, size, size);
    // Few different elements: many zeros and many dependent rows.
    if (random.chance(0.7)) matrix.values.forEach((v, i) => matrix.values[i] = v % 3);
    const before = matrix.values.slice();
    if (determinant(rowsOf(matrix)) === 0) {
      singular++;
      assertThrows(() => matrix.inverse(), RangeError, "Cannot invert a matrix whose rows");
      continue;
    }
    if (matrix.at(0, 0) === 0) zeroPivots++;
    const inverse = matrix.inverse();
    const identity = Matrix.identity(size).values;
    assertEquals(matrix.multiply(inverse).values, identity, `${before}`);
    assertEquals(inverse.multiply(matrix).values, identity, `${before}`);
    assertEquals(matrix.values, before, "the matrix itself stays");
  }
  assert(singular > 100 && zeroPivots > 100, `${singular} singular, ${zeroPivots} with a zero`);
});

Deno.test("matrix: large ones are inverted as well", () => {
  const matrix = Matrix.vandermonde(255, 255);
  assertEquals(matrix.multiply(matrix.inverse()).values, Matrix.identity(255).values);
});

Deno.test("matrix: one that is not square has no inverse", () => {
  assertThrows(
    () => new Matrix(2, 3).inverse(),
    RangeError,
    "Cannot invert a matrix of 2 × 3: allowed are square ones",
  );
});
