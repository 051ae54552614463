// ChaCha20-Poly1305 (RFC 8439) in AssemblyScript, for WebAssembly with SIMD. It computes the key
// stream of four blocks at once, one in each lane of a vector, and Poly1305 with limbs of 32 bits.
//
// The two are interleaved. ChaCha20 uses the vector units of the CPU and Poly1305 uses its integer
// units, so out-of-order execution does both in little more than the time of one. The instructions
// of Poly1305 are placed between those of ChaCha20, because the CPU does not look far enough ahead
// to interleave them itself.
//
// The caller writes the constants and the key into the 16 words of the state. Packets are
// `nonce 12 | payload | tag 16`.

import { add, put, rotate } from "./lanes.as";
import { CHACHA } from "./memory.as";

const NONCE_SIZE = 12;
const TAG_SIZE = 16;
/** Addresses of byte indexes for `turn`: they rotate each word of a vector by 16 and by 8 bits. */
const TURN_16: usize = CHACHA + 64;
const TURN_8: usize = CHACHA + 80;
/** The last bytes of a payload, padded to a block, then the block with the lengths. */
const LAST: usize = CHACHA + 96;
/**
 * The key stream of the first four blocks of a packet. Its first 32 bytes are the key of Poly1305.
 * Packets use the two areas alternately.
 */
const EVEN_STREAM: usize = CHACHA + 256;
const ODD_STREAM: usize = CHACHA + 512;
/** The key stream for the last bytes of a payload, fewer than 256. */
const REST_STREAM: usize = CHACHA + 768;
/** The start and the end of each packet, at most 64 packets. */
const LIST: usize = CHACHA + 1024;
/** Bytes of four blocks of key stream. */
const STEP: usize = 256;
/** Bytes of the first four blocks that encrypt the payload. The first block is for Poly1305. */
const FIRST: usize = 192;

const LOW: u64 = 0xffffffff;

// Poly1305 of the payload without additional data (RFC 8439 §2.8). The sum has five limbs of 32
// bits. The first limb may be a little larger, and the last one is small. The key r is clamped, so
// all its limbs except the lowest are multiples of 4. For these limbs, 2^128 · r is r / 4 · 5
// modulo 2^130 - 5.
let key0: u64 = 0, key1: u64 = 0, key2: u64 = 0, key3: u64 = 0;
let sum0: u64 = 0, sum1: u64 = 0, sum2: u64 = 0, sum3: u64 = 0, sum4: u64 = 0;
/** Address of the next block to authenticate. */
let place: usize = 0;
let tag0: u64 = 0, tag1: u64 = 0;

// Permutes the bytes of a vector. `places` is loaded from memory: V8 would build a vector constant
// again at each use.
// @ts-ignore: decorator
@inline
function turn(x: v128, places: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(x, places);
  return i8x16.swizzle(x, places);
}

