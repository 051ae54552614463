// Shared: CRC-32 in AssemblyScript, for WebAssembly with SIMD.
//
// Modulo the polynomial, 1 is the sum of x^(-8d) for the six d of DISTANCES: so a byte may be dropped if it is added to
// the six bytes that lie so far behind it. That takes neither tables nor products, and 16 bytes at once; only the last
// REACH XX//
// The 16 tables lie at TABLES, 256 entries each: of 0 to 15 bytes that follow. What is dropped lies at SUMS.

// DISTANCES: 53, 57, 67, 108, 129 and 137.
const REACH = 137;
const TABLES: usize = 1024;
/** The last bytes, with all that was added to them. */
const REST: usize = 17_408;
const REST_SIZE: usize = 160;
/** There are zeros in front of it, as nothing is dropped before the first byte. */
const SUMS: usize = 90_880;
/** Of fewer bytes than this, the tables are as fast. */
const MIN_LENGTH = 320;

// @ts-ignore: decorator
@inline
function entry(k: usize, word: u64, j: i32): u32 {
  return load<u32>(TABLES + 1024 * k + ((<usize> (word >> (8 * j)) & 255) << 2));
}

// What 8 bytes do to the remainder, once `k` more have followed.
// @ts-ignore: decorator
@inline
function step(k: usize, word: u64): u32 {
  return entry(k + 7, word, 0) ^ entry(k + 6, word, 1) ^ entry(k + 5, word, 2) ^
    entry(k + 4, word, 3) ^ entry(k + 3, word, 4) ^ entry(k + 2, word, 5) ^
    entry(k + 1, word, 6) ^ entry(k, word, 7);
}

function divide(at: usize, end: usize, crc: u32): u32 {
  for (; at + 16 <= end; at += 16) {
    crc = step(8, load<u64>(at) ^ <u64> crc) ^ step(0, load<u64>(at, 8));
  }
  for (; at < end; at++) crc = crc >> 8 ^ load<u32>(TABLES + (((crc ^ load<u8>(at)) & 255) << 2));
  return crc;
}

// What has been added to 16 bytes.
// @ts-ignore: decorator
@inline
function added(sum: usize): v128 {
  return v128.xor(
    v128.xor(
      v128.xor(v128.load(sum - 137), v128.load(sum - 129)),
      v128.xor(v128.load(sum - 108), v128.load(sum - 67)),
    ),
    v128.xor(v128.load(sum - 57), v128.load(sum - 53)),
  );
}

// The checksum of so many bytes that lie at `at`, at most 64 KiB.
export function checksum(at: usize, length: i32): u32 {
  if (length < MIN_LENGTH) return ~divide(at, at + length, 0xffffffff);
  const whole = (length - REACH) & -16;
  const end = SUMS + whole;
  const offset = at - SUMS;
  // The remainder begins with ones.
  v128.store(SUMS, v128.xor(v128.load(at), i32x4(-1, 0, 0, 0)));
  let sum = SUMS + 16;
  for (; sum < end; sum += 16) {
    v128.store(sum, v128.xor(v128.load(sum + offset), added(sum)));
  }
  // What is left is not dropped. Behind it may be anything.
  for (let n: usize = 0; n < REST_SIZE; n += 16) v128.store(end + n, i8x16.splat(0));
  for (let n: usize = 0; n < REST_SIZE; n += 16) {
    v128.store(REST + n, v128.xor(v128.load(end + offset + n), added(end + n)));
  }
  return ~divide(REST, REST + length - whole, 0);
}
