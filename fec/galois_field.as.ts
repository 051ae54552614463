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
/** 15 in each byte. As a constant, V8 would make it anew wherever it is used. */
const NIBBLE: usize = 0;

// @ts-ignore: decorator
@inline
function look(table: usize, indexes: v128): v128 {
  const entries = v128.load(table);
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(entries, indexes);
  return i8x16.swizzle(entries, indexes);
}

// @ts-ignore: decorator
@inline
function low(bytes: v128, nibble: v128): v128 {
  return v128.and(bytes, nibble);
}

// @ts-ignore: decorator
@inline
function high(bytes: v128, nibble: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), nibble);
}

// @ts-ignore: decorator
@inline
function add(sum: v128, table: usize, l: v128, h: v128): v128 {
  return v128.xor(sum, v128.xor(look(table, l), look(table + 16, h)));
}

// So many rows at once: one function for each number, as a condition in the loop would cost more than it does.

function pass1(tables: usize, sums: usize, columns: i32, length: i32, fresh: bool): void {
  const limit = SHARDS + columns * STRIDE;
  const nibble = v128.load(NIBBLE), zero = i64x2.splat(0);
  for (let at: usize = 0; at < <usize> length; at += 32) {
    const s = sums + at;
    let a0 = zero, a1 = zero;
    if (!fresh) {
      a0 = v128.load(s), a1 = v128.load(s, 16);
    }
    for (let shard = SHARDS + at, table = tables; shard < limit; shard += STRIDE, table += 128) {
      const x = v128.load(shard), y = v128.load(shard, 16);
      const xl = low(x, nibble), xh = high(x, nibble), yl = low(y, nibble), yh = high(y, nibble);
      a0 = add(a0, table, xl, xh), a1 = add(a1, table, yl, yh);
    }
    v128.store(s, a0), v128.store(s, a1, 16);
  }
}

function pass2(tables: usize, sums: usize, columns: i32, length: i32, fresh: bool): void {
  const limit = SHARDS + columns * STRIDE;
  const nibble = v128.load(NIBBLE), zero = i64x2.splat(0);
  for (let at: usize = 0; at < <usize> length; at += 32) {
    const s = sums + at;
    let a0 = zero, a1 = zero;
    let b0 = zero, b1 = zero;
    if (!fresh) {
      a0 = v128.load(s), a1 = v128.load(s, 16);
      b0 = v128.load(s + STRIDE), b1 = v128.load(s + STRIDE, 16);
    }
    for (let shard = SHARDS + at, table = tables; shard < limit; shard += STRIDE, table += 128) {
      const x = v128.load(shard), y = v128.load(shard, 16);
      const xl = low(x, nibble), xh = high(x, nibble), yl = low(y, nibble), yh = high(y, nibble);
      a0 = add(a0, table, xl, xh), a1 = add(a1, table, yl, yh);
      b0 = add(b0, table + 32, xl, xh), b1 = add(b1, table + 32, yl, yh);
    }
    v128.store(s, a0), v128.store(s, a1, 16);
    v128.store(s + STRIDE, b0), v128.store(s + STRIDE, b1, 16);
  }
}

function pass3(tables: usize, sums: usize, columns: i32, length: i32, fresh: bool): void {
  const limit = SHARDS + columns * STRIDE;
  const nibble = v128.load(NIBBLE), zero = i64x2.splat(0);
  for (let at: usize = 0; at < <usize> length; at += 32) {
    const s = sums + at;
    let a0 = zero, a1 = zero;
    let b0 = zero, b1 = zero;
    let c0 = zero, c1 = zero;
    if (!fresh) {
      a0 = v128.load(s), a1 = v128.load(s, 16);
      b0 = v128.load(s + STRIDE), b1 = v128.load(s + STRIDE, 16);
      c0 = v128.load(s + 2 * STRIDE), c1 = v128.load(s + 2 * STRIDE, 16);
    }
    for (let shard = SHARDS + at, table = tables; shard < limit; shard += STRIDE, table += 128) {
      const x = v128.load(shard), y = v128.load(shard, 16);
      const xl = low(x, nibble), xh = high(x, nibble), yl = low(y, nibble), yh = high(y, nibble);
      a0 = add(a0, table, xl, xh), a1 = add(a1, table, yl, yh);
      b0 = add(b0, table + 32, xl, xh), b1 = add(b1, table + 32, yl, yh);
      c0 = add(c0, table + 64, xl, xh), c1 = add(c1, table + 64, yl, yh);
    }
    v128.store(s, a0), v128.store(s, a1, 16);
    v128.store(s + STRIDE, b0), v128.store(s + STRIDE, b1, 16);
    v128.store(s + 2 * STRIDE, c0), v128.store(s + 2 * STRIDE, c1, 16);
  }
}

function pass4(tables: usize, sums: usize, columns: i32, length: i32, fresh: bool): void {
  const limit = SHARDS + columns * STRIDE;
  const nibble = v128.load(NIBBLE), zero = i64x2.splat(0);
  for (let at: usize = 0; at < <usize> length; at += 32) {
    const s = sums + at;
    let a0 = zero, a1 = zero;
    let b0 = zero, b1 = zero;
    let c0 = zero, c1 = zero;
    let d0 = zero, d1 = zero;
    if (!fresh) {
      a0 = v128.load(s), a1 = v128.load(s, 16);
      b0 = v128.load(s + STRIDE), b1 = v128.load(s + STRIDE, 16);
      c0 = v128.load(s + 2 * STRIDE), c1 = v128.load(s + 2 * STRIDE, 16);
      d0 = v128.load(s + 3 * STRIDE), d1 = v128.load(s + 3 * STRIDE, 16);
    }
    for (let shard = SHARDS + at, table = tables; shard < limit; shard += STRIDE, table += 128) {
      const x = v128.load(shard), y = v128.load(shard, 16);
      const xl = low(x, nibble), xh = high(x, nibble), yl = low(y, nibble), yh = high(y, nibble);
      a0 = add(a0, table, xl, xh), a1 = add(a1, table, yl, yh);
      b0 = add(b0, table + 32, xl, xh), b1 = add(b1, table + 32, yl, yh);
      c0 = add(c0, table + 64, xl, xh), c1 = add(c1, table + 64, yl, yh);
      d0 = add(d0, table + 96, xl, xh), d1 = add(d1, table + 96, yl, yh);
    }
    v128.store(s, a0), v128.store(s, a1, 16);
    v128.store(s + STRIDE, b0), v128.store(s + STRIDE, b1, 16);
    v128.store(s + 2 * STRIDE, c0), v128.store(s + 2 * STRIDE, c1, 16);
    v128.store(s + 3 * STRIDE, d0), v128.store(s + 3 * STRIDE, d1, 16);
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
  v128.store(NIBBLE, i8x16.splat(15));
  for (let row = 0; row < rows; row += 4) {
    const tables = TABLES + ((row >> 2) * total + first) * 128;
    const sums = SUMS + row * STRIDE;
    const left = rows - row;
    if (left == 1) pass1(tables, sums, columns, length, fresh);
    else if (left == 2) pass2(tables, sums, columns, length, fresh);
    else if (left == 3) pass3(tables, sums, columns, length, fresh);
    else pass4(tables, sums, columns, length, fresh);
  }
}