// Writes the constants into the memory. It is called once.
export function prepare(): void {
  v128.store(TURN_16, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  v128.store(TURN_8, i8x16(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14));
}

// XORs the bytes from `at` to before `end`, in steps of 256 bytes, with the key stream from block
// `counter` on. The first step also authenticates 2 · `pairs` blocks, at most 20. Each further step
// authenticates 16 blocks.
function stream(at: usize, end: usize, counter: i32, pairs: i32): void {
  const turn16 = v128.load(TURN_16), turn8 = v128.load(TURN_8);
  const r0 = key0, r1 = key1, r2 = key2, r3 = key3;
  const q1 = r1 + (r1 >> 2), q2 = r2 + (r2 >> 2), q3 = r3 + (r3 >> 2);
  let h0 = sum0, h1 = sum1, h2 = sum2, h3 = sum3, h4 = sum4;
  let d0: u64 = 0, d1: u64 = 0, d2: u64 = 0, d3: u64 = 0;
  let next = place;
  let s12 = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  for (; at < end; at += STEP) {
    let x0 = v128.load32_splat(CHACHA), x1 = v128.load32_splat(CHACHA + 4);
    let x2 = v128.load32_splat(CHACHA + 8), x3 = v128.load32_splat(CHACHA + 12);
    let x4 = v128.load32_splat(CHACHA + 16), x5 = v128.load32_splat(CHACHA + 20);
    let x6 = v128.load32_splat(CHACHA + 24), x7 = v128.load32_splat(CHACHA + 28);
    let x8 = v128.load32_splat(CHACHA + 32), x9 = v128.load32_splat(CHACHA + 36);
    let x10 = v128.load32_splat(CHACHA + 40), x11 = v128.load32_splat(CHACHA + 44);
    let x12 = s12, x13 = v128.load32_splat(CHACHA + 52);
    let x14 = v128.load32_splat(CHACHA + 56), x15 = v128.load32_splat(CHACHA + 60);
    // One loop with Poly1305 and one without: a condition inside a loop would cost more.
    let i = 0;
    for (; i < pairs; i++) {
      x0 = i32x4.add(x0, x4), x12 = turn(v128.xor(x12, x0), turn16);
      x8 = i32x4.add(x8, x12), x4 = rotate(v128.xor(x4, x8), 12);
      x0 = i32x4.add(x0, x4), x12 = turn(v128.xor(x12, x0), turn8);
      x8 = i32x4.add(x8, x12), x4 = rotate(v128.xor(x4, x8), 7);
      h0 += <u64> load<u32>(next), h1 += <u64> load<u32>(next, 4);
      h2 += <u64> load<u32>(next, 8), h3 += <u64> load<u32>(next, 12), h4++;
      d0 = h0 * r0 + h1 * q3 + h2 * q2 + h3 * q1;
      x1 = i32x4.add(x1, x5), x13 = turn(v128.xor(x13, x1), turn16);
      x9 = i32x4.add(x9, x13), x5 = rotate(v128.xor(x5, x9), 12);
      x1 = i32x4.add(x1, x5), x13 = turn(v128.xor(x13, x1), turn8);
      x9 = i32x4.add(x9, x13), x5 = rotate(v128.xor(x5, x9), 7);
      d1 = h0 * r1 + h1 * r0 + h2 * q3 + h3 * q2 + h4 * q1 + (d0 >> 32);
      x2 = i32x4.add(x2, x6), x14 = turn(v128.xor(x14, x2), turn16);
      x10 = i32x4.add(x10, x14), x6 = rotate(v128.xor(x6, x10), 12);
      x2 = i32x4.add(x2, x6), x14 = turn(v128.xor(x14, x2), turn8);
      x10 = i32x4.add(x10, x14), x6 = rotate(v128.xor(x6, x10), 7);
      d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * q3 + h4 * q2 + (d1 >> 32);
      x3 = i32x4.add(x3, x7), x15 = turn(v128.xor(x15, x3), turn16);
      x11 = i32x4.add(x11, x15), x7 = rotate(v128.xor(x7, x11), 12);
      x3 = i32x4.add(x3, x7), x15 = turn(v128.xor(x15, x3), turn8);
      x11 = i32x4.add(x11, x15), x7 = rotate(v128.xor(x7, x11), 7);
      d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * q3 + (d2 >> 32);
      h4 = h4 * r0 + (d3 >> 32);
      h0 = (d0 & LOW) + (h4 >> 2) * 5, h1 = d1 & LOW, h2 = d2 & LOW, h3 = d3 & LOW, h4 &= 3;
      next += 16;

      x0 = i32x4.add(x0, x5), x15 = turn(v128.xor(x15, x0), turn16);
      x10 = i32x4.add(x10, x15), x5 = rotate(v128.xor(x5, x10), 12);
      x0 = i32x4.add(x0, x5), x15 = turn(v128.xor(x15, x0), turn8);
      x10 = i32x4.add(x10, x15), x5 = rotate(v128.xor(x5, x10), 7);
      h0 += <u64> load<u32>(next), h1 += <u64> load<u32>(next, 4);
      h2 += <u64> load<u32>(next, 8), h3 += <u64> load<u32>(next, 12), h4++;
      d0 = h0 * r0 + h1 * q3 + h2 * q2 + h3 * q1;
      x1 = i32x4.add(x1, x6), x12 = turn(v128.xor(x12, x1), turn16);
      x11 = i32x4.add(x11, x12), x6 = rotate(v128.xor(x6, x11), 12);
      x1 = i32x4.add(x1, x6), x12 = turn(v128.xor(x12, x1), turn8);
      x11 = i32x4.add(x11, x12), x6 = rotate(v128.xor(x6, x11), 7);
      d1 = h0 * r1 + h1 * r0 + h2 * q3 + h3 * q2 + h4 * q1 + (d0 >> 32);
      x2 = i32x4.add(x2, x7), x13 = turn(v128.xor(x13, x2), turn16);
      x8 = i32x4.add(x8, x13), x7 = rotate(v128.xor(x7, x8), 12);
      x2 = i32x4.add(x2, x7), x13 = turn(v128.xor(x13, x2), turn8);
      x8 = i32x4.add(x8, x13), x7 = rotate(v128.xor(x7, x8), 7);
      d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * q3 + h4 * q2 + (d1 >> 32);
      x3 = i32x4.add(x3, x4), x14 = turn(v128.xor(x14, x3), turn16);
      x9 = i32x4.add(x9, x14), x4 = rotate(v128.xor(x4, x9), 12);
      x3 = i32x4.add(x3, x4), x14 = turn(v128.xor(x14, x3), turn8);
      x9 = i32x4.add(x9, x14), x4 = rotate(v128.xor(x4, x9), 7);
      d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * q3 + (d2 >> 32);
      h4 = h4 * r0 + (d3 >> 32);
      h0 = (d0 & LOW) + (h4 >> 2) * 5, h1 = d1 & LOW, h2 = d2 & LOW, h3 = d3 & LOW, h4 &= 3;
      next += 16;
    }
    for (; i < 10; i++) {
      x0 = i32x4.add(x0, x4), x12 = turn(v128.xor(x12, x0), turn16);
      x8 = i32x4.add(x8, x12), x4 = rotate(v128.xor(x4, x8), 12);
      x0 = i32x4.add(x0, x4), x12 = turn(v128.xor(x12, x0), turn8);
      x8 = i32x4.add(x8, x12), x4 = rotate(v128.xor(x4, x8), 7);
      x1 = i32x4.add(x1, x5), x13 = turn(v128.xor(x13, x1), turn16);
      x9 = i32x4.add(x9, x13), x5 = rotate(v128.xor(x5, x9), 12);
      x1 = i32x4.add(x1, x5), x13 = turn(v128.xor(x13, x1), turn8);
      x9 = i32x4.add(x9, x13), x5 = rotate(v128.xor(x5, x9), 7);
      x2 = i32x4.add(x2, x6), x14 = turn(v128.xor(x14, x2), turn16);
      x10 = i32x4.add(x10, x14), x6 = rotate(v128.xor(x6, x10), 12);
      x2 = i32x4.add(x2, x6), x14 = turn(v128.xor(x14, x2), turn8);
      x10 = i32x4.add(x10, x14), x6 = rotate(v128.xor(x6, x10), 7);
      x3 = i32x4.add(x3, x7), x15 = turn(v128.xor(x15, x3), turn16);
      x11 = i32x4.add(x11, x15), x7 = rotate(v128.xor(x7, x11), 12);
      x3 = i32x4.add(x3, x7), x15 = turn(v128.xor(x15, x3), turn8);
      x11 = i32x4.add(x11, x15), x7 = rotate(v128.xor(x7, x11), 7);

      x0 = i32x4.add(x0, x5), x15 = turn(v128.xor(x15, x0), turn16);
      x10 = i32x4.add(x10, x15), x5 = rotate(v128.xor(x5, x10), 12);
      x0 = i32x4.add(x0, x5), x15 = turn(v128.xor(x15, x0), turn8);
      x10 = i32x4.add(x10, x15), x5 = rotate(v128.xor(x5, x10), 7);
      x1 = i32x4.add(x1, x6), x12 = turn(v128.xor(x12, x1), turn16);
      x11 = i32x4.add(x11, x12), x6 = rotate(v128.xor(x6, x11), 12);
      x1 = i32x4.add(x1, x6), x12 = turn(v128.xor(x12, x1), turn8);
      x11 = i32x4.add(x11, x12), x6 = rotate(v128.xor(x6, x11), 7);
      x2 = i32x4.add(x2, x7), x13 = turn(v128.xor(x13, x2), turn16);
      x8 = i32x4.add(x8, x13), x7 = rotate(v128.xor(x7, x8), 12);
      x2 = i32x4.add(x2, x7), x13 = turn(v128.xor(x13, x2), turn8);
      x8 = i32x4.add(x8, x13), x7 = rotate(v128.xor(x7, x8), 7);
      x3 = i32x4.add(x3, x4), x14 = turn(v128.xor(x14, x3), turn16);
      x9 = i32x4.add(x9, x14), x4 = rotate(v128.xor(x4, x9), 12);
      x3 = i32x4.add(x3, x4), x14 = turn(v128.xor(x14, x3), turn8);
      x9 = i32x4.add(x9, x14), x4 = rotate(v128.xor(x4, x9), 7);
    }
    const s0 = v128.load32_splat(CHACHA), s1 = v128.load32_splat(CHACHA + 4);
    const s2 = v128.load32_splat(CHACHA + 8), s3 = v128.load32_splat(CHACHA + 12);
    put(at, i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3));
    const s4 = v128.load32_splat(CHACHA + 16), s5 = v128.load32_splat(CHACHA + 20);
    const s6 = v128.load32_splat(CHACHA + 24), s7 = v128.load32_splat(CHACHA + 28);
    put(at + 16, i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7));
    const s8 = v128.load32_splat(CHACHA + 32), s9 = v128.load32_splat(CHACHA + 36);
    const s10 = v128.load32_splat(CHACHA + 40), s11 = v128.load32_splat(CHACHA + 44);
    put(at + 32, i32x4.add(x8, s8), i32x4.add(x9, s9), i32x4.add(x10, s10), i32x4.add(x11, s11));
    const s13 = v128.load32_splat(CHACHA + 52), s14 = v128.load32_splat(CHACHA + 56);
    const s15 = v128.load32_splat(CHACHA + 60);
    put(
      at + 48,
      i32x4.add(x12, s12),
      i32x4.add(x13, s13),
      i32x4.add(x14, s14),
      i32x4.add(x15, s15),
    );
    s12 = i32x4.add(s12, i32x4.splat(4));
    pairs = 8;
  }
  sum0 = h0, sum1 = h1, sum2 = h2, sum3 = h3, sum4 = h4;
  place = next;
}

