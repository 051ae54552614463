import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** Modulus of the field of the MDS matrix: x^8 + x^6 + x^5 + x^3 + 1. */
const MDS_POLYNOMIAL = 0x169;
/** Modulus of the field of the RS matrix: x^8 + x^6 + x^3 + x^2 + 1. */
const RS_POLYNOMIAL = 0x14d;

/** The matrix that mixes the outputs of the four S-boxes into a word, row by row (paper §4.2). */
const MDS = [
  [0x01, 0xef, 0x5b, 0x5b],
  [0x5b, 0xef, 0xef, 0x01],
  [0xef, 0x5b, 0x01, 0xef],
  [0xef, 0x01, 0xef, 0x5b],
];

/** The Reed-Solomon matrix. It maps eight bytes of the key to a word of the S-box key (§4.3). */
const RS = [
  [0x01, 0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e],
  [0xa4, 0x56, 0x82, 0xf3, 0x1e, 0xc6, 0x68, 0xe5],
  [0x02, 0xa1, 0xfc, 0xc1, 0x47, 0xae, 0x3d, 0x19],
  [0xa4, 0x55, 0x87, 0x5a, 0x58, 0xdb, 0x9e, 0x03],
];

/**
 * The 4-bit permutations t0 to t3 of q0, then of q1. Each hexadecimal digit is an entry (§4.3.5).
 */
const NIBBLES = [
  ["817d6f320b59eca4", "ecb81235f4a6709d", "ba5e6d90c8f32471", "d7f4126e9b3085ca"],
  ["28bdf76e31940ac5", "1e2b4c376da5f908", "4c75169a0ed82b3f", "b951c3de647f208a"],
];

/**
 * Which of q0 and q1 the function h applies to byte j of a word. The first entry is the last
 * application. The others are the applications before the XOR with each key word, in the order of
 * the key words (§4.3.2, figure 2).
 */
const Q_ORDER = [
  [1, 0, 0, 1, 1],
  [0, 0, 1, 1, 0],
  [1, 1, 0, 0, 0],
  [0, 1, 1, 0, 1],
];

/** Multiplies in GF(2^8) modulo `polynomial`. */
function multiply(a: number, b: number, polynomial: number): number {
  let product = 0;
  for (; b > 0; b >>>= 1) {
    if (b & 1) product ^= a;
    a = a << 1 ^ (a & 0x80 ? polynomial : 0);
  }
  return product;
}

function rotateLeft(word: number, bits: number): number {
  return word << bits | word >>> 32 - bits;
}

/** The permutation of bytes that is composed of four permutations of nibbles (§4.3.5). */
function buildQ(nibbles: string[]): Uint8Array {
  const [t0, t1, t2, t3] = nibbles.map((digits) => Array.from(digits, (d) => parseInt(d, 16)));
  /** The second nibble of each of the two mixing steps: a ^ ROR4(b, 1) ^ 8a mod 16. */
  const mix = (a: number, b: number) => (a ^ b >>> 1 ^ b << 3 ^ a << 3) & 15;
  return Uint8Array.from({ length: 256 }, (_, x) => {
    const a = t0[x >>> 4 ^ x & 15], b = t1[mix(x >>> 4, x & 15)];
    return t3[mix(a, b)] << 4 | t2[a ^ b];
  });
}

interface Tables {
  /** The fixed permutations q0 and q1. */
  readonly q: Uint8Array[];
  /**
   * For each byte of a word: its last q, then the multiplication by its column of the MDS matrix.
   */
  readonly mds: Int32Array[];
}

let shared: Tables | undefined;

/** The tables. They are built at first use, and do not depend on the key. */
function tables(): Tables {
  if (shared) return shared;
  const q = NIBBLES.map(buildQ);
  const mds = Q_ORDER.map(([last], column) =>
    Int32Array.from(q[last], (y) => {
      let word = 0;
      MDS.forEach((row, i) => word |= multiply(y, row[column], MDS_POLYNOMIAL) << 8 * i);
      return word;
    })
  );
  shared = { q, mds };
  return shared;
}

/** The contribution of byte `j` of a word to h, with the key words `words` (§4.3.2). */
function hOfByte(x: number, j: number, words: Int32Array): number {
  const { q, mds } = tables();
  const order = Q_ORDER[j];
  for (let i = words.length - 1; i >= 0; i--) {
    x = q[order[i + 1]][x] ^ words[i] >>> 8 * j & 255;
  }
  return mds[j][x];
}

/** The function h of a word whose four bytes are all `x`. The key schedule needs it. */
function hOfRepeated(x: number, words: Int32Array): number {
  return hOfByte(x, 0, words) ^ hOfByte(x, 1, words) ^ hOfByte(x, 2, words) ^ hOfByte(x, 3, words);
}

