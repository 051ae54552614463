// Shared: CRC-32C in AssemblyScript, for WebAssembly with SIMD.
//
// Source of the polynomial: G. Castagnoli, S. Bräuer, M. Herrmann, "Optimization of Cyclic
// Redundancy-Check Codes with 24 and 32 Parity Bits", 1993.
//
// Modulo this polynomial, 1 is the sum of x^(-8d) for five distances d: 65, 155, 170, 195 and 209.
// So the remainder does not change when a byte is removed and added (XORed) to the five bytes at
// these distances after it. This needs no tables, and works on 16 bytes at once. Only the last bytes,
// those that the largest distance reaches, are divided with tables.

/** 16 tables of 256 entries. Table k is for a byte with k bytes after it. */
const TABLES: usize = 0;
/** The last bytes, with everything that was added to them. */
const REST: usize = 49_152;

const D1: usize = 65;
const D2: usize = 155;
const D3: usize = 170;
const D4: usize = 195;
const D5: usize = 209;
/** Bytes before a work area, which are zero and stay so. */
export const ZEROS: usize = 224;
/** For fewer bytes than this, the tables are as fast. */
const MIN_LENGTH: u32 = 640;

// @ts-ignore: decorator
@inline
function entry(k: usize, word: u64, j: i32): u32 {
  return load<u32>(TABLES + 1024 * k + ((<usize> (word >> (8 * j)) & 255) << 2));
}

/** Fills the tables. It is called once. */
export function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder >> 1 ^ (remainder & 1 ? 0x82f63b78 : 0);
    }
    store<u32>(TABLES + (byte << 2), remainder);
  }
  for (let i: usize = 1024; i < 16_384; i += 4) {
    const before = load<u32>(TABLES + i - 1024);
    store<u32>(TABLES + i, before >> 8 ^ load<u32>(TABLES + ((before & 255) << 2)));
  }
}

/** The remainder of `length` bytes, when `crc` is the remainder of the bytes before them. */
function divide(at: usize, length: u32, crc: u32): u32 {
  const end = at + length;
  for (; at + 16 <= end; at += 16) {
    const a = load<u64>(at) ^ <u64> crc;
    const b = load<u64>(at, 8);
    crc = entry(15, a, 0) ^ entry(14, a, 1) ^ entry(13, a, 2) ^ entry(12, a, 3) ^
      entry(11, a, 4) ^ entry(10, a, 5) ^ entry(9, a, 6) ^ entry(8, a, 7) ^
      entry(7, b, 0) ^ entry(6, b, 1) ^ entry(5, b, 2) ^ entry(4, b, 3) ^
      entry(3, b, 4) ^ entry(2, b, 5) ^ entry(1, b, 6) ^ entry(0, b, 7);
  }
  for (; at < end; at++) {
    crc = crc >> 8 ^ load<u32>(TABLES + (((crc ^ load<u8>(at)) & 255) << 2));
  }
  return crc;
}

/** What is added to the 16 bytes at `at` of the work area. */
// @ts-ignore: decorator
@inline
function added(at: usize): v128 {
  const from = at - D5;
  return v128.xor(
    v128.xor(v128.load(from), v128.load(from, D5 - D4)),
    v128.xor(
      v128.xor(v128.load(from, D5 - D3), v128.load(from, D5 - D2)),
      v128.load(from, D5 - D1),
    ),
  );
}

/** Adds the removed bytes before `end` to the bytes that are `d` after them, as far as those rest. */
// @ts-ignore: decorator
@inline
function addToRest(end: usize, d: usize): void {
  const from = end - d;
  let i: usize = 0;
  for (; i + 16 <= d; i += 16) {
    v128.store(REST + i, v128.xor(v128.load(REST + i), v128.load(from + i)));
  }
  for (; i < d; i++) store<u8>(REST + i, load<u8>(REST + i) ^ load<u8>(from + i));
}

/**
 * The CRC-32C of `length` bytes at `at`.
 *
 * @param work A work area of `length` bytes with ZEROS zero bytes before it. It may be `at` itself:
 * then the data is lost.
 */
export function crc32c(at: usize, length: u32, work: usize): u32 {
  if (length < MIN_LENGTH) return ~divide(at, length, 0xffffffff);
  const removed: usize = (length - <u32> D5) & ~15;
  const data = at - work;
  const end = work + removed;
  // The remainder must begin with ones: adding them to the first four bytes has the same effect.
  v128.store(work, v128.xor(v128.load(at), i32x4(-1, 0, 0, 0)));
  let to = work + 16;
  // The smallest distance is more than 64: four blocks do not depend on each other.
  for (; to + 64 <= end; to += 64) {
    const a = v128.xor(v128.load(to + data), added(to));
    const b = v128.xor(v128.load(to + data, 16), added(to + 16));
    const c = v128.xor(v128.load(to + data, 32), added(to + 32));
    const d = v128.xor(v128.load(to + data, 48), added(to + 48));
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }
  for (; to < end; to += 16) v128.store(to, v128.xor(v128.load(to + data), added(to)));
  const rest = length - <u32> removed;
  memory.copy(REST, at + removed, rest);
  addToRest(end, D1);
  addToRest(end, D2);
  addToRest(end, D3);
  addToRest(end, D4);
  addToRest(end, D5);
  return ~divide(REST, rest, 0);
}
