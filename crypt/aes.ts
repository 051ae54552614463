import { unsafe } from "@noble/ciphers/aes.js";
import type { BlockCipher } from "./block_cipher.ts";

// Looked up once, and not for each block: a tenth faster.
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
 * The block function is that of `@noble/ciphers`, whose modes expand the key anew for each message; here the
 * expanded key is kept. It looks bytes up in tables, so its time depends a little on key and data: someone
 * who runs code on the same CPU may learn from it.
 */
export class Aes implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 16;
  /** The round keys are laid out for words whose low byte is first. */
  readonly littleEndian = true;
  readonly #roundKeys: Uint32Array;

  /**
   * Takes a key.
   *
   * @param key 16, 24 or 32 bytes, which are expanded and not kept.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    checkAesKey(key);
    this.#roundKeys = expandKeyLE(key);
  }

  /**
   * Encrypts one block in place.
   *
   * @param block Its four words.
   */
  encrypt(block: Int32Array): void {
    const out = encrypt(this.#roundKeys, block[0], block[1], block[2], block[3]);
    block[0] = out.s0;
    block[1] = out.s1;
    block[2] = out.s2;
    block[3] = out.s3;
  }
}
