// CRC-32 in AssemblyScript, for WebAssembly: four remainders at once, each of every fourth word of 8 bytes, so that none
// waits for another. M. Adler calls this a braid; J. Kadatch, B. Jenkins, "Everything we know about CRC but
// afraid to forget", 2010.
//
// The tables lie at 0, 256 entries each: of 0 to 7 bytes that follow, and then of 24 to 31. The data lies at DATA.

const FAR: usize = 8192;
const DATA: usize = 16_384;

// @ts-ignore: decorator
@inline
function entry(table: usize, k: usize, word: u64, j: i32): u32 {
  return load<u32>(table + 1024 * k + (<usize> (word >> (8 * j)) & 255) * 4);
}

// What 8 bytes do to the remainder, once as many bytes have followed as the last table says.
// @ts-ignore: decorator
@inline
function step(table: usize, word: u64): u32 {
  return entry(table, 7, word, 0) ^ entry(table, 6, word, 1) ^ entry(table, 5, word, 2) ^
    entry(table, 4, word, 3) ^ entry(table, 3, word, 4) ^ entry(table, 2, word, 5) ^
    entry(table, 1, word, 6) ^ entry(table, 0, word, 7);
}

export function crc32(length: i32): u32 {
  let at = DATA;
  const end = at + length;
  let a: u64 = 0xffffffff;
  if (length >= 64) {
    let b: u64 = 0, c: u64 = 0, d: u64 = 0;
    for (; at + 64 <= end; at += 32) {
      a = step(FAR, load<u64>(at) ^ a);
      b = step(FAR, load<u64>(at, 8) ^ b);
      c = step(FAR, load<u64>(at, 16) ^ c);
      d = step(FAR, load<u64>(at, 24) ^ d);
    }
    // The last words go one after the other.
    a = step(0, load<u64>(at) ^ a);
    a = step(0, load<u64>(at, 8) ^ a ^ b);
    a = step(0, load<u64>(at, 16) ^ a ^ c);
    a = step(0, load<u64>(at, 24) ^ a ^ d);
    at += 32;
  }
  for (; at + 8 <= end; at += 8) a = step(0, load<u64>(at) ^ a);
  let crc = <u32> a;
  for (; at < end; at++) crc = crc >> 8 ^ load<u32>(((crc ^ load<u8>(at)) & 255) * 4);
  return ~crc;
}
