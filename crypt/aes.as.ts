// AES in AssemblyScript, for WebAssembly with SIMD: packets in CFB mode and in Galois/Counter Mode.
//
// No memory address and no branch depends on secret bytes. The tables have 16 entries, so a vector
// holds a table. The byte permutation instruction of the CPU looks bytes up in it, and its time is
// constant.
//
// The method is from M. Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009. A
// byte of the state is represented as i·t + k in GF(16)[t] / (t² + a·t + a). With j = i + k, its
// inverse is a linear function of 1/u and 1/w, where u = 1/(1/i + a/k) + j and w = 1/(1/j + a/k) +
// i. Five lookups give u and w. One more lookup of each gives any linear function of the inverse.
// Infinity is a byte with its top bit set: a lookup of it gives zero.
//
// aes_tables.ts computes and describes the tables.
//
// Pages: 4

import { buildHashTables, hash, HASH, high, look, low, NIBBLE } from "./ghash.as";

// Addresses of the tables of aes_tables.ts.
const INVERSE: usize = 0;
const SCALED_INVERSE: usize = 16;
const ENTER_LOW: usize = 32;
const ENTER_HIGH: usize = 48;
const SINGLE_U: usize = 64;
const SINGLE_W: usize = 80;
const DOUBLE_U: usize = 96;
const DOUBLE_W: usize = 112;
const LEAVE_U: usize = 128;
const LEAVE_W: usize = 144;
const ROW_1: usize = 160;
const ROW_2: usize = 176;
const ROW_3: usize = 192;
const TURN: usize = 208;
const SHIFTS: usize = 224;
const NEIGHBOURS: usize = 288;
/** The constant of the S-box. */
const AFFINE: i8 = 0x63;

// After them, at 512, is the state of GHASH.
/** Address of the IV of CFB. */
const IV: usize = 640;

// Addresses of the parts of an expanded key. The first round key is as in FIPS 197. The last one
// includes the constant of the S-box.
const FIRST_KEY: usize = 1024;
const LAST_KEY: usize = 1040;
/** The encrypted IV. */
const FIRST_STREAM: usize = 1056;
const ROUNDS: usize = 1072;
/**
 * The other round keys, to encrypt one block. The bytes of each are in the order that the state has
 * in its round.
 */
const BLOCK_KEYS: usize = 1088;
/** The other round keys, to encrypt four blocks: four rows for each round. */
const ROW_KEYS: usize = 1296;
// After them, at 2128, are the tables of GHASH.

/** The key stream of four blocks. While a key is expanded: the round keys of FIPS 197. */
const STREAM: usize = 4352;
/**
 * For each of the four packets that are encrypted at once: the address of its next block, and its
 * end.
 */
const LANES: usize = 4608;
/** The start and the end of each packet, as offsets from DATA. */
const PACKETS: usize = 4864;
/** One packet, or several in ascending order. */
const DATA: usize = 16384;
/**
 * Unused memory that is encrypted in place of a packet when fewer than four are left. It is as long
 * as the longest packet.
 */
const IDLE: usize = 147456;

/** Address of the payload in GCM: after the nonce. */
const PAYLOAD: usize = DATA + 12;
/** Address of the key stream for the tag of GCM. */
const MASK: usize = 4592;

// A linear function of the bits of a byte, given as two tables.
// @ts-ignore: decorator
@inline
function linear(x: v128, lowTable: v128, highTable: v128): v128 {
  const nibble = v128.load(NIBBLE);
  return v128.xor(look(lowTable, low(x, nibble)), look(highTable, high(x, nibble)));
}

// Computes 1/(1/x + scaled) + y.
// @ts-ignore: decorator
@inline
function fraction(inverse: v128, x: v128, y: v128, scaled: v128): v128 {
  return v128.xor(look(inverse, v128.xor(look(inverse, x), scaled)), y);
}

// @ts-ignore: decorator
@inline
function sum(tableU: v128, u: v128, tableW: v128, w: v128): v128 {
  return v128.xor(look(tableU, u), look(tableW, w));
}

