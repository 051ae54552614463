// Shared: CRC-32 in AssemblyScript, for WebAssembly with SIMD.
//
// Modulo the polynomial, 1 is the sum of x^(-8d) for six distances d: 53, 57, 67, 108, 129 and 137.
// So the remainder does not change when a byte is removed and added (XORed) to the six bytes at
// these distances after it. This needs no tables and no products, and works on 16 bytes at once.
// Only the last nine blocks are divided with tables, as M. Kounavis and F. Berry do (see crc32.ts).
//
// If the bytes do not fill whole blocks, zeros are put before them: they do not change a remainder
// of zero. The remainder must begin with ones. Adding the ones to the first four bytes has the same
// effect.

import { CHECKSUM } from "./memory.as";

// The 16 tables of 256 entries. Table k is for a byte with k bytes after it, 0 to 15.
const TABLES: usize = CHECKSUM;
/**
 * Zeros and ones. At START are 16 bytes of zeros, 4 bytes of ones (the start value of the
 * remainder) and zeros. At TAKEN are 16 bytes of zeros and 16 bytes of ones: a mask that selects
 * the data after the zeros put before it.
 */
const START: usize = CHECKSUM + 16_384;
const TAKEN: usize = CHECKSUM + 16_432;
/** The last blocks, with everything that was added to them. */
const REST: usize = CHECKSUM + 16_464;

/** How many blocks after its own a removed byte may be added to. */
const REACH = 9;
/** For fewer blocks than this, the tables are as fast. */
const MIN_BLOCKS = 20;

// @ts-ignore: decorator
@inline
function entry(k: usize, word: u64, j: i32): u32 {
  return load<u32>(TABLES + 1024 * k + ((<usize> (word >> (8 * j)) & 255) << 2));
}

// The remainder of 8 bytes with `k` zero bytes after them.
// @ts-ignore: decorator
@inline
function step(k: usize, word: u64): u32 {
  return entry(k + 7, word, 0) ^ entry(k + 6, word, 1) ^ entry(k + 5, word, 2) ^
    entry(k + 4, word, 3) ^ entry(k + 3, word, 4) ^ entry(k + 2, word, 5) ^
    entry(k + 1, word, 6) ^ entry(k, word, 7);
}

// The remainder of whole blocks, when `crc` is the remainder of the blocks before them.
function divide(at: usize, end: usize, crc: u32): u32 {
  for (; at < end; at += 16) crc = step(8, load<u64>(at) ^ <u64> crc) ^ step(0, load<u64>(at, 8));
  return crc;
}

// The sum of the removed bytes that is added to a block. Parameter bN is the block N blocks before
// it.
// @ts-ignore: decorator
@inline
function added(b9: v128, b8: v128, b7: v128, b6: v128, b5: v128, b4: v128, b3: v128): v128 {
  // deno-fmt-ignore
  const by137 = v128.shuffle<u8>(
    b9, b8, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
  );
  // deno-fmt-ignore
  const by129 = v128.shuffle<u8>(
    b9, b8, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30,
  );
  // deno-fmt-ignore
  const by108 = v128.shuffle<u8>(
    b7, b6, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
  );
  // deno-fmt-ignore
  const by67 = v128.shuffle<u8>(
    b5, b4, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
  );
  // deno-fmt-ignore
  const by57 = v128.shuffle<u8>(
    b4, b3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
  );
  // deno-fmt-ignore
  const by53 = v128.shuffle<u8>(
    b4, b3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
  );
  return v128.xor(
    v128.xor(v128.xor(by137, by129), by108),
    v128.xor(v128.xor(by57, by53), by67),
  );
}

// The checksum of `length` bytes at `at`.
export function checksum(at: usize, length: i32): u32 {
  if (length < 4) {
    let crc: u32 = 0xffffffff;
    for (const end = at + length; at < end; at++) {
      crc = crc >> 8 ^ load<u32>(TABLES + (((crc ^ load<u8>(at)) & 255) << 2));
    }
    return ~crc;
  }
  const end = at + length;
  const pad: usize = -length & 15;
  // The first block with the start value added, and the part of the start value for the second
  // block.
  const first = v128.xor(
    v128.and(v128.load(at - pad), v128.load(TAKEN + 16 - pad)),
    v128.load(START + 16 - pad),
  );
  let second = v128.load(START + 32 - pad);
  const blocks = (length + 15) >> 4;
  at += 16 - pad;
  if (blocks < MIN_BLOCKS) {
    v128.store(REST, first);
    let crc = divide(REST, REST + 16, 0);
    if (at < end) {
      v128.store(REST, v128.xor(v128.load(at), second));
      crc = divide(at + 16, end, divide(REST, REST + 16, crc));
    }
    return ~crc;
  }
  const zero = i64x2.splat(0);
  let b9 = zero, b8 = zero, b7 = zero, b6 = zero, b5 = zero, b4 = zero, b3 = zero, b2 = zero;
  let b1 = first;
  const whole = end - 16 * REACH;
  // Each new block replaces the oldest one.
  for (; at + 144 <= whole; at += 144) {
    b9 = v128.xor(v128.xor(v128.load(at), second), added(b9, b8, b7, b6, b5, b4, b3));
    second = zero;
    b8 = v128.xor(v128.load(at, 16), added(b8, b7, b6, b5, b4, b3, b2));
    b7 = v128.xor(v128.load(at, 32), added(b7, b6, b5, b4, b3, b2, b1));
    b6 = v128.xor(v128.load(at, 48), added(b6, b5, b4, b3, b2, b1, b9));
    b5 = v128.xor(v128.load(at, 64), added(b5, b4, b3, b2, b1, b9, b8));
    b4 = v128.xor(v128.load(at, 80), added(b4, b3, b2, b1, b9, b8, b7));
    b3 = v128.xor(v128.load(at, 96), added(b3, b2, b1, b9, b8, b7, b6));
    b2 = v128.xor(v128.load(at, 112), added(b2, b1, b9, b8, b7, b6, b5));
    b1 = v128.xor(v128.load(at, 128), added(b1, b9, b8, b7, b6, b5, b4));
  }
  for (; at < whole; at += 16) {
    const b0 = v128.xor(v128.xor(v128.load(at), second), added(b9, b8, b7, b6, b5, b4, b3));
    second = zero;
    b9 = b8, b8 = b7, b7 = b6, b6 = b5, b5 = b4, b4 = b3, b3 = b2, b2 = b1, b1 = b0;
  }
  // The last blocks are not removed but divided.
  for (let rest = REST; at < end; at += 16, rest += 16) {
    v128.store(rest, v128.xor(v128.load(at), added(b9, b8, b7, b6, b5, b4, b3)));
    b9 = b8, b8 = b7, b7 = b6, b6 = b5, b5 = b4, b4 = b3, b3 = b2, b2 = b1, b1 = zero;
  }
  return ~divide(REST, REST + 16 * REACH, 0);
}
