/**
 * A small deterministic source of random numbers, for simulations and tests. It must not be used
 * for keys or nonces: the rest of the stream can be computed from a few outputs.
 *
 * @module
 */

/**
 * A seeded stream of pseudo-random numbers: sfc32, the 32-bit "Small Fast Counting" generator of
 * Chris Doty-Humphrey ({@link https://pracrand.sourceforge.net | PractRand}). Its period is at
 * least 2^32 draws, and about 2^127 on average. The same seed gives the same stream on every
 * machine and runtime.
 *
 * Fork one stream for each purpose. Then a change of how much one purpose draws does not change
 * what the others draw.
 */
export class Random {
  #seed: string;
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 0;

  /**
   * Starts the stream of a seed. MurmurHash3 hashes the text of the seed into the three words of
   * the generator's state.
   *
   * @param seed A finite number or any text. A number counts as its decimal text, so `1` and `"1"`
   * give the same stream. A seed from the command line needs no parsing.
   * @throws {TypeError} If the seed is neither a number nor a string.
   * @throws {RangeError} If the seed is NaN or infinite.
   */
  constructor(seed: number | string) {
    if (typeof seed !== "number" && typeof seed !== "string") {
      throw new TypeError(
        `Cannot use a seed of type ${typeof seed}: expected a number or a string`,
      );
    }
    if (typeof seed === "number" && !Number.isFinite(seed)) {
      throw new RangeError(`Cannot use ${seed} as a seed: expected a finite number or a string`);
    }
    this.#seed = String(seed);
    this.#start(murmur3(this.#seed, 0), murmur3(this.#seed, 1), murmur3(this.#seed, 2));
  }

  /**
   * Starts the stream of three 32-bit words, as PractRand's `sfc32::seed(s1, s2, s3)` does. The
   * outputs equal those that PractRand published. Each word is taken modulo 2^32.
   *
   * @param s1 The first word.
   * @param s2 The second word.
   * @param s3 The third word.
   * @returns The stream.
   */
  static fromWords(s1: number, s2: number, s3: number): Random {
    const random = new Random(`\0${s1 >>> 0},${s2 >>> 0},${s3 >>> 0}`);
    random.#start(s1, s2, s3);
    return random;
  }

  #start(a: number, b: number, c: number): void {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#counter = 1;
    // PractRand runs this many rounds after a seed of three words.
    for (let round = 0; round < 15; round++) this.uint32();
  }

  /**
   * Draws 32 bits.
   *
   * @returns An integer from 0 to 2^32 - 1.
   */
  uint32(): number {
    const a = this.#a, b = this.#b, c = this.#c;
    const drawn = (a + b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = b ^ (b >>> 9);
    this.#b = (c + (c << 3)) | 0;
    this.#c = (((c << 21) | (c >>> 11)) + drawn) | 0;
    return drawn >>> 0;
  }

  /**
   * Draws a fraction.
   *
   * @returns A multiple of 2^-32, at least 0 and less than 1.
   */
  next(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /**
   * Draws an integer without bias. It rejects outputs in the incomplete last run of `n` values, and
   * draws again. So the count of outputs that one call uses is not fixed.
   *
   * @param n The count of possible values: an integer from 1 to 2^32.
   * @returns An integer from 0 to `n` - 1.
   * @throws {RangeError} If `n` is not such an integer.
   */
  below(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000) {
      throw new RangeError(`Cannot draw below ${n}: expected an integer from 1 to 2^32`);
    }
    const limit = 0x1_0000_0000 - 0x1_0000_0000 % n;
    for (;;) {
      const drawn = this.uint32();
      if (drawn < limit) return drawn % n;
    }
  }

  /**
   * Draws whether something happens. Each call draws one number, also for `p` 0 and 1, so another
   * probability does not change later draws.
   *
   * @param p The probability of `true`, from 0 (never) to 1 (always).
   * @returns Whether it happens.
   * @throws {RangeError} If `p` is outside 0 to 1.
   */
  chance(p: number): boolean {
    if (!(p >= 0 && p <= 1)) {
      throw new RangeError(`Cannot draw with a probability of ${p}: the range is 0 to 1`);
    }
    return this.next() < p;
  }

  /**
   * Fills a buffer, with one draw for every 4 bytes, little-endian. The last draw may be used in
   * part.
   *
   * @param bytes The buffer to overwrite.
   * @returns The same buffer.
   */
  fill(bytes: Uint8Array): Uint8Array {
    let word = 0;
    for (let i = 0; i < bytes.length; i++) {
      word = (i & 3) === 0 ? this.uint32() : word >>> 8;
      bytes[i] = word;
    }
    return bytes;
  }

  /**
   * Makes an independent stream from the seed of this stream and a label. It does not depend on
   * what has been drawn here, or on which other streams exist. Hence a new link in a simulation
   * does not change what other links draw. The same label gives the same stream again.
   *
   * @param label A name for the purpose of the stream.
   * @returns The new stream.
   */
  fork(label: string): Random {
    return new Random(`${this.#seed}\0${label}`);
  }
}

/** MurmurHash3_x86_32 (Austin Appleby, 2011) of a text. Each UTF-16 code unit is one block. */
function murmur3(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    let block = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    block = Math.imul((block << 15) | (block >>> 17), 0x1b873593);
    hash ^= block;
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= text.length * 4;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