/**
 * The Twofish block cipher: 16-byte blocks, keys of 16, 24 or 32 bytes, 16 rounds.
 *
 * The S-boxes are expanded together with the MDS matrix ("full keying" in the paper). The tables of
 * a key take 4 KiB.
 *
 * Source: B. Schneier, J. Kelsey, D. Whiting, D. Wagner, C. Hall, N. Ferguson, "Twofish: A 128-Bit
 * Block Cipher", 1998.
 */
export class Twofish implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 16;
  /** The words of a block are little-endian. */
  readonly littleEndian = true;
  /**
   * The S-boxes of the round function combined with the MDS matrix, one for each byte of a word.
   */
  readonly #s0: Int32Array;
  readonly #s1: Int32Array;
  readonly #s2: Int32Array;
  readonly #s3: Int32Array;
  /** Four words that whiten the input, four that whiten the output, then two for each round. */
  readonly #roundKeys = new Int32Array(40);

  /**
   * Expands a key.
   *
   * @param key 16, 24 or 32 bytes.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
      throw new RangeError(
        `Cannot key Twofish with ${key.length} bytes: allowed are 16, 24 and 32`,
      );
    }
    const bytes = new DataView(key.buffer, key.byteOffset, key.byteLength);
    const length = key.length / 8;
    const even = new Int32Array(length);
    const odd = new Int32Array(length);
    const sboxKey = new Int32Array(length);
    for (let i = 0; i < length; i++) {
      even[i] = bytes.getInt32(8 * i, true);
      odd[i] = bytes.getInt32(8 * i + 4, true);
      let word = 0;
      for (let row = 0; row < 4; row++) {
        for (let column = 0; column < 8; column++) {
          word ^= multiply(key[8 * i + column], RS[row][column], RS_POLYNOMIAL) << 8 * row;
        }
      }
      // The S-boxes use the key words in reverse order.
      sboxKey[length - 1 - i] = word;
    }
    for (let i = 0; i < 40; i += 2) {
      const a = hOfRepeated(i, even);
      const b = rotateLeft(hOfRepeated(i + 1, odd), 8);
      this.#roundKeys[i] = a + b;
      this.#roundKeys[i + 1] = rotateLeft(a + 2 * b | 0, 9);
    }
    const sbox = (j: number) => Int32Array.from({ length: 256 }, (_, x) => hOfByte(x, j, sboxKey));
    this.#s0 = sbox(0);
    this.#s1 = sbox(1);
    this.#s2 = sbox(2);
    this.#s3 = sbox(3);
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The four words of the block, little-endian.
   */
  encrypt(block: Int32Array): void {
    const k = this.#roundKeys;
    const s0 = this.#s0, s1 = this.#s1, s2 = this.#s2, s3 = this.#s3;
    let a = block[0] ^ k[0], b = block[1] ^ k[1], c = block[2] ^ k[2], d = block[3] ^ k[3];
    // The loop does two rounds at a time. After two rounds the halves are in their places again.
    // The second input of F is rotated by 8 bits: the order of its S-boxes has the same effect.
    for (let i = 8; i < 40; i += 4) {
      let t0 = s0[a & 255] ^ s1[a >>> 8 & 255] ^ s2[a >>> 16 & 255] ^ s3[a >>> 24];
      let t1 = s1[b & 255] ^ s2[b >>> 8 & 255] ^ s3[b >>> 16 & 255] ^ s0[b >>> 24];
      t0 = t0 + t1 | 0;
      c ^= t0 + k[i];
      c = c >>> 1 | c << 31;
      d = (d << 1 | d >>> 31) ^ (t0 + t1 + k[i + 1]);
      t0 = s0[c & 255] ^ s1[c >>> 8 & 255] ^ s2[c >>> 16 & 255] ^ s3[c >>> 24];
      t1 = s1[d & 255] ^ s2[d >>> 8 & 255] ^ s3[d >>> 16 & 255] ^ s0[d >>> 24];
      t0 = t0 + t1 | 0;
      a ^= t0 + k[i + 2];
      a = a >>> 1 | a << 31;
      b = (b << 1 | b >>> 31) ^ (t0 + t1 + k[i + 3]);
    }
    // The halves are swapped once more after the last round.
    block[0] = c ^ k[4];
    block[1] = d ^ k[5];
    block[2] = a ^ k[6];
    block[3] = b ^ k[7];
  }
}

/**
 * Creates a cipher that encrypts packets with Twofish in CFB mode, and adds a checksum: `twofish`
 * of `createCipher`.
 *
 * @param key The key, 16, 24 or 32 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function twofishCfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("twofish", new Twofish(checkedKey("twofish", key, [16, 24, 32])));
}
