import type { BlockCipher } from "./block_cipher.ts";
import { CfbCipher } from "./cfb.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";
import { piWords } from "./pi_digits.ts";

/** Most bytes of a key: 448 bits. Source: the paper. */
const MAX_KEY_SIZE = 56;
/**
 * Words of the array P: one for each of the 16 rounds, and two for the output. Source: the paper.
 */
const P_SIZE = 18;

/**
 * Where P and the four S-boxes begin in the state. The digits of pi fill the state in this order.
 */
const P = 0;
const S1 = P + P_SIZE;
const S2 = S1 + 256;
const S3 = S2 + 256;
const S4 = S3 + 256;
const STATE_SIZE = S4 + 256;

/** The state before a key is mixed in, computed at first use. */
let initialState: Int32Array | undefined;

/**
 * Blowfish with 16 rounds, a block cipher with 8-byte blocks.
 *
 * Source: B. Schneier, "Description of a New Variable-Length Key, 64-Bit Block Cipher (Blowfish)",
 * Fast Software Encryption 1993.
 */
export class Blowfish implements BlockCipher {
  /** Bytes in a block. */
  readonly blockSize = 8;
  /** The words of a block are big-endian. */
  readonly littleEndian = false;

  /** P, then the four S-boxes. */
  readonly #state: Int32Array;

  /**
   * Expands a key. This takes as long as encrypting 4 KiB, and a few ms more the first time.
   *
   * @param key 1 to 56 bytes.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array) {
    if (key.length < 1 || key.length > MAX_KEY_SIZE) {
      throw new RangeError(
        `Cannot key Blowfish with ${key.length} bytes: allowed are 1 to ${MAX_KEY_SIZE}`,
      );
    }
    initialState ??= piWords(STATE_SIZE);
    const state = this.#state = initialState.slice();

    // The key is read as words and XORed into P. It repeats until P is full.
    for (let i = 0, at = 0; i < P_SIZE; i++) {
      let word = 0;
      for (let n = 0; n < 4; n++) {
        word = word << 8 | key[at];
        at = (at + 1) % key.length;
      }
      state[P + i] ^= word;
    }

    // Each pair of words of the state is replaced by the next ciphertext, which the current state
    // computes from the ciphertext before it. The first plaintext is zero.
    const block = new Int32Array(2);
    for (let i = 0; i < STATE_SIZE; i += 2) {
      this.encrypt(block);
      state[i] = block[0];
      state[i + 1] = block[1];
    }
  }

  /**
   * Encrypts one block in place.
   *
   * @param block The two words of the block, big-endian.
   */
  encrypt(block: Int32Array): void {
    const state = this.#state;
    let left = block[0] ^ state[P];
    let right = block[1];
    // The loop does two rounds at a time, so the halves need no swap.
    for (let i = P + 1; i < P + 17; i += 2) {
      right ^= state[i] ^
        ((state[S1 + (left >>> 24)] + state[S2 + (left >>> 16 & 255)] ^
          state[S3 + (left >>> 8 & 255)]) + state[S4 + (left & 255)]);
      left ^= state[i + 1] ^
        ((state[S1 + (right >>> 24)] + state[S2 + (right >>> 16 & 255)] ^
          state[S3 + (right >>> 8 & 255)]) + state[S4 + (right & 255)]);
    }
    block[0] = right ^ state[P + 17];
    block[1] = left;
  }
}

/**
 * Creates a cipher that encrypts packets with Blowfish in CFB mode, and adds a checksum: `blowfish`
 * of `createCipher`.
 *
 * @param key The key, 1 to 56 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function blowfishCfb(key: Uint8Array): PacketCipher {
  return new CfbCipher("blowfish", new Blowfish(checkedKey("blowfish", key, { from: 1, to: 56 })));
}