// @ts-ignore: decorator
@inline
function xor3(a: v128, b: v128, c: v128): v128 {
  return v128.xor(v128.xor(a, b), c);
}

// @ts-ignore: decorator
@inline
function enter(x: v128): v128 {
  return linear(x, v128.load(ENTER_LOW), v128.load(ENTER_HIGH));
}

// Encrypts a block. ShiftRows is not carried out. Instead, the bytes stay in their places, and the
// permutations for MixColumns in round n allow for n omitted ShiftRows. ShiftRows repeats after
// four rounds, so there are four sets of permutations.
function encrypt(block: v128): v128 {
  const nibble = v128.load(NIBBLE);
  const inverse = v128.load(INVERSE), scaledInverse = v128.load(SCALED_INVERSE);
  const singleU = v128.load(SINGLE_U), singleW = v128.load(SINGLE_W);
  const doubleU = v128.load(DOUBLE_U), doubleW = v128.load(DOUBLE_W);
  const rounds = load<i32>(ROUNDS);
  let x = enter(v128.xor(block, v128.load(FIRST_KEY)));
  let key = BLOCK_KEYS;
  for (let round = 1; round < rounds; round++, key += 16) {
    const k = low(x, nibble), i = high(x, nibble), j = v128.xor(i, k);
    const scaled = look(scaledInverse, k);
    const u = fraction(inverse, i, j, scaled);
    const w = fraction(inverse, j, i, scaled);
    const single = sum(singleU, u, singleW, w);
    const double = sum(doubleU, u, doubleW, w);
    const at = NEIGHBOURS + 48 * (round & 3);
    x = xor3(
      xor3(double, v128.load(key), look(single, v128.load(at + 16))),
      look(single, v128.load(at + 32)),
      look(v128.xor(single, double), v128.load(at)),
    );
  }
  const k = low(x, nibble), i = high(x, nibble), j = v128.xor(i, k);
  const scaled = look(scaledInverse, k);
  const u = fraction(inverse, i, j, scaled);
  const w = fraction(inverse, j, i, scaled);
  x = sum(v128.load(LEAVE_U), u, v128.load(LEAVE_W), w);
  return v128.xor(look(x, v128.load(SHIFTS + 16 * (rounds & 3))), v128.load(LAST_KEY));
}

