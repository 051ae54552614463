import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/**
 * Bytes of a key: three DES keys of 8 bytes. The low bit of each byte is a parity bit, which is
 * ignored.
 */
const KEY_SIZE = 24;
const ROUNDS = 16;
/** Words of the round keys of one DES: two for each round. */
const SCHEDULE_SIZE = 2 * ROUNDS;

// The tables of FIPS 46-3. It numbers bits from 1, and bit 1 is the most significant one.

/** The S-boxes. Each has four rows, and each hexadecimal digit is an entry. */
const S_BOXES = [
  "e4d12fb83a6c5907 0f74e2d1a6cb9538 41e8d62bfc973a50 fc8249175b3ea06d",
  "f18e6b34972dc05a 3d47f28ec01a69b5 0e7ba4d158c6932f d8a13f42b67c05e9",
  "a09e63f51dc7b428 d709346a285ecbf1 d6498f30b12c5ae7 1ad069874fe3b52c",
  "7de3069a1285bc4f d8b56f03472c1ae9 a690cb7df13e5284 3f06a1d8945bc72e",
  "2c417ab6853fd0e9 eb2c47d150fa3986 421bad78f9c5630e b8c71e2d6f09a453",
  "c1af92680d34e75b af427c9561de0b38 9ef528c3704a1db6 432c95fabe17608d",
  "4b2ef08d3c975a61 d0b7491ae35c2f86 14bdc37eaf680592 6bd814a7950fe23c",
  "d2846fb1a93e50c7 1fd8a374c56b0e92 7b419ce206adf358 21e74a8dfc90356b",
];
/** The permutation P: for each bit of its output, the number of the input bit. */
// deno-fmt-ignore
const P = [
  16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
  2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
];
/** Permuted choice 1: the bits of the key that initialize the registers C and D, 28 for each. */
// deno-fmt-ignore
const PC1 = [
  57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
  10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
  63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
  14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];
