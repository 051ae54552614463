import { salsa20 } from "@noble/ciphers/salsa.js";
import { ChecksumCipher } from "./none.ts";

/** Bytes of a packet that stay clear, which are the nonce of Salsa20. */
const CLEAR = 8;

/**
 * Packets under Salsa20, as kcp-go has them: `nonce 16 | checksum 4 | payload`, of which the first 8 bytes stay
 * clear as the nonce of Salsa20 and all others are XORed with its key stream, from block 0 on.
 *
 * Source: D. Bernstein, "Salsa20 specification", 2005.
 */
export class Salsa20Cipher extends ChecksumCipher {
  readonly #key: Uint8Array;

  /**
   * @param key 32 bytes, which are kept.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    super("salsa20");
    if (key.length !== 32) {
      throw new RangeError(`Cannot key Salsa20 with ${key.length} bytes: allowed are 32`);
    }
    this.#key = key;
  }

  /** Encrypts a packet in place. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const data = bytes.subarray(start + CLEAR, end);
    salsa20(this.#key, bytes.subarray(start, start + CLEAR), data, data);
  }

  /** Decrypts a packet in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.encrypt(bytes, start, end);
  }
}
