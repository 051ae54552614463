import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { multiply } from "../../fec/galois_field.ts";
import { Matrix } from "../../fec/matrix.ts";
import { Coefficients } from "../../fec/coefficients.ts";
import { ShardSum } from "../../fec/shard_sum.ts";
import { RELAXED_WASM, WASM } from "../../fec/galois_field_wasm.ts";
import { type OwnMemory, startKernel } from "../../kcp/kernel.ts";
import { Random } from "../../transport/link/random.ts";

function randomMatrix(random: Random, rows: number, columns: number): Matrix {
  return new Matrix(rows, columns, random.fill(new Uint8Array(rows * columns)));
}

/** All combinations of the shards, computed byte by byte. They are as long as the longest shard. */
function combinations(matrix: Matrix, shards: Uint8Array[]): Uint8Array[] {
  const length = Math.max(...shards.map((shard) => shard.length));
  return Array.from({ length: matrix.rows }, (_, row) => {
    const sum = new Uint8Array(length);
    shards.forEach((shard, column) => {
      shard.forEach((value, i) => sum[i] ^= multiply(matrix.at(row, column), value));
    });
    return sum;
  });
}

function written(sum: ShardSum, length = sum.length): Uint8Array[] {
  return Array.from({ length: sum.coefficients.rows }, (_, row) => {
    const target = new Uint8Array(length).fill(0xee);
    sum.write(row, target, 0, length);
    return target;
  });
}

