import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** The key schedule constant, (√5 − 1) · 2^31. */
const DELTA = 0x9e3779b9 | 0;
/** Feistel rounds. */
const ROUNDS = 64;

/**
 * The XTEA block cipher: 8-byte blocks, 16-byte keys, 64 rounds.
 *
 * Source: R. Needham, D. Wheeler, "Tea extensions", 1997. The paper leaves the byte order open.
 * Here key and block are big-endian words, as in Go's `golang.org/x/crypto/xtea`.
 *
 * XTEA has a short block. It exists here only for peers that use it.
 */
export class Xtea implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 8;
  /** The words of a block are big-endian. */
  readonly littleEndian = false;
  /** The sum of a key word and the running sum, for each round. It does not depend on the data. */
  readonly #roundKeys = new Int32Array(ROUNDS);

  /**
   * Expands a key.
   *
   * @param key 16 bytes.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    if (key.length !== 16) {
      throw new RangeError(`Cannot key XTEA with ${key.length} bytes: allowed are 16`);
    }
    const bytes = new DataView(key.buffer, key.byteOffset, key.byteLength);
    let sum = 0;
    for (let round = 0; round < ROUNDS; round += 2) {
      this.#roundKeys[round] = sum + bytes.getInt32(4 * (sum & 3));
      sum = sum + DELTA | 0;
      this.#roundKeys[round + 1] = sum + bytes.getInt32(4 * (sum >>> 11 & 3));
    }
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The two words of the block, big-endian.
   */
  encrypt(block: Int32Array): void {
    const k = this.#roundKeys;
    let v0 = block[0], v1 = block[1];
    for (let round = 0; round < ROUNDS; round += 2) {
      v0 = v0 + ((((v1 << 4) ^ (v1 >>> 5)) + v1) ^ k[round]) | 0;
      v1 = v1 + ((((v0 << 4) ^ (v0 >>> 5)) + v0) ^ k[round + 1]) | 0;
    }
    block[0] = v0;
    block[1] = v1;
  }
}

/**
 * Creates a cipher that encrypts packets with XTEA in CFB mode, and adds a checksum: `xtea`
 * of `createCipher`.
 *
 * @param key The key, 16 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function xteaCfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("xtea", new Xtea(checkedKey("xtea", key, [16])));
}
