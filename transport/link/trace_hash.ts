/**
 * A digest of what happened in a run, to tell whether two runs are equal.
 *
 * @module
 */

/**
 * A digest of bytes, numbers and strings: two FNV-1a hashes of 32 bits with different bases
 * (Fowler, Noll, Vo; RFC 9923). It does not protect against deliberate collisions.
 */
export class TraceHash {
  #a = 0x811c9dc5 | 0;
  #b = 0x2f0b4c47 | 0;
  readonly #float = new Float64Array(1);
  readonly #floatBytes = new Uint8Array(this.#float.buffer);

  /** Adds bytes to the digest. */
  bytes(bytes: Uint8Array): this {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < bytes.length; i++) {
      a = Math.imul(a ^ bytes[i], 0x01000193);
      b = Math.imul(b ^ bytes[i], 0x01000193);
    }
    this.#a = a;
    // Without this, the two halves would differ only by a function of the length.
    this.#b = b ^ (a >>> 15);
    return this;
  }

  /** Adds a number to the digest, with all of its 64 bits. */
  number(value: number): this {
    this.#float[0] = value;
    return this.bytes(this.#floatBytes);
  }

  /** Adds a string and its length to the digest. */
  text(text: string): this {
    for (let i = 0; i < text.length; i++) {
      this.#a = Math.imul(this.#a ^ text.charCodeAt(i), 0x01000193);
      this.#b = Math.imul(this.#b ^ text.charCodeAt(i), 0x01000193) ^ (this.#a >>> 15);
    }
    return this.number(text.length);
  }

  /** The digest so far: 16 hexadecimal digits. */
  digest(): string {
    const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}
