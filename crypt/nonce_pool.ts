import type { Entropy } from "./packet_cipher.ts";

/** Most bytes that an entropy source fills in one call: the limit of `getRandomValues`. */
const MAX_SIZE = 65_536;

/**
 * Random bytes for nonces. They are drawn many at a time, because one call of the entropy source
 * for each packet is slow.
 *
 * The pool never returns the same byte twice.
 */
export class NoncePool {
  readonly #entropy: Entropy;
  readonly #size: number;
  /** Made at first use, because an endpoint that only receives needs no pool. */
  #pool: Uint8Array<ArrayBuffer> | null = null;
  /** How many bytes of the pool are used up. */
  #used: number;

  /**
   * @param entropy Fills memory with unpredictable bytes.
   * @param size Bytes drawn at a time, 1 to 65536. Default: 2048.
   * @throws {RangeError} If the size is out of range.
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
   * @param target The memory to write to.
   * @param at Offset of the first byte.
   * @param count Number of bytes. It may be larger than the pool.
   */
  fill(target: Uint8Array, at: number, count: number): void {
    const pool = this.#pool ??= new Uint8Array(this.#size);
    let used = this.#used;
    for (let i = at; i < at + count; i++) {
      if (used === pool.length) {
        // If the entropy source throws, the pool must count as used up. Otherwise bytes repeat.
        this.#used = used;
        this.#entropy(pool);
        used = 0;
      }
      target[i] = pool[used++];
    }
    this.#used = used;
  }
}