/** Permuted choice 2: the bits of C and D that form a round key. */
// deno-fmt-ignore
const PC2 = [
  14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10,
  23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
  41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48,
  44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
/** How many bits C and D are rotated left before each round. */
const ROTATIONS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

/** Where each S-box begins in {@linkcode spBoxes}. */
const SP1 = 0, SP2 = 64, SP3 = 128, SP4 = 192, SP5 = 256, SP6 = 320, SP7 = 384, SP8 = 448;

/** The result of {@linkcode buildSpBoxes}, computed at first use. */
let spBoxes: Int32Array | undefined;

/**
 * The S-boxes combined with P: for each box and each of its 64 inputs, the 32 bits after P. They
 * are rotated left by one, as the halves of a block are between the permutations.
 */
function buildSpBoxes(): Int32Array {
  const boxes = new Int32Array(8 * 64);
  for (let box = 0; box < 8; box++) {
    const rows = S_BOXES[box].split(" ");
    for (let input = 0; input < 64; input++) {
      // The outer two bits select the row, the inner four bits the column.
      const row = input >>> 4 & 2 | input & 1;
      const value = parseInt(rows[row][input >>> 1 & 15], 16);
      let word = 0;
      for (let bit = 1; bit <= 32; bit++) {
        const from = P[bit - 1] - 1;
        if (from >>> 2 === box) word |= (value >>> (3 - (from & 3)) & 1) << (32 - bit);
      }
      boxes[64 * box + input] = word << 1 | word >>> 31;
    }
  }
  return boxes;
}

/**
 * Expands one DES key into the keys of its 16 rounds.
 *
 * A round has two words. Each byte of a word holds six key bits: the first word those of S1, S3, S5
 * and S7, the second word those of S2, S4, S6 and S8.
 *
 * @param key The bytes that hold the key.
 * @param at Offset of its 8 bytes.
 */
function expandKey(key: Uint8Array, at: number): Int32Array {
  const schedule = new Int32Array(SCHEDULE_SIZE);
  let rotated = 0;
  for (let round = 0; round < ROUNDS; round++) {
    rotated += ROTATIONS[round];
    for (let i = 0; i < 48; i++) {
      // C and D are not rotated. Instead, the index to read from is rotated within its register.
      const place = PC2[i] - 1;
      const register = place < 28 ? 0 : 28;
      const bit = PC1[register + (place - register + rotated) % 28] - 1;
      const value = key[at + (bit >>> 3)] >>> (7 - (bit & 7)) & 1;
      const box = Math.floor(i / 6);
      schedule[2 * round + (box & 1)] |= value << (29 - 8 * (box >>> 1) - i % 6);
    }
  }
  return schedule;
}

/** The round keys of one DES in the order for decryption: the last round first. */
function reverseRounds(schedule: Int32Array): Int32Array {
  return schedule.map((_, i) => schedule[(ROUNDS - 1 - (i >>> 1)) * 2 + (i & 1)]);
}

/**
 * Triple DES, a block cipher with 8-byte blocks: encryption with the first key, decryption with the
 * second, encryption with the third.
 *
 * Source: FIPS 46-3, NIST SP 800-67.
 */
export class TripleDes implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 8;
  /** The words of a block are big-endian. */
  readonly littleEndian = false;

  readonly #boxes: Int32Array;
  /** The keys of the 48 rounds, two words each. */
  readonly #keys = new Int32Array(3 * SCHEDULE_SIZE);

  /**
   * Expands a key. This takes some tens of µs.
   *
   * @param key 24 bytes. The low bit of each byte is ignored.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_SIZE) {
      throw new RangeError(`Cannot key 3DES with ${key.length} bytes: allowed are ${KEY_SIZE}`);
    }
    this.#boxes = spBoxes ??= buildSpBoxes();
    this.#keys.set(expandKey(key, 0), 0);
    this.#keys.set(reverseRounds(expandKey(key, 8)), SCHEDULE_SIZE);
    this.#keys.set(expandKey(key, 16), 2 * SCHEDULE_SIZE);
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The two words of the block, big-endian.
   */
  encrypt(block: Int32Array): void {
    const boxes = this.#boxes;
    const keys = this.#keys;
    let left = block[0];
    let right = block[1];
    let swap = 0;

    // The initial permutation, in five steps. Each step swaps bits of one half with bits of the
    // other half. In the end both halves are rotated left by one. Then the low six bits of each
    // byte are the bits that the expansion E selects for S2, S4, S6 and S8. The bits for S1, S3, S5
    // and S7 are four places further left.
    swap = (left >>> 4 ^ right) & 0x0f0f0f0f;
    right ^= swap;
    left ^= swap << 4;
    swap = (left >>> 16 ^ right) & 0x0000ffff;
    right ^= swap;
    left ^= swap << 16;
    swap = (right >>> 2 ^ left) & 0x33333333;
    left ^= swap;
    right ^= swap << 2;
    swap = (right >>> 8 ^ left) & 0x00ff00ff;
    left ^= swap;
    right ^= swap << 8;
    right = right << 1 | right >>> 31;
    swap = (left ^ right) & 0xaaaaaaaa;
    left ^= swap;
    right ^= swap;
    left = left << 1 | left >>> 31;

    // DES three times. The final permutation of one DES and the initial permutation of the next one
    // cancel out.
    for (let at = 0; at < 3 * SCHEDULE_SIZE;) {
      // The loop does two rounds at a time, so the halves need no swap.
      for (const end = at + SCHEDULE_SIZE; at < end; at += 4) {
        let odd = (right << 28 | right >>> 4) ^ keys[at];
        let even = right ^ keys[at + 1];
        left ^= boxes[SP1 + (odd >>> 24 & 63)] ^ boxes[SP3 + (odd >>> 16 & 63)] ^
          boxes[SP5 + (odd >>> 8 & 63)] ^ boxes[SP7 + (odd & 63)] ^
          boxes[SP2 + (even >>> 24 & 63)] ^ boxes[SP4 + (even >>> 16 & 63)] ^
          boxes[SP6 + (even >>> 8 & 63)] ^ boxes[SP8 + (even & 63)];
        odd = (left << 28 | left >>> 4) ^ keys[at + 2];
        even = left ^ keys[at + 3];
        right ^= boxes[SP1 + (odd >>> 24 & 63)] ^ boxes[SP3 + (odd >>> 16 & 63)] ^
          boxes[SP5 + (odd >>> 8 & 63)] ^ boxes[SP7 + (odd & 63)] ^
          boxes[SP2 + (even >>> 24 & 63)] ^ boxes[SP4 + (even >>> 16 & 63)] ^
          boxes[SP6 + (even >>> 8 & 63)] ^ boxes[SP8 + (even & 63)];
      }
      // The output of a DES begins with its right half.
      swap = left;
      left = right;
      right = swap;
    }

    // The final permutation: the steps of the initial permutation in reverse order.
    left = left << 31 | left >>> 1;
    swap = (left ^ right) & 0xaaaaaaaa;
    left ^= swap;
    right ^= swap;
    right = right << 31 | right >>> 1;
    swap = (right >>> 8 ^ left) & 0x00ff00ff;
    left ^= swap;
    right ^= swap << 8;
    swap = (right >>> 2 ^ left) & 0x33333333;
    left ^= swap;
    right ^= swap << 2;
    swap = (left >>> 16 ^ right) & 0x0000ffff;
    right ^= swap;
    left ^= swap << 16;
    swap = (left >>> 4 ^ right) & 0x0f0f0f0f;
    right ^= swap;
    left ^= swap << 4;
    block[0] = left;
    block[1] = right;
  }
}

/**
 * Creates a cipher that encrypts packets with triple DES in CFB mode, and adds a checksum: `3des`
 * of `createCipher`.
 *
 * @param key The key, 24 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function tripleDesCfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("3des", new TripleDes(checkedKey("3des", key, [24])));
}
