import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** The key schedule constant, (√5 − 1) · 2^31. */
const DELTA = 0x9e3779b9 | 0;

/**
 * The TEA block cipher: 8-byte blocks, 16-byte keys.
 *
 * Source: D. Wheeler, R. Needham, "TEA, a Tiny Encryption Algorithm", 1994. The paper leaves the
 * byte order open. Here key and block are big-endian words, as in Go's `golang.org/x/crypto/tea`.
 *
 * TEA has equivalent keys and a short block. It exists here only for peers that use it.
 */
export class Tea implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 8;
  /** The words of a block are big-endian. */
  readonly littleEndian = false;
  readonly #key: Int32Array;
  /** Number of cycles. A cycle is two rounds. */
  readonly #cycles: number;

  /**
   * Makes a cipher with a key.
   *
   * @param key 16 bytes. They are copied.
   * @param rounds Feistel rounds, an even number from 2 on. kcp-go uses 16. Default: 64, as in the
   * paper.
   * @throws {RangeError} If the length of the key or the number of rounds is not allowed.
   */
  constructor(key: Uint8Array, rounds = 64) {
    if (key.length !== 16) {
      throw new RangeError(`Cannot key TEA with ${key.length} bytes: allowed are 16`);
    }
    if (!Number.isInteger(rounds / 2) || rounds < 2) {
      throw new RangeError(
        `Cannot run TEA for ${rounds} rounds: allowed are even numbers from 2 on`,
      );
    }
    const bytes = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#key = Int32Array.from({ length: 4 }, (_, i) => bytes.getInt32(4 * i));
    this.#cycles = rounds / 2;
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The two words of the block, big-endian.
   */
  encrypt(block: Int32Array): void {
    const key = this.#key;
    const k0 = key[0], k1 = key[1], k2 = key[2], k3 = key[3];
    const cycles = this.#cycles;
    let v0 = block[0], v1 = block[1], sum = 0;
    for (let cycle = 0; cycle < cycles; cycle++) {
      sum = sum + DELTA | 0;
      v0 = v0 + (((v1 << 4) + k0) ^ (v1 + sum) ^ ((v1 >>> 5) + k1)) | 0;
      v1 = v1 + (((v0 << 4) + k2) ^ (v0 + sum) ^ ((v0 >>> 5) + k3)) | 0;
    }
    block[0] = v0;
    block[1] = v1;
  }
}

/** Rounds of TEA in kcp-go. The paper has 64. */
const KCP_GO_ROUNDS = 16;

/**
 * Creates a cipher that encrypts packets with TEA in CFB mode, with 16 rounds, and adds a checksum: `tea`
 * of `createCipher`.
 *
 * @param key The key, 16 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function teaCfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("tea", new Tea(checkedKey("tea", key, [16]), KCP_GO_ROUNDS));
}
