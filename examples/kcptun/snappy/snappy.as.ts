// Pages: 4
//
// Snappy blocks in AssemblyScript, for WebAssembly with SIMD. Their checksum is in crc32c.as.ts.
//
// Sources: the descriptions of the Snappy format and of the Snappy framing format, which come with
// the reference implementation.
//
// The memory holds the tables and the last bytes of the checksum, the hash table, the input and the
// output. Copies go in steps of 8 or 16 bytes, so they may write up to 15 bytes behind their end.
// Both areas have room for that. Both are work areas of the checksum, too: zeros are before them.

import { crc32c, fillTables } from "./crc32c.as";

/** 2^14 entries of 16 bits: the last position of each hash. */
const HASHES: usize = 16_384;
/** The input: at most 76,494 bytes, the longest chunk. */
const INPUT: usize = 65_536;
/** The output: at most 76,498 bytes, a chunk with its header. */
const OUTPUT: usize = 147_456;

/** Most bytes of a block before compression. */
const MAX_BLOCK: u64 = 65_536;
const MAX_HASH_BITS: u32 = 14;
/** No match begins in the last bytes of a block: they are read in words. */
const MARGIN: u32 = 15;

/** The block is not valid. */
const CORRUPT: i32 = -1;
/** The block is valid, but its checksum is another one. */
const WRONG_CHECKSUM: i32 = -2;

/** Prepares the memory. It is called once. */
export function begin(): void {
  fillTables();
}

/** The masked CRC-32C of `length` bytes: rotated by 15 bits, plus a constant. */
function checksum(at: usize, length: u32, work: usize): u32 {
  return rotr(crc32c(at, length, work), 15) + 0xa282ead8;
}

/** Copies bytes in steps of 16. The areas must not overlap within 16 bytes. */
// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, length: u32): void {
  for (const end = to + length; to < end; to += 16, from += 16) {
    v128.store(to, v128.load(from));
  }
}

/** Writes a literal. Returns the address behind it. */
function literal(to: usize, from: usize, length: u32): usize {
  const n = length - 1;
  if (n < 60) {
    store<u8>(to, n << 2);
    to += 1;
  } else if (n < 256) {
    store<u16>(to, 60 << 2 | n << 8);
    to += 2;
  } else {
    store<u8>(to, 61 << 2);
    store<u16>(to, n, 1);
    to += 3;
  }
  copy(to, from, length);
  return to + length;
}

/** Writes a reference of three bytes, for 1 to 64 bytes. */
// @ts-ignore: decorator
@inline
function longReference(to: usize, offset: u32, length: u32): usize {
  store<u8>(to, 2 | (length - 1) << 2);
  store<u16>(to, offset, 1);
  return to + 3;
}

/** Writes a reference to bytes that stand `offset` before. Returns the address behind it. */
function reference(to: usize, offset: u32, length: u32): usize {
  // Four bytes or more remain, so that the last reference may be of two bytes.
  for (; length >= 68; length -= 64) to = longReference(to, offset, 64);
  if (length > 64) {
    to = longReference(to, offset, 60);
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) return longReference(to, offset, length);
  store<u16>(to, 1 | (length - 4) << 2 | (offset >> 8) << 5 | (offset & 255) << 8);
  return to + 2;
}

/** How many bytes at `a` and at `b` are the same. `end` is the end of those at `b`. */
// @ts-ignore: decorator
@inline
function common(a: usize, b: usize, end: usize): u32 {
  const start = b;
  for (; b + 8 <= end; a += 8, b += 8) {
    const different = load<u64>(a) ^ load<u64>(b);
    if (different) return <u32> (b - start) + (<u32> ctz(different) >> 3);
  }
  while (b < end && load<u8>(a) === load<u8>(b)) a++, b++;
  return <u32> (b - start);
}

// @ts-ignore: decorator
@inline
function hash(at: u32, shift: u32): usize {
  return HASHES + (((load<u32>(INPUT + at) * 0x9e3779b1) >> shift) << 1);
}