// Encrypts four blocks, and stores them at STREAM. Within the function, a vector holds one row of
// all four blocks. So MixColumns needs no permutation, and ShiftRows needs only three for all four
// blocks.
function encrypt4(a: v128, b: v128, c: v128, d: v128): void {
  const nibble = v128.load(NIBBLE);
  const inverse = v128.load(INVERSE), scaledInverse = v128.load(SCALED_INVERSE);
  const singleU = v128.load(SINGLE_U), singleW = v128.load(SINGLE_W);
  const doubleU = v128.load(DOUBLE_U), doubleW = v128.load(DOUBLE_W);
  const turn = v128.load(TURN);
  const first = v128.load(FIRST_KEY);
  a = look(v128.xor(a, first), turn);
  b = look(v128.xor(b, first), turn);
  c = look(v128.xor(c, first), turn);
  d = look(v128.xor(d, first), turn);
  let ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  let ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  a = enter(v128.shuffle<i64>(ab, cd, 0, 2));
  b = enter(v128.shuffle<i64>(ab, cd, 1, 3));
  c = enter(v128.shuffle<i64>(ef, gh, 0, 2));
  d = enter(v128.shuffle<i64>(ef, gh, 1, 3));

  let k: v128, i: v128, j: v128, scaled: v128, u: v128, w: v128;
  const end = ROW_KEYS + 64 * (load<i32>(ROUNDS) - 1);
  for (let key = ROW_KEYS; key < end; key += 64) {
    k = low(a, nibble), i = high(a, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
    u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
    const a1 = sum(singleU, u, singleW, w), a2 = sum(doubleU, u, doubleW, w);

    b = look(b, v128.load(ROW_1));
    k = low(b, nibble), i = high(b, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
    u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
    const b1 = sum(singleU, u, singleW, w), b2 = sum(doubleU, u, doubleW, w);

    c = look(c, v128.load(ROW_2));
    k = low(c, nibble), i = high(c, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
    u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
    const c1 = sum(singleU, u, singleW, w), c2 = sum(doubleU, u, doubleW, w);

    d = look(d, v128.load(ROW_3));
    k = low(d, nibble), i = high(d, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
    u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
    const d1 = sum(singleU, u, singleW, w), d2 = sum(doubleU, u, doubleW, w);

    // MixColumns: 2 times the row, 3 times the next row, and the two other rows.
    const ab1 = v128.xor(a1, b1), cd1 = v128.xor(c1, d1);
    a = v128.xor(xor3(a2, b2, b1), v128.xor(cd1, v128.load(key)));
    b = v128.xor(xor3(b2, c2, a1), v128.xor(cd1, v128.load(key, 16)));
    c = v128.xor(xor3(c2, d2, d1), v128.xor(ab1, v128.load(key, 32)));
    d = v128.xor(xor3(d2, a2, c1), v128.xor(ab1, v128.load(key, 48)));
  }

  const leaveU = v128.load(LEAVE_U), leaveW = v128.load(LEAVE_W);
  k = low(a, nibble), i = high(a, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
  u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  a = sum(leaveU, u, leaveW, w);
  b = look(b, v128.load(ROW_1));
  k = low(b, nibble), i = high(b, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
  u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  b = sum(leaveU, u, leaveW, w);
  c = look(c, v128.load(ROW_2));
  k = low(c, nibble), i = high(c, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
  u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  c = sum(leaveU, u, leaveW, w);
  d = look(d, v128.load(ROW_3));
  k = low(d, nibble), i = high(d, nibble), j = v128.xor(i, k), scaled = look(scaledInverse, k);
  u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  d = sum(leaveU, u, leaveW, w);

  ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  const last = v128.load(LAST_KEY);
  v128.store(STREAM, v128.xor(look(v128.shuffle<i64>(ab, cd, 0, 2), turn), last));
  v128.store(STREAM, v128.xor(look(v128.shuffle<i64>(ab, cd, 1, 3), turn), last), 16);
  v128.store(STREAM, v128.xor(look(v128.shuffle<i64>(ef, gh, 0, 2), turn), last), 32);
  v128.store(STREAM, v128.xor(look(v128.shuffle<i64>(ef, gh, 1, 3), turn), last), 48);
}

// Applies the S-box to the four bytes of a word.
function substitute(word: u32): u32 {
  const x = enter(i32x4.splat(<i32> word));
  const inverse = v128.load(INVERSE), nibble = v128.load(NIBBLE);
  const k = low(x, nibble), i = high(x, nibble), j = v128.xor(i, k);
  const scaled = look(v128.load(SCALED_INVERSE), k);
  const u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  const out = sum(v128.load(LEAVE_U), u, v128.load(LEAVE_W), w);
  return <u32> i32x4.extract_lane(v128.xor(out, i8x16.splat(AFFINE)), 0);
}

// Expands the key at DATA (FIPS 197 §5.2), which has `words` words. If `hashes`, also computes the
// tables of GHASH.
export function setKey(words: i32, hashes: bool): void {
  const rounds = words + 6;
  const count = 4 * (rounds + 1);
  memory.copy(STREAM, DATA, 4 * words);
  let constant: u32 = 1;
  for (let n = words; n < count; n++) {
    const at = STREAM + 4 * n;
    let word = load<u32>(at - 4);
    const place = n % words;
    if (place === 0) {
      word = substitute(rotr(word, 8)) ^ constant;
      constant = constant << 1 ^ (constant >> 7) * 0x11b;
    } else if (words > 6 && place === 4) {
      word = substitute(word);
    }
    store<u32>(at, load<u32>(at - 4 * words) ^ word);
  }

  // MixColumns does not change the constant of the S-box, because its factors add up to 1. So the
  // constant is added to the round keys.
  const affine = i8x16.splat(AFFINE);
  store<i32>(ROUNDS, rounds);
  v128.store(FIRST_KEY, v128.load(STREAM));
  v128.store(LAST_KEY, v128.xor(v128.load(STREAM + 16 * rounds), affine));
  for (let round = 1; round < rounds; round++) {
    const key = enter(v128.xor(v128.load(STREAM + 16 * round), affine));
    v128.store(BLOCK_KEYS + 16 * (round - 1), look(key, v128.load(SHIFTS + 16 * (-round & 3))));
    const rows = look(key, v128.load(TURN));
    const at = ROW_KEYS + 64 * (round - 1);
    v128.store(at, v128.shuffle<i32>(rows, rows, 0, 0, 0, 0));
    v128.store(at, v128.shuffle<i32>(rows, rows, 1, 1, 1, 1), 16);
    v128.store(at, v128.shuffle<i32>(rows, rows, 2, 2, 2, 2), 32);
    v128.store(at, v128.shuffle<i32>(rows, rows, 3, 3, 3, 3), 48);
  }
  memory.fill(STREAM, 0, 4 * count);
  memory.fill(DATA, 0, 4 * words);
  v128.store(FIRST_STREAM, encrypt(v128.load(IV)));
  if (hashes) buildHashTables(encrypt(i64x2.splat(0)));
}

// Encrypts the packet at DATA in CFB mode. It has one block or more.
export function encryptCfb(length: i32): void {
  const end = DATA + length;
  let at = DATA;
  let block = v128.xor(v128.load(at), v128.load(FIRST_STREAM));
  v128.store(at, block);
  // The last block may go past the end of the packet: the caller does not read that memory.
  for (at += 16; at < end; at += 16) {
    block = v128.xor(v128.load(at), encrypt(block));
    v128.store(at, block);
  }
}

// @ts-ignore: decorator
@inline
function lane(n: i32): usize {
  return LANES + 8 * n;
}

// Encrypts the first `count` packets of PACKETS in CFB mode, four at a time. Each has one block or
// more. When a packet is finished, the next one takes its lane.
export function encryptCfbs(count: i32): void {
  const first = v128.load(FIRST_STREAM);
  let next = PACKETS;
  const last = PACKETS + 8 * count;
  let busy = 0;
  for (let n = 0; n < 4; n++) store<u64>(lane(n), 0);
  for (;;) {
    // The number of blocks that every one of the four packets has before its last block.
    let whole: i32 = i32.MAX_VALUE;
    busy = 0;
    for (let n = 0; n < 4; n++) {
      let at = load<u32>(lane(n)), end = load<u32>(lane(n), 4);
      while (at >= end && next < last) {
        at = <u32> DATA + load<u32>(next), end = <u32> DATA + load<u32>(next, 4);
        next += 8;
        v128.store(at, v128.xor(v128.load(at), first));
        at += 16;
      }
      if (at < end) {
        busy++;
        whole = min(whole, <i32> (end - at - 1) >> 4);
      } else {
        at = end = <u32> IDLE + 16;
      }
      store<u32>(lane(n), at);
      store<u32>(lane(n), end, 4);
    }
    if (busy === 0) return;
    let a: usize = load<u32>(lane(0)), b: usize = load<u32>(lane(1));
    let c: usize = load<u32>(lane(2)), d: usize = load<u32>(lane(3));
    for (; whole > 0; whole--) {
      encrypt4(v128.load(a - 16), v128.load(b - 16), v128.load(c - 16), v128.load(d - 16));
      v128.store(a, v128.xor(v128.load(a), v128.load(STREAM)));
      v128.store(b, v128.xor(v128.load(b), v128.load(STREAM, 16)));
      v128.store(c, v128.xor(v128.load(c), v128.load(STREAM, 32)));
      v128.store(d, v128.xor(v128.load(d), v128.load(STREAM, 48)));
      a += 16, b += 16, c += 16, d += 16;
    }
    // This is the last block of at least one packet. Another packet may follow it directly.
    encrypt4(v128.load(a - 16), v128.load(b - 16), v128.load(c - 16), v128.load(d - 16));
    addLast(0, a);
    addLast(1, b);
    addLast(2, c);
    addLast(3, d);
  }
}

// XORs a block of packet `n`, which may be its last and not full, with the key stream. Moves its
// lane to the next block.
function addLast(n: i32, at: usize): void {
  const length = min(<i32> (load<u32>(lane(n), 4) - <u32> at), 16);
  const places = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const taken = i8x16.lt_s(places, i8x16.splat(<i8> length));
  v128.store(at, v128.xor(v128.load(at), v128.and(v128.load(STREAM + 16 * n), taken)));
  store<u32>(lane(n), <u32> at + 16);
}

// @ts-ignore: decorator
@inline
function addStream(at: usize): void {
  v128.store(at, v128.xor(v128.load(at), v128.load(STREAM)));
  v128.store(at, v128.xor(v128.load(at, 16), v128.load(STREAM, 16)), 16);
  v128.store(at, v128.xor(v128.load(at, 32), v128.load(STREAM, 32)), 32);
  v128.store(at, v128.xor(v128.load(at, 48), v128.load(STREAM, 48)), 48);
}

// Decrypts the packet at DATA in CFB mode. It has one block or more. It begins at the end, because
// every block but the first needs the ciphertext of the block before it.
export function decryptCfb(length: i32): void {
  const first = v128.xor(v128.load(DATA), v128.load(FIRST_STREAM));
  for (let at = DATA + ((length - 1) & -16) - 48; at > DATA - 48; at -= 64) {
    encrypt4(v128.load(at - 16), v128.load(at), v128.load(at + 16), v128.load(at + 32));
    addStream(at);
  }
  v128.store(DATA, first);
}

// Encrypts four counter blocks of the packet at DATA, from `counter` on.
// @ts-ignore: decorator
@inline
function encryptCounters(counter: i32): void {
  // The counter is big-endian.
  const nonce = v128.load(DATA);
  encrypt4(
    i32x4.replace_lane(nonce, 3, bswap(counter)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 1)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 2)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 3)),
  );
}

// XORs the payload, `length` bytes, with the key stream. Stores the key stream for the tag at MASK.
// Overwrites up to 63 bytes after the payload.
function crypt(length: i32): void {
  const end = PAYLOAD + length;
  encryptCounters(1);
  v128.store(MASK, v128.load(STREAM));
  let at = PAYLOAD;
  for (let n: usize = 16; n < 64; n += 16, at += 16) {
    v128.store(at, v128.xor(v128.load(at), v128.load(STREAM + n)));
  }
  for (let counter = 5; at < end; at += 64, counter += 4) {
    encryptCounters(counter);
    addStream(at);
  }
}

// The hash of the payload, padded with zeros to whole blocks, and of two lengths in bits: of the
// additional data, which is 0, and of the payload. Overwrites up to 31 bytes after the payload.
function authenticate(length: i32): v128 {
  const blocks = (length + 15) >> 4;
  const lengths = PAYLOAD + 16 * blocks;
  v128.store(PAYLOAD + length, i8x16.splat(0));
  store<u64>(lengths, 0);
  store<u64>(lengths, bswap(<u64> length << 3), 8);
  hash(PAYLOAD, blocks + 1);
  return v128.load(HASH);
}

// Seals the packet at DATA: `nonce 12 | payload | tag 16`. The payload has `length` bytes.
export function sealGcm(length: i32): void {
  crypt(length);
  v128.store(PAYLOAD + length, v128.xor(authenticate(length), v128.load(MASK)));
}

// Opens the packet at DATA: `nonce 12 | payload | tag 16`. The payload has `length` bytes. Returns
// 1. If the tag is wrong, returns 0 and decrypts nothing.
export function openGcm(length: i32): i32 {
  const stated = v128.load(PAYLOAD + length);
  encryptCounters(1);
  const tag = v128.xor(authenticate(length), v128.load(STREAM));
  if (v128.any_true(v128.xor(tag, stated))) return 0;
  crypt(length);
  return 1;
}