// Authenticates the whole blocks before `end`.
function authenticate(end: usize): void {
  const r0 = key0, r1 = key1, r2 = key2, r3 = key3;
  const q1 = r1 + (r1 >> 2), q2 = r2 + (r2 >> 2), q3 = r3 + (r3 >> 2);
  let h0 = sum0, h1 = sum1, h2 = sum2, h3 = sum3, h4 = sum4;
  let next = place;
  for (; next + 16 <= end; next += 16) {
    h0 += <u64> load<u32>(next), h1 += <u64> load<u32>(next, 4);
    h2 += <u64> load<u32>(next, 8), h3 += <u64> load<u32>(next, 12), h4++;
    const d0 = h0 * r0 + h1 * q3 + h2 * q2 + h3 * q1;
    const d1 = h0 * r1 + h1 * r0 + h2 * q3 + h3 * q2 + h4 * q1 + (d0 >> 32);
    const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * q3 + h4 * q2 + (d1 >> 32);
    const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * q3 + (d2 >> 32);
    h4 = h4 * r0 + (d3 >> 32);
    h0 = (d0 & LOW) + (h4 >> 2) * 5, h1 = d1 & LOW, h2 = d2 & LOW, h3 = d3 & LOW, h4 &= 3;
  }
  sum0 = h0, sum1 = h1, sum2 = h2, sum3 = h3, sum4 = h4;
  place = next;
}

