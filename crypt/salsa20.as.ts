// Salsa20 in AssemblyScript, for WebAssembly with SIMD. It computes the key stream of four blocks
// at once, one in each lane of a vector. D. Bernstein, "Salsa20 specification", 2005.
//
// The caller writes the constants and the key into the 16 words of the state. Packets are
// `nonce 16 | checksum 4 | payload`. The first 8 bytes of a packet are the nonce of Salsa20 and are
// not encrypted.

import { checksum } from "./checksum.as";
import { add, put, rotate } from "./lanes.as";
import { SALSA } from "./memory.as";

const CLEAR = 8;
const NONCE_SIZE = 16;
const HEADER_SIZE = 20;
/** The start and the end of each packet, at most 64 packets. */
const LIST: usize = SALSA + 512;
/** A copy of the bytes after a packet. Steps of 128 or 256 bytes overwrite them. */
const BEHIND: usize = SALSA + 256;

// @ts-ignore: decorator
@inline
function mix(x: v128, a: v128, b: v128, n: i32): v128 {
  return v128.xor(x, rotate(i32x4.add(a, b), n));
}

// Converts the diagonals of a block's state into its rows, and XORs these with the memory at `at`.
// @ts-ignore: decorator
@inline
function undiagonal(at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ad = v128.shuffle<i32>(a, d, 0, 5, 2, 7), cb = v128.shuffle<i32>(c, b, 0, 5, 2, 7);
  const ba = v128.shuffle<i32>(b, a, 0, 5, 2, 7), dc = v128.shuffle<i32>(d, c, 0, 5, 2, 7);
  add(at, v128.shuffle<i64>(ad, cb, 0, 3));
  add(at + 16, v128.shuffle<i64>(ba, dc, 0, 3));
  add(at + 32, v128.shuffle<i64>(cb, ad, 0, 3));
  add(at + 48, v128.shuffle<i64>(dc, ba, 0, 3));
}

// @ts-ignore: decorator
@inline
function diagonal(w: usize, x: usize, y: usize, z: usize): v128 {
  return i32x4(
    load<i32>(SALSA + 4 * w),
    load<i32>(SALSA + 4 * x),
    load<i32>(SALSA + 4 * y),
    load<i32>(SALSA + 4 * z),
  );
}

// XORs the last 128 bytes or less with two blocks of key stream. This takes little more than half
// the time of four blocks. A vector holds a diagonal of one block's state. The rotations of a
// vector's words turn diagonals for column rounds into diagonals for row rounds, and back.
function cryptPair(at: usize, counter: i32): void {
  const s0 = diagonal(0, 5, 10, 15), s1 = diagonal(4, 9, 14, 3), s3 = diagonal(12, 1, 6, 11);
  const s2 = i32x4.replace_lane(diagonal(8, 13, 2, 7), 0, counter);
  const t2 = i32x4.replace_lane(s2, 0, counter + 1);
  let a = s0, b = s1, c = s2, d = s3, e = s0, f = s1, g = t2, h = s3;
  for (let i = 0; i < 10; i++) {
    b = mix(b, a, d, 7), f = mix(f, e, h, 7);
    c = mix(c, b, a, 9), g = mix(g, f, e, 9);
    d = mix(d, c, b, 13), h = mix(h, g, f, 13);
    a = mix(a, d, c, 18), e = mix(e, h, g, 18);
    b = v128.shuffle<i32>(b, b, 3, 0, 1, 2), f = v128.shuffle<i32>(f, f, 3, 0, 1, 2);
    c = v128.shuffle<i32>(c, c, 2, 3, 0, 1), g = v128.shuffle<i32>(g, g, 2, 3, 0, 1);
    d = v128.shuffle<i32>(d, d, 1, 2, 3, 0), h = v128.shuffle<i32>(h, h, 1, 2, 3, 0);
    d = mix(d, a, b, 7), h = mix(h, e, f, 7);
    c = mix(c, d, a, 9), g = mix(g, h, e, 9);
    b = mix(b, c, d, 13), f = mix(f, g, h, 13);
    a = mix(a, b, c, 18), e = mix(e, f, g, 18);
    b = v128.shuffle<i32>(b, b, 1, 2, 3, 0), f = v128.shuffle<i32>(f, f, 1, 2, 3, 0);
    c = v128.shuffle<i32>(c, c, 2, 3, 0, 1), g = v128.shuffle<i32>(g, g, 2, 3, 0, 1);
    d = v128.shuffle<i32>(d, d, 3, 0, 1, 2), h = v128.shuffle<i32>(h, h, 3, 0, 1, 2);
  }
  undiagonal(at, i32x4.add(a, s0), i32x4.add(b, s1), i32x4.add(c, s2), i32x4.add(d, s3));
  undiagonal(at + 64, i32x4.add(e, s0), i32x4.add(f, s1), i32x4.add(g, t2), i32x4.add(h, s3));
}

