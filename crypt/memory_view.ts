/** A view of the memory that packets lie in, made anew only when that is another one than the last time. */
export class MemoryView {
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #view = new DataView(new ArrayBuffer(0));

  /** The view of all of `bytes`, with the same offsets. */
  of(bytes: Uint8Array<ArrayBuffer>): DataView {
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }
}