// A mask of the first `length` bytes of a block.
// @ts-ignore: decorator
@inline
function before(length: usize): v128 {
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return i8x16.lt_s(places, i8x16.splat(<i8> length));
}

// Stores the key stream of four blocks at `to`. Also authenticates 2 · `pairs` blocks.
function fill(to: usize, counter: i32, pairs: i32): void {
  for (let i: usize = 0; i < STEP; i += 16) v128.store(to + i, i64x2.splat(0));
  stream(to, to + STEP, counter, pairs);
}

// XORs the bytes from `at` to before `end`, fewer than 256, with the key stream at `from`.
function mix(at: usize, end: usize, from: usize): void {
  for (; at + 16 <= end; at += 16, from += 16) add(at, v128.load(from));
  // The tag follows, so only the bytes before `end` may change.
  if (at < end) add(at, v128.and(v128.load(from), before(end - at)));
}

// Copies the nonce of a packet into the state.
function setNonce(packet: usize): void {
  store<u32>(CHACHA + 52, load<u32>(packet));
  store<u32>(CHACHA + 56, load<u32>(packet, 4));
  store<u32>(CHACHA + 60, load<u32>(packet, 8));
}

// Stores the key stream of a packet's first four blocks at `to`. Also authenticates up to 20 blocks
// of the packet before it, whose payload ends at `end`.
function draw(packet: usize, to: usize, end: usize): void {
  setNonce(packet);
  fill(to, 0, min(10, <i32> (end - place) >> 5));
}

