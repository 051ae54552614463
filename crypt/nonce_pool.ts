import type { Entropy } from "./packet_cipher.ts";

/** Most bytes that an entropy source fills in one call: the limit of `getRandomValues`. */
const MAX_SIZE = 65_536;

/**
 * Random bytes for nonces, drawn many at a time: one call per packet costs more than the bytes are worth.
 *
 * Each byte is handed out once.
 */
export class NoncePool {
  readonly #entropy: Entropy;
  readonly #size: number;
  /** Made at first use: an end that only receives needs none. */
  #pool: Uint8Array<ArrayBuffer> | null = null;
  /** How many bytes of the pool were handed out. */
  #used: number;

  /**
   * @param entropy Fills bytes with randomness that nobody can foresee.
   * @param size Bytes drawn at a time, 1 to 65536.
   * @throws {RangeError} If the size is out of its range.
   */
  constructor(entropy: Entropy, size = 2048) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE) {
      throw new RangeError(
        `Cannot make a nonce pool of ${size} bytes: allowed are whole numbers 1 to ${MAX_SIZE}`,
      );
    }
    this.#entropy = entropy;
    this.#size = this.#used = size;
  }

  /**
   * Writes random bytes.
   *
   * @param target Where they are written to.
   * @param at Offset of the first one.
   * @param count How many; any number, though more than the pool holds take several draws.
   */
  fill(target: Uint8Array, at: number, count: number): void {
    const pool = this.#pool ??= new Uint8Array(this.#size);
    let used = this.#used;
    for (let i = at; i < at + count; i++) {
      if (used === pool.length) {
        // Used up until the draw is over: if it throws, no byte is handed out a second time.
        this.#used = used;
        this.#entropy(pool);
        used = 0;
      }
      target[i] = pool[used++];
    }
    this.#used = used;
  }
}
