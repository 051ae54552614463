// ChaCha20-Poly1305 (RFC 8439) in AssemblyScript, for WebAssembly with SIMD: the key stream of four blocks at once,
// one in each lane of a vector, and Poly1305 with limbs of 32 bits.
//
// The 16 words of the state lie at 0, of which the constants and the key are there already; the packet, `nonce 12 |
// payload | tag 16`, lies at PACKET. What is behind the payload is overwritten up to 256 bytes.

import { add, put, rotate } from "./lanes.as";

const PACKET: usize = 4096;
const PAYLOAD: usize = PACKET + 12;
// The key stream of the first four blocks; the first 32 bytes are the key of Poly1305.
const STREAM: usize = 256;

// @ts-ignore: decorator
@inline
function rotate16(x: v128): v128 {
  return v128.shuffle<i16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}

// @ts-ignore: decorator
@inline
function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

// XORs 256 bytes, and as many more until `end` is reached, with the key stream from block `counter` on.
function stream(at: usize, end: usize, counter: i32): void {
  const s0 = v128.load32_splat(0), s1 = v128.load32_splat(4);
  const s2 = v128.load32_splat(8), s3 = v128.load32_splat(12);
  const s4 = v128.load32_splat(16), s5 = v128.load32_splat(20);
  const s6 = v128.load32_splat(24), s7 = v128.load32_splat(28);
  const s8 = v128.load32_splat(32), s9 = v128.load32_splat(36);
  const s10 = v128.load32_splat(40), s11 = v128.load32_splat(44);
  let s12 = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  const s13 = v128.load32_splat(52), s14 = v128.load32_splat(56), s15 = v128.load32_splat(60);
  for (; at < end; at += 256) {
    let x0 = s0, x1 = s1, x2 = s2, x3 = s3, x4 = s4, x5 = s5, x6 = s6, x7 = s7;
    let x8 = s8, x9 = s9, x10 = s10, x11 = s11, x12 = s12, x13 = s13, x14 = s14, x15 = s15;
    for (let i = 0; i < 10; i++) {
      x0 = i32x4.add(x0, x4), x1 = i32x4.add(x1, x5), x2 = i32x4.add(x2, x6), x3 = i32x4.add(x3, x7);
      x12 = rotate16(v128.xor(x12, x0)), x13 = rotate16(v128.xor(x13, x1));
      x14 = rotate16(v128.xor(x14, x2)), x15 = rotate16(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12), x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14), x11 = i32x4.add(x11, x15);
      x4 = rotate(v128.xor(x4, x8), 12), x5 = rotate(v128.xor(x5, x9), 12);
      x6 = rotate(v128.xor(x6, x10), 12), x7 = rotate(v128.xor(x7, x11), 12);
      x0 = i32x4.add(x0, x4), x1 = i32x4.add(x1, x5), x2 = i32x4.add(x2, x6), x3 = i32x4.add(x3, x7);
      x12 = rotate8(v128.xor(x12, x0)), x13 = rotate8(v128.xor(x13, x1));
      x14 = rotate8(v128.xor(x14, x2)), x15 = rotate8(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12), x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14), x11 = i32x4.add(x11, x15);
      x4 = rotate(v128.xor(x4, x8), 7), x5 = rotate(v128.xor(x5, x9), 7);
      x6 = rotate(v128.xor(x6, x10), 7), x7 = rotate(v128.xor(x7, x11), 7);

      x0 = i32x4.add(x0, x5), x1 = i32x4.add(x1, x6), x2 = i32x4.add(x2, x7), x3 = i32x4.add(x3, x4);
      x15 = rotate16(v128.xor(x15, x0)), x12 = rotate16(v128.xor(x12, x1));
      x13 = rotate16(v128.xor(x13, x2)), x14 = rotate16(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15), x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13), x9 = i32x4.add(x9, x14);
      x5 = rotate(v128.xor(x5, x10), 12), x6 = rotate(v128.xor(x6, x11), 12);
      x7 = rotate(v128.xor(x7, x8), 12), x4 = rotate(v128.xor(x4, x9), 12);
      x0 = i32x4.add(x0, x5), x1 = i32x4.add(x1, x6), x2 = i32x4.add(x2, x7), x3 = i32x4.add(x3, x4);
      x15 = rotate8(v128.xor(x15, x0)), x12 = rotate8(v128.xor(x12, x1));
      x13 = rotate8(v128.xor(x13, x2)), x14 = rotate8(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15), x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13), x9 = i32x4.add(x9, x14);
      x5 = rotate(v128.xor(x5, x10), 7), x6 = rotate(v128.xor(x6, x11), 7);
      x7 = rotate(v128.xor(x7, x8), 7), x4 = rotate(v128.xor(x4, x9), 7);
    }
    put(at, i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3));
    put(at + 16, i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7));
    put(at + 32, i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11));
    put(at + 48, i32x4.add(x12, s12), i32x4.add(x13, s13), i32x4.add(x14, s14), i32x4.add(x15, s15));
    s12 = i32x4.add(s12, i32x4.splat(4));
  }
}

