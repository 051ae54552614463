/**
 * A DataView of the memory that holds packets. A new view is made only when the memory is another
 * one.
 */
export class MemoryView {
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #view = new DataView(new ArrayBuffer(0));

  /** The view of `bytes`. Both have the same offsets. */
  of(bytes: Uint8Array<ArrayBuffer>): DataView {
    if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }
}
