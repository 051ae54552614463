// Salsa20 in AssemblyScript, for WebAssembly with SIMD. It computes the key stream of four blocks
// at once, one in each lane of a vector, of two packets side by side. D. Bernstein, "Salsa20
// specification", 2005.
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

// Keeps `size` bytes at `at`, as steps of 128 and 256 bytes overwrite what is behind a packet.
// @ts-ignore: decorator
@inline
function keep(at: usize, size: usize): void {
  for (let n: usize = 0; n < size; n += 16) v128.store(BEHIND + n, v128.load(at + n));
}

// Writes them back.
// @ts-ignore: decorator
@inline
function restore(at: usize, size: usize): void {
  for (let n: usize = 0; n < size; n += 16) v128.store(at + n, v128.load(BEHIND + n));
}

// How many of `size` bytes at `at` are behind `end`.
// @ts-ignore: decorator
@inline
function behind(at: usize, size: usize, end: usize): usize {
  return at + size > end ? at + size - end : 0;
}

// Puts the nonce of a packet into the state.
// @ts-ignore: decorator
@inline
function useNonce(packet: usize): void {
  store<u64>(SALSA + 24, load<u64>(packet));
}

// XORs the last 128 bytes of a packet, or less, with two blocks of key stream.
// @ts-ignore: decorator
@inline
function putPair(
  at: usize, end: usize,
  a: v128, b: v128, c: v128, d: v128,
  e: v128, f: v128, g: v128, h: v128,
): void {
  const over = behind(at, 128, end);
  keep(end, over);
  undiagonal(at, a, b, c, d);
  undiagonal(at + 64, e, f, g, h);
  restore(end, over);
}

// XORs 256 bytes of a packet, or the last ones of it, with four blocks of key stream.
function putQuad(
  at: usize, end: usize,
  x0: v128, x1: v128, x2: v128, x3: v128,
  x4: v128, x5: v128, x6: v128, x7: v128,
  x8: v128, x9: v128, x10: v128, x11: v128,
  x12: v128, x13: v128, x14: v128, x15: v128,
): void {
  const over = behind(at, 256, end);
  keep(end, over);
  put(at, x0, x1, x2, x3);
  put(at + 16, x4, x5, x6, x7);
  put(at + 32, x8, x9, x10, x11);
  put(at + 48, x12, x13, x14, x15);
  restore(end, over);
}

// XORs the last 128 bytes or less with two blocks of key stream. This takes little more than half
// the time of four blocks. A vector holds a diagonal of one block's state. The rotations of a
// vector's words turn diagonals for column rounds into diagonals for row rounds, and back.
function cryptPair(at: usize, end: usize, counter: i32): void {
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
  putPair(
    at, end,
    i32x4.add(a, s0), i32x4.add(b, s1), i32x4.add(c, s2), i32x4.add(d, s3),
    i32x4.add(e, s0), i32x4.add(f, s1), i32x4.add(g, t2), i32x4.add(h, s3),
  );
}