// Starts a packet whose first key stream is at `from`: sets the nonce, and the key of Poly1305.
function begin(packet: usize, from: usize): void {
  setNonce(packet);
  key0 = <u64> load<u32>(from) & 0x0fffffff;
  key1 = <u64> load<u32>(from, 4) & 0x0ffffffc;
  key2 = <u64> load<u32>(from, 8) & 0x0ffffffc;
  key3 = <u64> load<u32>(from, 12) & 0x0ffffffc;
  sum0 = sum1 = sum2 = sum3 = sum4 = 0;
  // The second half of the key is added at the end.
  tag0 = load<u64>(from, 16), tag1 = load<u64>(from, 24);
  place = packet + NONCE_SIZE;
}

// Authenticates the rest of a payload, and stores the tag in tag0 and tag1.
function finish(payload: usize, end: usize): void {
  authenticate(end);
  // The last bytes, padded with zeros, are a block, and the lengths are a block.
  const rest = end - place;
  v128.store(LAST, v128.and(v128.load(place), before(rest)));
  store<u64>(LAST, 0, 16);
  store<u64>(LAST, <u64> (end - payload), 24);
  place = rest > 0 ? LAST : LAST + 16;
  authenticate(LAST + 32);
  let h0 = sum0, h1 = sum1, h2 = sum2, h3 = sum3, h4 = sum4;
  h1 += h0 >> 32, h0 &= LOW;
  h2 += h1 >> 32, h1 &= LOW;
  h3 += h2 >> 32, h2 &= LOW;
  h4 += h3 >> 32, h3 &= LOW;
  // If the sum is not less than the modulus, subtracts the modulus, in constant time.
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
  h0 += tag0 & LOW;
  h1 += (tag0 >> 32) + (h0 >> 32);
  h2 += (tag1 & LOW) + (h1 >> 32);
  h3 += (tag1 >> 32) + (h2 >> 32);
  tag0 = (h0 & LOW) | (h1 << 32);
  tag1 = (h2 & LOW) | (h3 << 32);
}

// Seals the first `count` packets of the list. The start of each packet is interleaved with the end
// of the packet before it.
export function sealAll(count: i32): void {
  const last = LIST + 8 * count;
  let first = EVEN_STREAM;
  place = 0;
  draw(load<u32>(LIST), first, 0);
  for (let at = LIST; at < last;) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4) - TAG_SIZE;
    const payload = start + NONCE_SIZE;
    begin(start, first);
    const middle = min(end, payload + FIRST);
    mix(payload, middle, first + 64);
    if (middle < end) {
      // A step authenticates the bytes that the step before it encrypted.
      const whole = (end - middle) & -STEP;
      const rest = middle + whole;
      stream(middle, rest, 4, 6);
      if (rest < end) {
        fill(REST_STREAM, 4 + <i32> (whole >> 6), whole > 0 ? 8 : 6);
        mix(rest, end, REST_STREAM);
      }
    }
    at += 8;
    first ^= EVEN_STREAM ^ ODD_STREAM;
    if (at < last) draw(load<u32>(at), first, end);
    finish(payload, end);
    store<u64>(end, tag0);
    store<u64>(end, tag1, 8);
  }
}

// Opens the first `count` packets of the list. Replaces the start of each by 1 if its tag is right,
// else by 0. A packet whose tag is wrong is undefined after that.
export function openAll(count: i32): void {
  const last = LIST + 8 * count;
  let first = EVEN_STREAM;
  place = 0;
  draw(load<u32>(LIST), first, 0);
  for (let at = LIST; at < last; at += 8) {
    const start: usize = load<u32>(at), end: usize = load<u32>(at, 4) - TAG_SIZE;
    const payload = start + NONCE_SIZE;
    const own = first;
    begin(start, own);
    first ^= EVEN_STREAM ^ ODD_STREAM;
    if (at + 8 < last) {
      draw(load<u32>(at + 8), first, end);
      setNonce(start);
    }
    const middle = min(end, payload + FIRST);
    const whole = (end - middle) & -STEP;
    const rest = middle + whole;
    if (whole > 0) {
      // A step must authenticate all bytes that it decrypts. The first step can authenticate 20
      // blocks.
      authenticate(middle + STEP - 20 * 16);
      stream(middle, rest, 4, <i32> (middle + STEP - place) >> 5);
    }
    if (rest < end) fill(REST_STREAM, 4 + <i32> (whole >> 6), min(10, <i32> (end - place) >> 5));
    const stated0 = load<u64>(end), stated1 = load<u64>(end, 8);
    finish(payload, end);
    const right = ((stated0 ^ tag0) | (stated1 ^ tag1)) === 0;
    store<u32>(at, <u32> right);
    if (!right) continue;
    mix(payload, middle, own + 64);
    mix(rest, end, REST_STREAM);
  }
}