// Takes the nonce, and makes the key stream of the first blocks.
function start(): void {
  store<u32>(52, load<u32>(PACKET));
  store<u32>(56, load<u32>(PACKET, 4));
  store<u32>(60, load<u32>(PACKET, 8));
  memory.fill(STREAM, 0, 256);
  stream(STREAM, STREAM + 256, 0);
}

// XORs the payload with the key stream behind the key of Poly1305's block.
function crypt(length: i32): void {
  for (let i: usize = 0; i < 192; i += 16) add(PAYLOAD + i, v128.load(STREAM + 64 + i));
  stream(PAYLOAD + 192, PAYLOAD + length, 4);
}

const LOW: u64 = 0xffffffff;
let tag0: u64 = 0;
let tag1: u64 = 0;

// Poly1305 of the payload without additional data, as RFC 8439 §2.8 has it. The number h is that of five limbs of 32 bits,
// of which the first four may be a little larger, and the last one is small. Modulo 2^130 - 5, 2^128 · r is r / 4 · 5 for
// all limbs of r but the lowest, which are multiples of 4.
function authenticate(length: i32): void {
  const r0 = <u64> load<u32>(STREAM) & 0x0fffffff;
  const r1 = <u64> load<u32>(STREAM, 4) & 0x0ffffffc;
  const r2 = <u64> load<u32>(STREAM, 8) & 0x0ffffffc;
  const r3 = <u64> load<u32>(STREAM, 12) & 0x0ffffffc;
  const q1 = r1 + (r1 >> 2), q2 = r2 + (r2 >> 2), q3 = r3 + (r3 >> 2);
  // Both the last bytes, filled up with zeros, and the lengths are blocks like all others.
  const padded = (length + 15) & -16;
  const end = PAYLOAD + padded;
  memory.fill(PAYLOAD + length, 0, 16);
  store<u64>(end, 0);
  store<u64>(end, <u64> length, 8);
  let h0: u64 = 0, h1: u64 = 0, h2: u64 = 0, h3: u64 = 0, h4: u64 = 0;
  for (let at = PAYLOAD; at <= end; at += 16) {
    h0 += <u64> load<u32>(at);
    h1 += <u64> load<u32>(at, 4);
    h2 += <u64> load<u32>(at, 8);
    h3 += <u64> load<u32>(at, 12);
    h4 += 1;
    const d0 = h0 * r0 + h1 * q3 + h2 * q2 + h3 * q1;
    const d1 = h0 * r1 + h1 * r0 + h2 * q3 + h3 * q2 + h4 * q1 + (d0 >> 32);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * q3 + h4 * q2 + (d1 >> 32);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * q3 + (d2 >> 32);
    h4 = h4 * r0 + (d3 >> 32);
    h0 = (d0 & LOW) + (h4 >> 2) * 5;
    h1 = d1 & LOW;
    h2 = d2 & LOW;
    h3 = d3 & LOW;
    h4 &= 3;
  }
  h1 += h0 >> 32, h0 &= LOW;
  h2 += h1 >> 32, h1 &= LOW;
  h3 += h2 >> 32, h2 &= LOW;
  h4 += h3 >> 32, h3 &= LOW;
  // The modulus is subtracted if h is not less: in constant time, as all is.
  const g0 = h0 + 5;
  const g1 = h1 + (g0 >> 32);
  const g2 = h2 + (g1 >> 32);
  const g3 = h3 + (g2 >> 32);
  const g4 = h4 + (g3 >> 32);
  const mask = 0 - (g4 >> 2);
  h0 = (h0 & ~mask) | (g0 & LOW & mask);
  h1 = (h1 & ~mask) | (g1 & LOW & mask);
  h2 = (h2 & ~mask) | (g2 & LOW & mask);
  h3 = (h3 & ~mask) | (g3 & LOW & mask);
  h0 += <u64> load<u32>(STREAM, 16);
  h1 += <u64> load<u32>(STREAM, 20) + (h0 >> 32);
  h2 += <u64> load<u32>(STREAM, 24) + (h1 >> 32);
  h3 += <u64> load<u32>(STREAM, 28) + (h2 >> 32);
  tag0 = (h0 & LOW) | (h1 << 32);
  tag1 = (h2 & LOW) | (h3 << 32);
}

// Seals the packet, whose payload has `length` bytes.
export function seal(length: i32): void {
  start();
  crypt(length);
  authenticate(length);
  store<u64>(PAYLOAD + length, tag0);
  store<u64>(PAYLOAD + length, tag1, 8);
}

// Opens the packet, and returns 1; 0, and nothing is decrypted, if the tag is wrong.
export function open(length: i32): i32 {
  const stated0 = load<u64>(PAYLOAD + length), stated1 = load<u64>(PAYLOAD + length, 8);
  start();
  authenticate(length);
  if (((stated0 ^ tag0) | (stated1 ^ tag1)) != 0) return 0;
  crypt(length);
  return 1;
}
