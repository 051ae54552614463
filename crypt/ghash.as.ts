// Shared: GHASH (NIST SP 800-38D §6.4) in AssemblyScript, for WebAssembly with SIMD, four blocks at
// once.
//
// A block is a polynomial over GF(2). Its first bit, the highest bit of its first byte, is the
// coefficient of x^0. The sum of four blocks, each times a power of the key, is reduced modulo
// x^128 + x^7 + x^2 + x + 1 by the method of S. Gueron, M. Kounavis, "Intel Carry-Less
// Multiplication Instruction and its Usage for Computing the GCM Mode", 2010, §5.
//
// Tables give the products of four bits with a power of the key. A product has 17 bytes, and each
// byte has its own table of 16 entries, which fits into a vector. So the kernel never reads memory
// at an address that depends on secret bytes.

/**
 * The tables: for each byte of a product, for the fourth to the first power of the key, a table for
 * the low four bits of a byte and a table for the high four bits.
 */
const TABLES: usize = 2128;
const TABLES_OF_A_BYTE: usize = 128;
const PRODUCT_SIZE: usize = 17;

/** Address of 15 in each byte. V8 would build a vector constant again at each use. */
export const NIBBLE: usize = 480;
/** Address of the hash. */
export const HASH: usize = 512;
/** Addresses of a power of the key and of a product, while the tables are computed. */
const POWER: usize = 528;
const PRODUCT: usize = 544;

// Looks up 16 bytes in a table of 16 entries. An index is below 16, or its top bit is set: then the
// result is zero.
// @ts-ignore: decorator
@inline
export function look(table: v128, index: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, index);
  return i8x16.swizzle(table, index);
}

// @ts-ignore: decorator
@inline
export function low(x: v128, nibble: v128): v128 {
  return v128.and(x, nibble);
}

// @ts-ignore: decorator
@inline
export function high(x: v128, nibble: v128): v128 {
  return v128.and(i16x8.shr_u(x, 4), nibble);
}

// Reverses the bytes of each half.
// @ts-ignore: decorator
@inline
function turn(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
}

// The remainder of a product. `a` has its low coefficients, `b` its high coefficients, fewer than
// 127.
function reduce(a: v128, b: v128): v128 {
  a = turn(a), b = turn(b);
  // The reduction moves at most 7 bits of the high coefficients past x^127 again. `over` holds
  // them.
  const over = v128.shuffle<u8>(
    i8x16.splat(0), b, 24, 25, 26, 27, 28, 29, 30, 31, 0, 0, 0, 0, 0, 0, 0, 0,
  );
  b = v128.xor(
    b,
    v128.xor(v128.xor(i64x2.shl(over, 63), i64x2.shl(over, 62)), i64x2.shl(over, 57)),
  );
  const carried = v128.shuffle<u8>(
    b, i8x16.splat(0), 16, 16, 16, 16, 16, 16, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7,
  );
  const by1 = v128.or(i64x2.shr_u(b, 1), i64x2.shl(carried, 63));
  const by2 = v128.or(i64x2.shr_u(b, 2), i64x2.shl(carried, 62));
  const by7 = v128.or(i64x2.shr_u(b, 7), i64x2.shl(carried, 57));
  return turn(v128.xor(v128.xor(v128.xor(a, b), v128.xor(by1, by2)), by7));
}

// With the key k: the sum of `a` times k^4, `b` times k^3, `c` times k^2 and `d` times k.
function combine(a: v128, b: v128, c: v128, d: v128): v128 {
  const nibble = v128.load(NIBBLE);
  const a0 = low(a, nibble), a1 = high(a, nibble), b0 = low(b, nibble), b1 = high(b, nibble);
  const c0 = low(c, nibble), c1 = high(c, nibble), d0 = low(d, nibble), d1 = high(d, nibble);
  let lower = i8x16.splat(0), upper = i8x16.splat(0);
  for (
    let at = TABLES + (PRODUCT_SIZE - 1) * TABLES_OF_A_BYTE;
    at >= TABLES;
    at -= TABLES_OF_A_BYTE
  ) {
    upper = v128.shuffle<u8>(
      lower, upper, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    );
    lower = v128.shuffle<u8>(
      i8x16.splat(0), lower, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
    );
    const ab = v128.xor(
      v128.xor(look(v128.load(at), a0), look(v128.load(at, 16), a1)),
      v128.xor(look(v128.load(at, 32), b0), look(v128.load(at, 48), b1)),
    );
    const cd = v128.xor(
      v128.xor(look(v128.load(at, 64), c0), look(v128.load(at, 80), c1)),
      v128.xor(look(v128.load(at, 96), d0), look(v128.load(at, 112), d1)),
    );
    lower = v128.xor(lower, v128.xor(ab, cd));
  }
  return reduce(lower, upper);
}

// Computes the tables of the power of the key that is at POWER: its products with all values of
// four bits.
function buildTables(at: usize): void {
  // The lowest bit of a byte is the power x^7. Its product comes first.
  let first = bswap(load<u64>(POWER)), second = bswap(load<u64>(POWER, 8)), third: u64 = 0;
  third = second << 57, second = second >> 7 | first << 57, first >>= 7;
  for (let bit = 1; bit <= 0x80; bit <<= 1) {
    store<u64>(PRODUCT, bswap(first));
    store<u64>(PRODUCT, bswap(second), 8);
    store<u64>(PRODUCT, bswap(third), 16);
    const table = at + (bit > 8 ? 16 : 0);
    const entry = bit > 8 ? bit >> 4 : bit;
    for (let i: usize = 0; i < PRODUCT_SIZE; i++) {
      const part = table + i * TABLES_OF_A_BYTE;
      const byte = load<u8>(PRODUCT + i);
      // An entry with this bit is the sum of the entry without it and the product of this bit.
      for (let k = 0; k < entry; k++) store<u8>(part + entry + k, load<u8>(part + k) ^ byte);
    }
    first = first << 1 | second >> 63, second = second << 1 | third >> 63, third <<= 1;
  }
}

// Computes the tables for a key of GHASH.
export function buildHashTables(key: v128): void {
  memory.fill(TABLES, 0, PRODUCT_SIZE * TABLES_OF_A_BYTE);
  v128.store(POWER, key);
  const zero = i8x16.splat(0);
  // The tables of the first power come first, because they compute the other powers.
  for (let at = TABLES + 96; ; at -= 32) {
    buildTables(at);
    if (at === TABLES) break;
    v128.store(POWER, combine(zero, zero, zero, v128.load(POWER)));
  }
  memory.fill(POWER, 0, 48);
}

// Computes the hash of whole blocks, and stores it at HASH.
export function hash(at: usize, blocks: i32): void {
  const end = at + 16 * blocks;
  const zero = i8x16.splat(0);
  let sum = zero;
  // If the blocks are not a multiple of four, zero blocks before them do not change the hash.
  const rest = blocks & 3;
  if (rest > 0) {
    sum = combine(
      zero,
      rest > 2 ? v128.load(at) : zero,
      rest > 1 ? v128.load(at + 16 * (rest - 2)) : zero,
      v128.load(at + 16 * (rest - 1)),
    );
    at += 16 * rest;
  }
  for (; at < end; at += 64) {
    sum = combine(
      v128.xor(v128.load(at), sum),
      v128.load(at, 16),
      v128.load(at, 32),
      v128.load(at, 48),
    );
  }
  v128.store(HASH, sum);
}