// XORs a packet with the key stream, except for its first 8 bytes.
function crypt(packet: usize, end: usize): void {
  // Saves the bytes after the packet that the last step overwrites.
  const rest: usize = (end - packet - CLEAR) & 255;
  const over: usize = rest === 0 ? 0 : rest <= 128 ? 128 - rest : 256 - rest;
  for (let n: usize = 0; n < over; n += 16) v128.store(BEHIND + n, v128.load(end + n));
  store<u64>(SALSA + 24, load<u64>(packet));
  const s0 = v128.load32_splat(SALSA), s1 = v128.load32_splat(SALSA + 4);
  const s2 = v128.load32_splat(SALSA + 8), s3 = v128.load32_splat(SALSA + 12);
  const s4 = v128.load32_splat(SALSA + 16), s5 = v128.load32_splat(SALSA + 20);
  const s6 = v128.load32_splat(SALSA + 24), s7 = v128.load32_splat(SALSA + 28);
  // A packet has fewer than 2^32 blocks, so the upper word of the counter stays 0.
  let s8 = i32x4.add(v128.load32_splat(SALSA + 32), i32x4(0, 1, 2, 3));
  const s9 = v128.load32_splat(SALSA + 36);
  const s10 = v128.load32_splat(SALSA + 40), s11 = v128.load32_splat(SALSA + 44);
  const s12 = v128.load32_splat(SALSA + 48), s13 = v128.load32_splat(SALSA + 52);
  const s14 = v128.load32_splat(SALSA + 56), s15 = v128.load32_splat(SALSA + 60);
  let at = packet + CLEAR;
  for (; at + 128 < end; at += 256) {
    let x0 = s0, x1 = s1, x2 = s2, x3 = s3, x4 = s4, x5 = s5, x6 = s6, x7 = s7;
    let x8 = s8, x9 = s9, x10 = s10, x11 = s11, x12 = s12, x13 = s13, x14 = s14, x15 = s15;
    for (let i = 0; i < 10; i++) {
      x4 = mix(x4, x0, x12, 7);
      x9 = mix(x9, x5, x1, 7);
      x14 = mix(x14, x10, x6, 7);
      x3 = mix(x3, x15, x11, 7);
      x8 = mix(x8, x4, x0, 9);
      x13 = mix(x13, x9, x5, 9);
      x2 = mix(x2, x14, x10, 9);
      x7 = mix(x7, x3, x15, 9);
      x12 = mix(x12, x8, x4, 13);
      x1 = mix(x1, x13, x9, 13);
      x6 = mix(x6, x2, x14, 13);
      x11 = mix(x11, x7, x3, 13);
      x0 = mix(x0, x12, x8, 18);
      x5 = mix(x5, x1, x13, 18);
      x10 = mix(x10, x6, x2, 18);
      x15 = mix(x15, x11, x7, 18);

      x1 = mix(x1, x0, x3, 7);
      x6 = mix(x6, x5, x4, 7);
      x11 = mix(x11, x10, x9, 7);
      x12 = mix(x12, x15, x14, 7);
      x2 = mix(x2, x1, x0, 9);
      x7 = mix(x7, x6, x5, 9);
      x8 = mix(x8, x11, x10, 9);
      x13 = mix(x13, x12, x15, 9);
      x3 = mix(x3, x2, x1, 13);
      x4 = mix(x4, x7, x6, 13);
      x9 = mix(x9, x8, x11, 13);
      x14 = mix(x14, x13, x12, 13);
      x0 = mix(x0, x3, x2, 18);
      x5 = mix(x5, x4, x7, 18);
      x10 = mix(x10, x9, x8, 18);
      x15 = mix(x15, x14, x13, 18);
    }
    put(at, i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3));
    put(at + 16, i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7));
    put(at + 32, i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11));
    put(
      at + 48,
      i32x4.add(x12, s12),
      i32x4.add(x13, s13),
      i32x4.add(x14, s14),
      i32x4.add(x15, s15),
    );
    s8 = i32x4.add(s8, i32x4.splat(4));
  }
  if (at < end) cryptPair(at, i32x4.extract_lane(s8, 0));
  for (let n: usize = 0; n < over; n += 16) v128.store(end + n, v128.load(BEHIND + n));
}

// Seals the first `count` packets of the list.
export function sealAll(count: i32): void {
  for (let at = LIST; at < LIST + 8 * count; at += 8) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4);
    const payload = start + HEADER_SIZE;
    store<u32>(start + NONCE_SIZE, checksum(payload, <i32> (end - payload)));
    crypt(start, end);
  }
}

// Opens the first `count` packets of the list. Replaces the start of each by 1 if its checksum is
// right, else by 0.
export function openAll(count: i32): void {
  for (let at = LIST; at < LIST + 8 * count; at += 8) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4);
    const payload = start + HEADER_SIZE;
    crypt(start, end);
    const right = load<u32>(start + NONCE_SIZE) === checksum(payload, <i32> (end - payload));
    store<u32>(at, <u32> right);
  }
}