// XORs the last 128 bytes or less of two packets.
function cryptPairs(
  p: usize,
  pEnd: usize,
  q: usize,
  qEnd: usize,
  first: usize,
  second: usize,
  counter: i32,
): void {
  useNonce(first);
  const s0 = diagonal(0, 5, 10, 15), s1 = diagonal(4, 9, 14, 3), s3 = diagonal(12, 1, 6, 11);
  const s2 = i32x4.replace_lane(diagonal(8, 13, 2, 7), 0, counter);
  const t2 = i32x4.replace_lane(s2, 0, counter + 1);
  useNonce(second);
  const s5 = diagonal(12, 1, 6, 11), s4 = i32x4.replace_lane(diagonal(8, 13, 2, 7), 0, counter);
  const t4 = i32x4.replace_lane(s4, 0, counter + 1);
  let a0 = s0, b0 = s1, c0 = s2, d0 = s3, a1 = s0, b1 = s1, c1 = t2, d1 = s3;
  let a2 = s0, b2 = s1, c2 = s4, d2 = s5, a3 = s0, b3 = s1, c3 = t4, d3 = s5;
  for (let i = 0; i < 10; i++) {
    b0 = mix(b0, a0, d0, 7), b1 = mix(b1, a1, d1, 7);
    b2 = mix(b2, a2, d2, 7), b3 = mix(b3, a3, d3, 7);
    c0 = mix(c0, b0, a0, 9), c1 = mix(c1, b1, a1, 9);
    c2 = mix(c2, b2, a2, 9), c3 = mix(c3, b3, a3, 9);
    d0 = mix(d0, c0, b0, 13), d1 = mix(d1, c1, b1, 13);
    d2 = mix(d2, c2, b2, 13), d3 = mix(d3, c3, b3, 13);
    a0 = mix(a0, d0, c0, 18), a1 = mix(a1, d1, c1, 18);
    a2 = mix(a2, d2, c2, 18), a3 = mix(a3, d3, c3, 18);
    b0 = v128.shuffle<i32>(b0, b0, 3, 0, 1, 2), b1 = v128.shuffle<i32>(b1, b1, 3, 0, 1, 2);
    b2 = v128.shuffle<i32>(b2, b2, 3, 0, 1, 2), b3 = v128.shuffle<i32>(b3, b3, 3, 0, 1, 2);
    c0 = v128.shuffle<i32>(c0, c0, 2, 3, 0, 1), c1 = v128.shuffle<i32>(c1, c1, 2, 3, 0, 1);
    c2 = v128.shuffle<i32>(c2, c2, 2, 3, 0, 1), c3 = v128.shuffle<i32>(c3, c3, 2, 3, 0, 1);
    d0 = v128.shuffle<i32>(d0, d0, 1, 2, 3, 0), d1 = v128.shuffle<i32>(d1, d1, 1, 2, 3, 0);
    d2 = v128.shuffle<i32>(d2, d2, 1, 2, 3, 0), d3 = v128.shuffle<i32>(d3, d3, 1, 2, 3, 0);
    d0 = mix(d0, a0, b0, 7), d1 = mix(d1, a1, b1, 7);
    d2 = mix(d2, a2, b2, 7), d3 = mix(d3, a3, b3, 7);
    c0 = mix(c0, d0, a0, 9), c1 = mix(c1, d1, a1, 9);
    c2 = mix(c2, d2, a2, 9), c3 = mix(c3, d3, a3, 9);
    b0 = mix(b0, c0, d0, 13), b1 = mix(b1, c1, d1, 13);
    b2 = mix(b2, c2, d2, 13), b3 = mix(b3, c3, d3, 13);
    a0 = mix(a0, b0, c0, 18), a1 = mix(a1, b1, c1, 18);
    a2 = mix(a2, b2, c2, 18), a3 = mix(a3, b3, c3, 18);
    b0 = v128.shuffle<i32>(b0, b0, 1, 2, 3, 0), b1 = v128.shuffle<i32>(b1, b1, 1, 2, 3, 0);
    b2 = v128.shuffle<i32>(b2, b2, 1, 2, 3, 0), b3 = v128.shuffle<i32>(b3, b3, 1, 2, 3, 0);
    c0 = v128.shuffle<i32>(c0, c0, 2, 3, 0, 1), c1 = v128.shuffle<i32>(c1, c1, 2, 3, 0, 1);
    c2 = v128.shuffle<i32>(c2, c2, 2, 3, 0, 1), c3 = v128.shuffle<i32>(c3, c3, 2, 3, 0, 1);
    d0 = v128.shuffle<i32>(d0, d0, 3, 0, 1, 2), d1 = v128.shuffle<i32>(d1, d1, 3, 0, 1, 2);
    d2 = v128.shuffle<i32>(d2, d2, 3, 0, 1, 2), d3 = v128.shuffle<i32>(d3, d3, 3, 0, 1, 2);
  }
  putPair(
    p, pEnd,
    i32x4.add(a0, s0), i32x4.add(b0, s1), i32x4.add(c0, s2), i32x4.add(d0, s3),
    i32x4.add(a1, s0), i32x4.add(b1, s1), i32x4.add(c1, t2), i32x4.add(d1, s3),
  );
  putPair(
    q, qEnd,
    i32x4.add(a2, s0), i32x4.add(b2, s1), i32x4.add(c2, s4), i32x4.add(d2, s5),
    i32x4.add(a3, s0), i32x4.add(b3, s1), i32x4.add(c3, t4), i32x4.add(d3, s5),
  );
}

