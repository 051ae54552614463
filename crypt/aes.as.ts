// AES in AssemblyScript, for WebAssembly with SIMD: packets in CFB mode and in Galois/Counter Mode.
//
// Nothing is looked up in memory by secret bytes, and nothing branches on them: bytes are looked up in tables of
// 16 entries that lie in vectors, by the byte permutation of the CPU, whose time is always the same.
//
// M. Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009: a byte x of the state is taken
// as i·t + k in GF(16)[t] / (t² + a·t + a). With j = i + k its inverse is a linear function of 1/u and of
// 1/w, where u = 1/(1/i + a/k) + j and w = 1/(1/j + a/k) + i. Five lookups give u and w, and one more of each
// gives whatever is linear in the inverse. Infinity has its top bit set, of which a lookup makes zero.
//
// aes_tables.ts computes the tables and says what they are.
//
// Pages: 4

import { buildHashTables, hash, HASH, high, look, low, NIBBLE } from "./ghash.as";

// The tables of aes_tables.ts.
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
/** The constant of the S-box, in all bytes. */
const AFFINE: i8 = 0x63;

// Behind them, at 512, GHASH has its state.
/** The IV of CFB. */
const IV: usize = 640;

// What belongs to a key. Its first and last round keys are as in FIPS 197, but for the constant of the S-box.
const FIRST_KEY: usize = 1024;
const LAST_KEY: usize = 1040;
/** The encrypted IV. */
const FIRST_STREAM: usize = 1056;
const ROUNDS: usize = 1072;
/** The keys of the rounds between for one block, each in the order that its bytes have then. */
const BLOCK_KEYS: usize = 1088;
/** The same for four blocks: four rows in each round. */
const ROW_KEYS: usize = 1296;
// Behind them, at 2128, are the tables of GHASH.

/** The expanded key of FIPS 197 while it is computed; and then the key stream of four blocks. */
const STREAM: usize = 4352;
/** Of each of the four packets that are encrypted at once: where its next block is, and its end. */
const LANES: usize = 4608;
/** Start and end of each packet, from DATA on. */
const PACKETS: usize = 4864;
/** One packet; or several, each behind the one before. */
const DATA: usize = 16384;
/** What is encrypted where there is no fourth packet: as long as the longest one. */
const IDLE: usize = 147456;

/** Behind the nonce of GCM. */
const PAYLOAD: usize = DATA + 12;
/** The key stream of its tag. */
const MASK: usize = 4592;

// A function that is linear in the bits of a byte, as two tables.
// @ts-ignore: decorator
@inline
function linear(x: v128, lowTable: v128, highTable: v128): v128 {
  const nibble = v128.load(NIBBLE);
  return v128.xor(look(lowTable, low(x, nibble)), look(highTable, high(x, nibble)));
}

// 1/(1/x + scaled) + y.
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

// Encrypts a block. ShiftRows is never carried out: in round n the bytes lie where n of them would have taken them
// from, which the permutations of MixColumns take into account; there are four different ones.
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

// Encrypts four blocks, and leaves them at STREAM. Inside, a vector has the same row of all four blocks: so MixColumns
// needs no permutation, and ShiftRows only three for all of them.
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

    // Of each row 2, of the next one 3, and 1 of the two others.
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

// The S-box on the four bytes of a word.
function substitute(word: u32): u32 {
  const x = enter(i32x4.splat(<i32> word));
  const inverse = v128.load(INVERSE), nibble = v128.load(NIBBLE);
  const k = low(x, nibble), i = high(x, nibble), j = v128.xor(i, k);
  const scaled = look(v128.load(SCALED_INVERSE), k);
  const u = fraction(inverse, i, j, scaled), w = fraction(inverse, j, i, scaled);
  const out = sum(v128.load(LEAVE_U), u, v128.load(LEAVE_W), w);
  return <u32> i32x4.extract_lane(v128.xor(out, i8x16.splat(AFFINE)), 0);
}

// Expands the key of so many words that lies at DATA (FIPS 197 §5.2), and computes the tables of GHASH on demand.
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

  // The constant of the S-box passes MixColumns unaltered, whose factors sum up to 1: it goes with the keys.
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

// Encrypts a packet that lies at DATA, of one block or more.
export function encryptCfb(length: i32): void {
  const end = DATA + length;
  let at = DATA;
  let block = v128.xor(v128.load(at), v128.load(FIRST_STREAM));
  v128.store(at, block);
  // Beyond the end of the packet is memory that nobody reads.
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

// Encrypts so many packets, of one block or more each, four at a time: whichever is through makes room for the next one.
export function encryptCfbs(count: i32): void {
  const first = v128.load(FIRST_STREAM);
  let next = PACKETS;
  const last = PACKETS + 8 * count;
  let busy = 0;
  for (let n = 0; n < 4; n++) store<u64>(lane(n), 0);
  for (;;) {
    // How many blocks there are at least in each packet before its last one.
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
    // The last one of some: behind it may be another packet.
    encrypt4(v128.load(a - 16), v128.load(b - 16), v128.load(c - 16), v128.load(d - 16));
    addLast(0, a);
    addLast(1, b);
    addLast(2, c);
    addLast(3, d);
  }
}

// XORs a block of a packet, of which this may be the last, with the key stream, and goes to the next one.
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

// Decrypts a packet that lies at DATA, of one block or more: from its end, as all blocks but the first need the one before.
export function decryptCfb(length: i32): void {
  const first = v128.xor(v128.load(DATA), v128.load(FIRST_STREAM));
  for (let at = DATA + ((length - 1) & -16) - 48; at > DATA - 48; at -= 64) {
    encrypt4(v128.load(at - 16), v128.load(at), v128.load(at + 16), v128.load(at + 32));
    addStream(at);
  }
  v128.store(DATA, first);
}

// Encrypts the counter blocks of a packet that lies at DATA.
// @ts-ignore: decorator
@inline
function encryptCounters(counter: i32): void {
  // The counter has its high byte first.
  const nonce = v128.load(DATA);
  encrypt4(
    i32x4.replace_lane(nonce, 3, bswap(counter)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 1)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 2)),
    i32x4.replace_lane(nonce, 3, bswap(counter + 3)),
  );
}

// XORs a payload of so many bytes with the key stream, and leaves that of the tag at MASK. What is behind the payload is
// overwritten up to 63 bytes.
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

// The hash of a payload, of zeros up to whole blocks, and of the lengths in bits: those of the additional data, which there
// is none of, and those of the payload. It overwrites 31 bytes behind the payload.
function authenticate(length: i32): v128 {
  const blocks = (length + 15) >> 4;
  const lengths = PAYLOAD + 16 * blocks;
  v128.store(PAYLOAD + length, i8x16.splat(0));
  store<u64>(lengths, 0);
  store<u64>(lengths, bswap(<u64> length << 3), 8);
  hash(PAYLOAD, blocks + 1);
  return v128.load(HASH);
}

// Seals a packet, `nonce 12 | payload | tag 16`, that lies at DATA. Its payload has so many bytes.
export function sealGcm(length: i32): void {
  crypt(length);
  v128.store(PAYLOAD + length, v128.xor(authenticate(length), v128.load(MASK)));
}

// Opens such a packet, and returns 1; 0, and nothing is decrypted, if the tag is wrong.
export function openGcm(length: i32): i32 {
  const stated = v128.load(PAYLOAD + length);
  encryptCounters(1);
  const tag = v128.xor(authenticate(length), v128.load(STREAM));
  if (v128.any_true(v128.xor(tag, stated))) return 0;
  crypt(length);
  return 1;
}