/** Compresses the input to the address `to`. Returns the address behind the block. */
function compress(length: u32, to: usize): usize {
  for (let rest = length; ; rest >>= 7) {
    store<u8>(to, rest < 128 ? rest : rest | 128);
    to++;
    if (rest < 128) break;
  }
  let pending: u32 = 0;
  if (length > MARGIN) {
    let bits: u32 = 8;
    while (bits < MAX_HASH_BITS && <u32> 1 << bits < length) bits++;
    const shift = 32 - bits;
    memory.fill(HASHES, 0, 2 << bits);
    const limit = length - MARGIN;
    for (let at: u32 = 1; at <= limit;) {
      // The longer nothing matches, the longer the steps become.
      let skip: u32 = 32;
      let candidate: u32 = 0;
      for (;;) {
        const slot = hash(at, shift);
        candidate = load<u16>(slot);
        store<u16>(slot, at);
        if (load<u32>(INPUT + at) === load<u32>(INPUT + candidate)) break;
        at += skip >> 5;
        skip++;
        if (at > limit) break;
      }
      if (at > limit) break;
      if (at > pending) to = literal(to, INPUT + pending, at - pending);
      do {
        const match = 4 + common(INPUT + candidate + 4, INPUT + at + 4, INPUT + length);
        to = reference(to, at - candidate, match);
        at += match;
        pending = at;
        if (at > limit) break;
        store<u16>(hash(at - 1, shift), at - 1);
        const slot = hash(at, shift);
        candidate = load<u16>(slot);
        store<u16>(slot, at);
      } while (load<u32>(INPUT + at) === load<u32>(INPUT + candidate));
      at++;
    }
  }
  return length > pending ? literal(to, INPUT + pending, length - pending) : to;
}

/**
 * Makes a chunk of the input, 1 to 65,536 bytes. The chunk is compressed if that saves an eighth.
 *
 * @returns The length of the chunk with its header. It is in the output.
 */
export function encode(length: u32): u32 {
  let size = <u32> (compress(length, OUTPUT + 8) - (OUTPUT + 8));
  const plain = size >= length - length / 8;
  if (plain) {
    memory.copy(OUTPUT + 8, INPUT, length);
    size = length;
  }
  store<u32>(OUTPUT, (plain ? 1 : 0) | (size + 4) << 8);
  // The input is needed no more.
  store<u32>(OUTPUT, checksum(INPUT, length, INPUT), 4);
  return size + 8;
}

/**
 * Checks the body of an uncompressed chunk: a checksum and at most 65,536 bytes, in the input.
 *
 * @returns The number of bytes behind the checksum, or an error.
 */
export function check(length: u32): i32 {
  const wanted = load<u32>(INPUT);
  return checksum(INPUT + 4, length - 4, OUTPUT) === wanted ? length - 4 : WRONG_CHECKSUM;
}

/**
 * Decompresses the body of a compressed chunk: a checksum and a block, in the input.
 *
 * @returns The number of bytes in the output, or an error.
 */
export function decode(length: u32): i32 {
  const end = INPUT + length;
  let from = INPUT + 4;
  let long: u64 = 0;
  for (let shift: u64 = 0; ; shift += 7) {
    if (from >= end || shift > 28) return CORRUPT;
    const byte: u64 = load<u8>(from);
    from++;
    long |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  if (long > MAX_BLOCK) return CORRUPT;
  const size = <u32> long;
  let to = OUTPUT;
  const last = OUTPUT + size;
  while (from < end) {
    const tag: u32 = load<u8>(from);
    const kind = tag & 3;
    if (kind === 0) {
      let n = tag >> 2;
      from += 1;
      if (n >= 60) {
        const bytes = n - 59;
        if (from + bytes > end) return CORRUPT;
        n = load<u32>(from) & <u32> 0xffffffff >> (32 - 8 * bytes);
        from += bytes;
      }
      // The literal has n + 1 bytes. The sum could overflow.
      if (n >= <u32> (end - from) || n >= <u32> (last - to)) return CORRUPT;
      copy(to, from, n + 1);
      from += n + 1;
      to += n + 1;
      continue;
    }
    const more: usize = kind === 3 ? 5 : kind + 1;
    if (from + more > end) return CORRUPT;
    let count = (tag >> 2) + 1;
    let offset: u32;
    if (kind === 1) {
      count = (tag >> 2 & 7) + 4;
      offset = (tag >> 5) << 8 | <u32> load<u8>(from, 1);
    } else {
      offset = kind === 2 ? <u32> load<u16>(from, 1) : load<u32>(from, 1);
    }
    from += more;
    if (offset === 0 || offset > <u32> (to - OUTPUT) || count > <u32> (last - to)) return CORRUPT;
    const source = to - offset;
    const after = to + count;
    if (offset >= 16) {
      copy(to, source, count);
    } else if (offset >= 8) {
      for (let i: usize = 0; i < count; i += 8) store<u64>(to + i, load<u64>(source + i));
    } else {
      for (let i: usize = 0; i < count; i++) store<u8>(to + i, load<u8>(source + i));
    }
    to = after;
  }
  if (to !== last) return CORRUPT;
  const wanted = load<u32>(INPUT);
  return checksum(OUTPUT, size, INPUT) === wanted ? <i32> size : WRONG_CHECKSUM;
}
