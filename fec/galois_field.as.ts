// Linear combinations of shards over GF(2^8) in AssemblyScript, for WebAssembly with SIMD. The
// product of a byte and a constant is the sum of two table lookups, one for each half of the byte.
// One shuffle instruction does 16 lookups: J. Plank, K. Greenan, E. Miller, "Screaming Fast Galois
// Field Arithmetic Using Intel SIMD Instructions", 2013.
//
// One pass combines all shards, so the sums stay in registers. A pass computes at most four rows.
//
// Pages: 36

// The products of each factor, 32 bytes: with 0, 1, 2 to 15, and with 0, 16, 32 to 240. The tables
// of the first four rows come first, column by column, then those of the next four rows.
const TABLES: usize = 4096;
// The distance from one shard to the next, and from one row of sums to the next. It is not a power
// of two, so that they do not compete for the same cache lines.
const STRIDE: usize = 65_536 + 192;
const SHARDS: usize = 131_072;
const SUMS: usize = SHARDS + 16 * STRIDE;
/** Address of 15 in each byte. V8 would build a vector constant again at each use. */
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

// One function for each number of rows, 1 to 4: a condition in the loop costs more than a second
// loop.

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

// Adds the products of the shards in memory to the sums.
//   rows     rows of sums
//   first    the column of the first shard
//   columns  number of shards in memory
//   total    number of columns in the tables
//   length   bytes of each shard, a multiple of 32
//   fresh    whether the sums hold nothing yet, and are replaced
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