// XORs a packet with the key stream, except for its first 8 bytes.
function crypt(packet: usize, end: usize): void {
  useNonce(packet);
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
    putQuad(
      at, end,
      i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3),
      i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7),
      i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11),
      i32x4.add(x12, s12), i32x4.add(x13, s13), i32x4.add(x14, s14), i32x4.add(x15, s15),
    );
    s8 = i32x4.add(s8, i32x4.splat(4));
  }
  if (at < end) cryptPair(at, end, i32x4.extract_lane(s8, 0));
}

// XORs two packets of the same length, as `crypt` does each. Together they take less than twice the
// time: in one packet, too few operations are independent of each other to keep a processor busy.
function cryptTwo(first: usize, second: usize, size: usize): void {
  useNonce(second);
  const t6 = v128.load32_splat(SALSA + 24), t7 = v128.load32_splat(SALSA + 28);
  useNonce(first);
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
  const end = first + size;
  const apart = second - first;
  let at = first + CLEAR;
  for (; at + 128 < end; at += 256) {
    let x0 = s0, x1 = s1, x2 = s2, x3 = s3, x4 = s4, x5 = s5, x6 = s6, x7 = s7;
    let x8 = s8, x9 = s9, x10 = s10, x11 = s11, x12 = s12, x13 = s13, x14 = s14, x15 = s15;
    let y0 = s0, y1 = s1, y2 = s2, y3 = s3, y4 = s4, y5 = s5, y6 = t6, y7 = t7;
    let y8 = s8, y9 = s9, y10 = s10, y11 = s11, y12 = s12, y13 = s13, y14 = s14, y15 = s15;
    for (let i = 0; i < 10; i++) {
      x4 = mix(x4, x0, x12, 7), y4 = mix(y4, y0, y12, 7);
      x9 = mix(x9, x5, x1, 7), y9 = mix(y9, y5, y1, 7);
      x14 = mix(x14, x10, x6, 7), y14 = mix(y14, y10, y6, 7);
      x3 = mix(x3, x15, x11, 7), y3 = mix(y3, y15, y11, 7);
      x8 = mix(x8, x4, x0, 9), y8 = mix(y8, y4, y0, 9);
      x13 = mix(x13, x9, x5, 9), y13 = mix(y13, y9, y5, 9);
      x2 = mix(x2, x14, x10, 9), y2 = mix(y2, y14, y10, 9);
      x7 = mix(x7, x3, x15, 9), y7 = mix(y7, y3, y15, 9);
      x12 = mix(x12, x8, x4, 13), y12 = mix(y12, y8, y4, 13);
      x1 = mix(x1, x13, x9, 13), y1 = mix(y1, y13, y9, 13);
      x6 = mix(x6, x2, x14, 13), y6 = mix(y6, y2, y14, 13);
      x11 = mix(x11, x7, x3, 13), y11 = mix(y11, y7, y3, 13);
      x0 = mix(x0, x12, x8, 18), y0 = mix(y0, y12, y8, 18);
      x5 = mix(x5, x1, x13, 18), y5 = mix(y5, y1, y13, 18);
      x10 = mix(x10, x6, x2, 18), y10 = mix(y10, y6, y2, 18);
      x15 = mix(x15, x11, x7, 18), y15 = mix(y15, y11, y7, 18);

      x1 = mix(x1, x0, x3, 7), y1 = mix(y1, y0, y3, 7);
      x6 = mix(x6, x5, x4, 7), y6 = mix(y6, y5, y4, 7);
      x11 = mix(x11, x10, x9, 7), y11 = mix(y11, y10, y9, 7);
      x12 = mix(x12, x15, x14, 7), y12 = mix(y12, y15, y14, 7);
      x2 = mix(x2, x1, x0, 9), y2 = mix(y2, y1, y0, 9);
      x7 = mix(x7, x6, x5, 9), y7 = mix(y7, y6, y5, 9);
      x8 = mix(x8, x11, x10, 9), y8 = mix(y8, y11, y10, 9);
      x13 = mix(x13, x12, x15, 9), y13 = mix(y13, y12, y15, 9);
      x3 = mix(x3, x2, x1, 13), y3 = mix(y3, y2, y1, 13);
      x4 = mix(x4, x7, x6, 13), y4 = mix(y4, y7, y6, 13);
      x9 = mix(x9, x8, x11, 13), y9 = mix(y9, y8, y11, 13);
      x14 = mix(x14, x13, x12, 13), y14 = mix(y14, y13, y12, 13);
      x0 = mix(x0, x3, x2, 18), y0 = mix(y0, y3, y2, 18);
      x5 = mix(x5, x4, x7, 18), y5 = mix(y5, y4, y7, 18);
      x10 = mix(x10, x9, x8, 18), y10 = mix(y10, y9, y8, 18);
      x15 = mix(x15, x14, x13, 18), y15 = mix(y15, y14, y13, 18);
    }
    putQuad(
      at, end,
      i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3),
      i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7),
      i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11),
      i32x4.add(x12, s12), i32x4.add(x13, s13), i32x4.add(x14, s14), i32x4.add(x15, s15),
    );
    putQuad(
      at + apart, end + apart,
      i32x4.add(y0, s0), i32x4.add(y1, s1), i32x4.add(y2, s2), i32x4.add(y3, s3),
      i32x4.add(y4, s4), i32x4.add(y5, s5), i32x4.add(y6, t6), i32x4.add(y7, t7),
      i32x4.add(y8, s8), i32x4.add(y9, s9), i32x4.add(y10, s10), i32x4.add(y11, s11),
      i32x4.add(y12, s12), i32x4.add(y13, s13), i32x4.add(y14, s14), i32x4.add(y15, s15),
    );
    s8 = i32x4.add(s8, i32x4.splat(4));
  }
  if (at < end) {
    cryptPairs(at, end, at + apart, end + apart, first, second, i32x4.extract_lane(s8, 0));
  }
}