Deno.test("shard sum: combinations are right for any lengths, orders and groups", () => {
  const groups = fc.array(
    fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 7 }),
    { minLength: 1, maxLength: 4 },
  );
  const rows = fc.integer({ min: 1, max: 13 });
  fc.assert(
    fc.property(groups, rows, fc.boolean(), fc.integer(), (groups, rows, keepTables, seed) => {
      const random = new Random(seed);
      const matrix = randomMatrix(random, rows, 7);
      const sum = new ShardSum(new Coefficients(matrix, keepTables), seed % 2 === 0);
      for (const shards of groups) {
        const order = shards.map((_, i) => i).sort(() => random.chance(0.5) ? 1 : -1);
        for (const column of order) {
          // The bytes around the shard must not count.
          const before = random.below(5);
          const bytes = random.fill(new Uint8Array(before + shards[column].length + 3));
          bytes.set(shards[column], before);
          sum.add(column, bytes, before, before + shards[column].length);
        }
        assertEquals(sum.length, Math.max(...shards.map((shard) => shard.length)));
        assertEquals(written(sum), combinations(matrix, shards));
        sum.reset();
        assertEquals(sum.length, 0);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("shard sum: the sums stay right when longer shards make the memory grow", () => {
  const random = new Random("growth");
  const matrix = randomMatrix(random, 6, 5);
  const sum = new ShardSum(new Coefficients(matrix));
  const shards = [3, 600, 511, 4000, 65_507].map((size) => random.fill(new Uint8Array(size)));
  shards.forEach((shard, column) => {
    sum.add(column, shard, 0, shard.length);
    assertEquals(written(sum), combinations(matrix, shards.slice(0, column + 1)));
  });
});

Deno.test("shard sum: bytes of a longer group do not appear in a shorter group after it", () => {
  const matrix = new Matrix(5, 2, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  const sum = new ShardSum(new Coefficients(matrix));
  sum.add(0, new Uint8Array(1000).fill(255), 0, 1000);
  sum.reset();
  const shards = [Uint8Array.of(7, 8), Uint8Array.of(9, 10, 11, 12)];
  sum.add(0, shards[0], 0, 2);
  assertEquals(written(sum), combinations(matrix, shards.slice(0, 1)));
  sum.add(1, shards[1], 0, 4);
  assertEquals(written(sum), combinations(matrix, shards));
});

Deno.test("shard sum: a shard added twice cancels out, but its length counts", () => {
  const sum = new ShardSum(new Coefficients(new Matrix(1, 2, Uint8Array.of(3, 5))));
  const shard = Uint8Array.of(1, 2, 3);
  sum.add(0, shard, 0, 3);
  sum.add(1, shard, 0, 2);
  sum.add(0, shard, 0, 3);
  assertEquals(sum.length, 3);
  assertEquals(written(sum), [Uint8Array.of(multiply(5, 1), multiply(5, 2), 0)]);
});

Deno.test("shard sum: write fills `length` bytes, with zeros after the end of the sum", () => {
  const sum = new ShardSum(new Coefficients(new Matrix(1, 1, Uint8Array.of(1))));
  const target = new Uint8Array(8).fill(0xee);
  sum.write(0, target, 1, 2);
  assertEquals([...target], [0xee, 0, 0, 0xee, 0xee, 0xee, 0xee, 0xee], "without any shard");
  sum.add(0, Uint8Array.of(1, 2, 3), 0, 3);
  sum.write(0, target, 1, 2);
  assertEquals([...target], [0xee, 1, 2, 0xee, 0xee, 0xee, 0xee, 0xee]);
  sum.write(0, target, 2, 5);
  assertEquals([...target], [0xee, 1, 1, 2, 3, 0, 0, 0xee]);
});

Deno.test("shard sum: sums that share coefficients are independent", () => {
  for (const keepTables of [true, false]) {
    const random = new Random("shared");
    const matrix = randomMatrix(random, 9, 4);
    const coefficients = new Coefficients(matrix, keepTables);
    const groups = [100, 100].map((size) => {
      return Array.from({ length: 4 }, () => random.fill(new Uint8Array(size)));
    });
    const sums = groups.map(() => new ShardSum(coefficients));
    for (let column = 0; column < 4; column++) {
      sums.forEach((sum, i) => sum.add(column, groups[i][column], 0, 100));
    }
    sums.forEach((sum, i) => assertEquals(written(sum), combinations(matrix, groups[i])));
  }
});

Deno.test("shard sum: reset can change the coefficients, to more rows and to fewer", () => {
  const random = new Random("changed");
  const sum = new ShardSum(new Coefficients(new Matrix(1, 1)));
  for (const [rows, columns, size] of [[3, 2, 50], [12, 5, 900], [2, 6, 20], [7, 1, 2000]]) {
    const matrix = randomMatrix(random, rows, columns);
    const coefficients = new Coefficients(matrix);
    sum.reset(coefficients);
    assertStrictEquals(sum.coefficients, coefficients);
    const shards = Array.from({ length: columns }, () => random.fill(new Uint8Array(size)));
    shards.forEach((shard, column) => sum.add(column, shard, 0, size));
    assertEquals(written(sum), combinations(matrix, shards));
  }
});

Deno.test("shard sum: a table holds the products of all bytes for four rows", () => {
  const matrix = randomMatrix(new Random("table"), 6, 3);
  for (const keepTables of [true, false]) {
    const coefficients = new Coefficients(matrix, keepTables);
    assertEquals([coefficients.rows, coefficients.columns, coefficients.at(4, 2)], [
      6,
      3,
      matrix.at(4, 2),
    ]);
    for (let column = 0; column < 3; column++) {
      for (const pass of [0, 1]) {
        const table = coefficients.table(pass, column);
        const rows = [0, 1, 2, 3].map((lane) => 4 * pass + lane);
        const expected = Int32Array.from({ length: 256 }, (_, value) => {
          const products = rows.map((r) => r < 6 ? multiply(matrix.at(r, column), value) : 0);
          return products[0] | products[1] << 8 | products[2] << 16 | products[3] << 24;
        });
        assertEquals(table, expected, `column ${column}, pass ${pass}`);
        assertEquals(
          coefficients.table(pass, column) === table,
          true,
          "the table must not be made again",
        );
      }
    }
  }
});

Deno.test("shard sum: columns, rows and ranges that do not exist throw, and change nothing", () => {
  const sum = new ShardSum(new Coefficients(new Matrix(2, 3)));
  const bytes = new Uint8Array(10);
  for (const column of [-1, 3, NaN]) {
    assertThrows(() => sum.add(column, bytes, 0, 10), RangeError, `Cannot add column ${column}`);
  }
  for (const [start, end] of [[-1, 5], [5, 4], [0, 11], [NaN, 5], [0, NaN]]) {
    assertThrows(
      () => sum.add(0, bytes, start, end),
      RangeError,
      `Cannot add bytes ${start} to ${end}`,
    );
  }
  assertEquals(sum.length, 0);
  for (const row of [-1, 2, NaN]) {
    assertThrows(() => sum.write(row, bytes, 0, 10), RangeError, `Cannot write row ${row}`);
  }
  for (const [at, length] of [[-1, 5], [5, 6], [0, 11], [0, -1]]) {
    assertThrows(
      () => sum.write(0, bytes, at, length),
      RangeError,
      `Cannot write ${length} bytes at ${at}`,
    );
  }
});

Deno.test("shard sum: kernel and TypeScript give the same result, for all sizes", () => {
  const random = new Random("kernel");
  for (let rows = 1; rows <= 17; rows++) {
    const columns = [1, 2, 15, 16, 17, 33, 230][rows % 7];
    const matrix = randomMatrix(random, rows, columns);
    const coefficients = new Coefficients(matrix);
    const [fast, portable] = [new ShardSum(coefficients), new ShardSum(coefficients, true)];
    assertEquals([fast.accelerated, portable.accelerated], [rows <= 16, false], "Deno has SIMD");
    for (let round = 0; round < 12; round++) {
      for (let column = 0; column < columns; column++) {
        const bytes = random.fill(new Uint8Array(random.below(round < 6 ? 1500 : 70) + 5));
        const start = random.below(5);
        fast.add(column, bytes, start, bytes.length);
        portable.add(column, bytes, start, bytes.length);
        // The sum so far may be read before all shards were added.
        if (random.chance(0.02)) assertEquals(written(fast), written(portable));
      }
      const { length } = portable;
      assertEquals(fast.length, length);
      assertEquals(written(fast, length + 40), written(portable, length + 40));
      fast.reset();
      portable.reset();
    }
  }
});

Deno.test("shard sum: several sums that use the kernel alternately are independent", () => {
  const random = new Random("turns");
  const pairs = Array.from({ length: 12 }, (_, i) => {
    const matrix = randomMatrix(random, 1 + i % 5, 40);
    const coefficients = new Coefficients(matrix);
    return [new ShardSum(coefficients), new ShardSum(coefficients, true)];
  });
  const columns = pairs.map(() => 0);
  for (let step = 0; step < 4000; step++) {
    const i = random.below(pairs.length);
    if (columns[i] === 40 || random.chance(0.03)) {
      const [fast, portable] = pairs[i].map((sum) => written(sum));
      assertEquals(fast, portable);
      if (random.chance(0.5)) {
        for (const sum of pairs[i]) sum.reset();
        columns[i] = 0;
        continue;
      }
    }
    if (columns[i] === 40) continue;
    const bytes = random.fill(new Uint8Array(random.below(300)));
    for (const sum of pairs[i]) sum.add(columns[i], bytes, 0, bytes.length);
    columns[i]++;
  }
});

Deno.test("shard sum: a shard that is too long for the kernel is added without it", () => {
  const random = new Random("long");
  const coefficients = new Coefficients(randomMatrix(random, 6, 5));
  for (const before of [0, 1, 3]) {
    const sums = [new ShardSum(coefficients), new ShardSum(coefficients, true)];
    const sizes = [...Array(before).fill(1000), 65_537, 65_536, 10].slice(0, 5);
    sizes.forEach((size, column) => {
      const bytes = random.fill(new Uint8Array(size));
      for (const sum of sums) sum.add(column, bytes, 0, size);
    });
    assertEquals(sums[0].accelerated, false);
    const [fast, portable] = sums.map((sum) => written(sum));
    assertEquals(fast.every((row, i) => row.every((byte, k) => byte === portable[i][k])), true);
    sums[0].reset();
    assertEquals(sums[0].accelerated, true, "the next group uses the kernel again");
  }
});

Deno.test("shard sum: the kernel adds shards of up to 65,536 bytes", () => {
  const random = new Random("most");
  const coefficients = new Coefficients(randomMatrix(random, 16, 16));
  const sums = [new ShardSum(coefficients), new ShardSum(coefficients, true)];
  for (let column = 0; column < 16; column++) {
    const bytes = random.fill(new Uint8Array(65_536));
    for (const sum of sums) sum.add(column, bytes, 0, bytes.length);
  }
  assertEquals(sums[0].accelerated, true);
  const [fast, portable] = sums.map((sum) => written(sum));
  assertEquals(fast.every((row, i) => row.every((byte, k) => byte === portable[i][k])), true);
});

Deno.test("shard sum: the kernels with and without relaxed SIMD give the same result", () => {
  interface Kernel extends OwnMemory {
    combine(...args: number[]): void;
  }
  const random = new Random("relaxed");
  const kernels = [startKernel<Kernel>(WASM)!, startKernel<Kernel>(RELAXED_WASM)!];
  const memories = kernels.map(({ memory }) => new Uint8Array(memory.buffer as ArrayBuffer));
  random.fill(memories[0].subarray(4096));
  memories[1].set(memories[0]);
  for (let rows = 1; rows <= 16; rows++) {
    for (const fresh of [0, 1]) {
      for (const kernel of kernels) kernel.combine(rows, 3, 16, 20, 1408, fresh);
      assertEquals(memories[0].every((byte, i) => byte === memories[1][i]), true, `${rows} rows`);
    }
  }
});
