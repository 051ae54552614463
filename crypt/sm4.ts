import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** The system parameter FK. It is XORed with the key. */
const FK = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];
/** Rounds of the cipher and of its key schedule. */
const ROUNDS = 32;

function rotateLeft(word: number, bits: number): number {
  return word << bits | word >>> 32 - bits;
}

/**
 * The S-box.
 *
 * The standard prints it as a table. The table is A(I(A(x))). I is the inverse in GF(2^8) modulo
 * x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, and I(0) is 0. A is affine: it multiplies by the circulant
 * matrix of 0xa7 and adds 0xd3. Source: F. Liu et al., "Analysis of the SMS4 Block Cipher", 2007.
 */
function buildSbox(): Uint8Array {
  // x generates the multiplicative group, which has 255 elements. The inverse of x^i is x^(255 -
  // i).
  const powers = new Uint8Array(256);
  for (let i = 0, power = 1; i < 256; i++) {
    powers[i] = power;
    power = power << 1 ^ (power & 0x80 ? 0x1f5 : 0);
  }
  const inverse = new Uint8Array(256);
  for (let i = 0; i < 255; i++) inverse[powers[i]] = powers[255 - i];

  const affine = new Uint8Array(256);
  for (let x = 0; x < 256; x++) {
    let y = 0xd3;
    for (let bit = 0; bit < 8; bit++) {
      // Row r of the matrix is 0xa7 rotated left by r. So column `bit` of row r is bit `bit - r` of
      // 0xa7.
      if (x >>> bit & 1) {
        for (let row = 0; row < 8; row++) y ^= (0xa7 >>> (bit - row & 7) & 1) << row;
      }
    }
    affine[x] = y;
  }
  return inverse.map((_, x) => affine[inverse[affine[x]]]);
}

/**
 * The S-box, and four tables that combine the S-box and the linear transformation L: one for each
 * byte of a word, the lowest byte first.
 */
interface Tables {
  readonly sbox: Uint8Array;
  readonly t0: Int32Array;
  readonly t1: Int32Array;
  readonly t2: Int32Array;
  readonly t3: Int32Array;
}

let shared: Tables | undefined;

/** The tables. They are built at first use, and do not depend on the key. */
function tables(): Tables {
  if (shared) return shared;
  const sbox = buildSbox();
  const t0 = Int32Array.from(sbox, (s) => {
    return s ^ rotateLeft(s, 2) ^ rotateLeft(s, 10) ^ rotateLeft(s, 18) ^ rotateLeft(s, 24);
  });
  // L consists of rotations, so the table of a higher byte is the table of the lowest byte,
  // rotated.
  const rotated = (bits: number) => t0.map((word) => rotateLeft(word, bits));
  shared = { sbox, t0, t1: rotated(8), t2: rotated(16), t3: rotated(24) };
  return shared;
}

/** The transformation T' of the key schedule: the S-box for each byte, then L'. */
function keyTransform(sbox: Uint8Array, word: number): number {
  const b = sbox[word >>> 24] << 24 | sbox[word >>> 16 & 255] << 16 |
    sbox[word >>> 8 & 255] << 8 | sbox[word & 255];
  return b ^ rotateLeft(b, 13) ^ rotateLeft(b, 23);
}

/** The constant CK of a round: its four bytes are the next four multiples of 7, modulo 256. */
function roundConstant(round: number): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word = word << 8 | (4 * round + i) * 7 & 255;
  return word;
}

/**
 * The SM4 block cipher: 16-byte blocks, 16-byte keys, 32 rounds.
 *
 * Source: GB/T 32907-2016. English text: draft-ribose-cfrg-sm4.
 */
export class Sm4 implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 16;
  /** The words of a block are big-endian. */
  readonly littleEndian = false;
  readonly #roundKeys = new Int32Array(ROUNDS);
  readonly #tables: Tables = tables();

  /**
   * Expands a key.
   *
   * @param key 16 bytes.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    if (key.length !== 16) {
      throw new RangeError(`Cannot key SM4 with ${key.length} bytes: allowed are 16`);
    }
    const bytes = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const k = FK.map((word, i) => word ^ bytes.getInt32(4 * i));
    for (let round = 0; round < ROUNDS; round++) {
      const mixed = k[1] ^ k[2] ^ k[3] ^ roundConstant(round);
      this.#roundKeys[round] = k[0] ^ keyTransform(this.#tables.sbox, mixed);
      k.shift();
      k.push(this.#roundKeys[round]);
    }
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The four words of the block, big-endian.
   */
  encrypt(block: Int32Array): void {
    const k = this.#roundKeys;
    const { t0, t1, t2, t3 } = this.#tables;
    let x0 = block[0], x1 = block[1], x2 = block[2], x3 = block[3];
    // The loop does four rounds at a time. After four rounds each word is in its place again.
    for (let round = 0; round < ROUNDS; round += 4) {
      let x = k[round] ^ x1 ^ x2 ^ x3;
      x0 ^= t0[x & 255] ^ t1[x >>> 8 & 255] ^ t2[x >>> 16 & 255] ^ t3[x >>> 24];
      x = k[round + 1] ^ x2 ^ x3 ^ x0;
      x1 ^= t0[x & 255] ^ t1[x >>> 8 & 255] ^ t2[x >>> 16 & 255] ^ t3[x >>> 24];
      x = k[round + 2] ^ x3 ^ x0 ^ x1;
      x2 ^= t0[x & 255] ^ t1[x >>> 8 & 255] ^ t2[x >>> 16 & 255] ^ t3[x >>> 24];
      x = k[round + 3] ^ x0 ^ x1 ^ x2;
      x3 ^= t0[x & 255] ^ t1[x >>> 8 & 255] ^ t2[x >>> 16 & 255] ^ t3[x >>> 24];
    }
    block[0] = x3;
    block[1] = x2;
    block[2] = x1;
    block[3] = x0;
  }
}

/**
 * Creates a cipher that encrypts packets with SM4 in CFB mode, and adds a checksum: `sm4`
 * of `createCipher`.
 *
 * @param key The key, 16 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function sm4Cfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("sm4", new Sm4(checkedKey("sm4", key, [16])));
}