// Writes the checksum of a packet's payload.
// @ts-ignore: decorator
@inline
function sum(start: usize, end: usize): void {
  const payload = start + HEADER_SIZE;
  store<u32>(start + NONCE_SIZE, checksum(payload, <i32> (end - payload)));
}

// Replaces the start of a packet in the list by 1 if its checksum is right, else by 0.
// @ts-ignore: decorator
@inline
function verify(at: usize, start: usize, end: usize): void {
  const payload = start + HEADER_SIZE;
  const right = load<u32>(start + NONCE_SIZE) === checksum(payload, <i32> (end - payload));
  store<u32>(at, <u32> right);
}

// Seals the first `count` packets of the list.
export function sealAll(count: i32): void {
  const last = LIST + 8 * count;
  for (let at = LIST; at < last; at += 8) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4);
    const next: usize = load<u32>(at, 8), nextEnd: usize = load<u32>(at, 12);
    sum(start, end);
    if (at + 8 < last && nextEnd - next === end - start) {
      sum(next, nextEnd);
      cryptTwo(start, next, end - start);
      at += 8;
    } else {
      crypt(start, end);
    }
  }
}

// Opens the first `count` packets of the list. Replaces the start of each by 1 if its checksum is
// right, else by 0.
export function openAll(count: i32): void {
  const last = LIST + 8 * count;
  for (let at = LIST; at < last; at += 8) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4);
    const next: usize = load<u32>(at, 8), nextEnd: usize = load<u32>(at, 12);
    if (at + 8 < last && nextEnd - next === end - start) {
      cryptTwo(start, next, end - start);
      verify(at, start, end);
      at += 8;
      verify(at, next, nextEnd);
    } else {
      crypt(start, end);
      verify(at, start, end);
    }
  }
}
