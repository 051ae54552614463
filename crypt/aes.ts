import { unsafe } from "@noble/ciphers/aes.js";
import type { BlockCipher } from "./block_cipher.ts";

// Reading these properties once, not for each block, makes encryption a tenth faster.
const { expandKeyLE, encrypt } = unsafe;

/** @throws {RangeError} If the key has another length than 16, 24 or 32 bytes. */
export function checkAesKey(key: Uint8Array): void {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
    throw new RangeError(`Cannot key AES with ${key.length} bytes: allowed are 16, 24 or 32`);
  }
}

/**
 * The AES block cipher of FIPS 197: 16-byte blocks, keys of 16, 24 or 32 bytes.
 *
 * The block function is from `@noble/ciphers`. The modes of `@noble/ciphers` expand the key for
 * each message. This class keeps the expanded key. The block function looks bytes up in tables, so
 * its time depends a little on key and data. An attacker who runs code on the same CPU may learn
 * the key from this.
 */
export class Aes implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 16;
  /** The words of a block are little-endian, as `@noble/ciphers` expects them. */
  readonly littleEndian = true;
  readonly #roundKeys: Uint32Array;

  /**
   * Expands a key.
   *
   * @param key 16, 24 or 32 bytes. The cipher does not keep a reference to it.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    checkAesKey(key);
    this.#roundKeys = expandKeyLE(key);
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The four words of the block, little-endian.
   */
  encrypt(block: Int32Array): void {
    const out = encrypt(this.#roundKeys, block[0], block[1], block[2], block[3]);
    block[0] = out.s0;
    block[1] = out.s1;
    block[2] = out.s2;
    block[3] = out.s3;
  }
}
