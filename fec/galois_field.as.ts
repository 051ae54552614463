// Linear combinations of shards over GF(2^8) in AssemblyScript, for WebAssembly with SIMD. A product with a
// constant is the sum of two lookups, one for each half of the byte, and a shuffle looks up 16 bytes at once: J. Plank,
// K. Greenan, E. Miller, "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions", 2013.
//
// All shards are combined in one pass, so that the sums stay in registers: four rows at most at a time.
//
// Pages: 36

// The products, 32 bytes for each column and row: of 0 to 15, and of 0, 16, 32 and so on. Those of four rows lie
// together, column by column, and then those of the next four.
const TABLES: usize = 4096;
// Shards lie one behind the other, and behind them the sums. They are that far apart, so that they do not compete for the
// same lines of the cache.
const STRIDE: usize = 65_536 + 192;
const SHARDS: usize = 131_072;
const SUMS: usize = SHARDS + 16 * STRIDE;

// @ts-ignore: decorator
@inline
function look(table: usize, indexes: v128): v128 {
  const entries = v128.load(table);
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(entries, indexes);
  return i8x16.swizzle(entries, indexes);
}

// @ts-ignore: decorator
@inline
function low(bytes: v128): v128 {
  return v128.and(bytes, i8x16.splat(15));
}

// @ts-ignore: decorator
@inline
function high(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
}

// @ts-ignore: decorator
@inline
function add(sum: v128, table: usize, l: v128, h: v128): v128 {
  return v128.xor(sum, v128.xor(look(table, l), look(table + 16, h)));
}

// @ts-ignore: decorator
@inline
function begin(at: usize, fresh: bool): v128 {
  return fresh ? i64x2.splat(0) : v128.load(at);
}

// @ts-ignore: decorator
@inline
function pass(rows: i32, tables: usize, sums: usize, columns: i32, length: i32, fresh: bool): void {
  const limit = SHARDS + columns * STRIDE;
  for (let at: usize = 0; at < <usize> length; at += 32) {
    const s = sums + at;
    let a0 = begin(s, fresh), a1 = begin(s + 16, fresh);
    let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
    if (rows > 1) b0 = begin(s + STRIDE, fresh), b1 = begin(s + STRIDE + 16, fresh);
    if (rows > 2) c0 = begin(s + 2 * STRIDE, fresh), c1 = begin(s + 2 * STRIDE + 16, fresh);
    if (rows > 3) d0 = begin(s + 3 * STRIDE, fresh), d1 = begin(s + 3 * STRIDE + 16, fresh);
    let table = tables;
    for (let shard = SHARDS + at; shard < limit; shard += STRIDE) {
      const x = v128.load(shard), y = v128.load(shard, 16);
      const xl = low(x), xh = high(x), yl = low(y), yh = high(y);
      a0 = add(a0, table, xl, xh), a1 = add(a1, table, yl, yh);
      if (rows > 1) b0 = add(b0, table + 32, xl, xh), b1 = add(b1, table + 32, yl, yh);
      if (rows > 2) c0 = add(c0, table + 64, xl, xh), c1 = add(c1, table + 64, yl, yh);
      if (rows > 3) d0 = add(d0, table + 96, xl, xh), d1 = add(d1, table + 96, yl, yh);
      table += 128;
    }
    v128.store(s, a0), v128.store(s, a1, 16);
    if (rows > 1) v128.store(s + STRIDE, b0), v128.store(s + STRIDE, b1, 16);
    if (rows > 2) v128.store(s + 2 * STRIDE, c0), v128.store(s + 2 * STRIDE, c1, 16);
    if (rows > 3) v128.store(s + 3 * STRIDE, d0), v128.store(s + 3 * STRIDE, d1, 16);
  }
}

// Adds the products of the first shards to the sums. `first` is the column of the first of them, `total` how many columns
// the tables have; `fresh` says that the sums hold nothing yet.
export function combine(
  rows: i32,
  first: i32,
  columns: i32,
  total: i32,
  length: i32,
  fresh: bool,
): void {
  for (let row = 0; row < rows; row += 4) {
    const tables = TABLES + ((row >> 2) * total + first) * 128;
    const sums = SUMS + row * STRIDE;
    const left = rows - row;
    if (left == 1) pass(1, tables, sums, columns, length, fresh);
    else if (left == 2) pass(2, tables, sums, columns, length, fresh);
    else if (left == 3) pass(3, tables, sums, columns, length, fresh);
    else pass(4, tables, sums, columns, length, fresh);
  }
}
