/**
 * A digest of what happened, to tell whether two runs are the same: two FNV-1a hashes of 32 bits with
 * different bases (Fowler, Noll, Vo; RFC 9923). It is no defence against anybody who wants a collision.
 */
export class TraceHash {
  #a = 0x811c9dc5 | 0;
  #b = 0x2f0b4c47 | 0;
  readonly #float = new Float64Array(1);
  readonly #floatBytes = new Uint8Array(this.#float.buffer);

  /** Takes bytes. */
  bytes(bytes: Uint8Array): this {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < bytes.length; i++) {
      a = Math.imul(a ^ bytes[i], 0x01000193);
      b = Math.imul(b ^ bytes[i], 0x01000193);
    }
    this.#a = a;
    // FNV-1a of the same bytes from two bases alone would differ by a function of the length only.
    this.#b = b ^ (a >>> 15);
    return this;
  }

  /** Takes a number, to the last bit. */
  number(value: number): this {
    this.#float[0] = value;
    return this.bytes(this.#floatBytes);
  }

  /** Takes a string, with its length. */
  text(text: string): this {
    for (let i = 0; i < text.length; i++) {
      this.#a = Math.imul(this.#a ^ text.charCodeAt(i), 0x01000193);
      this.#b = Math.imul(this.#b ^ text.charCodeAt(i), 0x01000193) ^ (this.#a >>> 15);
    }
    return this.number(text.length);
  }

  /** The digest so far, 16 hexadecimal digits. */
  digest(): string {
    const hex = (half: number) => (half >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}
