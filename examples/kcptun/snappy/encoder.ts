import { CHECKSUM, encodeChunk, HEADER, MAX_BLOCK } from "./kernel.ts";

/** The chunk that begins a stream: its type, its length and `sNaPpY`. */
export const STREAM_IDENTIFIER: Uint8Array<ArrayBuffer> = Uint8Array.of(
  0xff,
  6,
  0,
  0,
  ...new TextEncoder().encode("sNaPpY"),
);

/**
 * Makes a stream in the Snappy framing format. Each call gives whole chunks, so that the reader can
 * decode at once what was written.
 *
 * @example
 * ```ts
 * import { SnappyEncoder } from "./encoder.ts";
 *
 * const data = new TextEncoder().encode("hello");
 * const encoder = new SnappyEncoder();
 * const output = new Uint8Array(SnappyEncoder.maxLength(data.length));
 * const stream = output.subarray(0, encoder.encode(data, output));
 * console.assert(stream.length === 10 + 8 + 5);
 * ```
 */
export class SnappyEncoder {
  #begun = false;

  /** Most bytes that {@linkcode SnappyEncoder.encode} gives for `length` bytes. */
  static maxLength(length: number): number {
    // A chunk is never longer than an uncompressed one.
    const chunks = Math.ceil(length / MAX_BLOCK);
    return STREAM_IDENTIFIER.length + chunks * (HEADER + CHECKSUM) + length;
  }

  /**
   * Encodes bytes. The first call begins the stream.
   *
   * @param input Any number of bytes. They are not kept.
   * @param output Takes the chunks. {@linkcode SnappyEncoder.maxLength} says how long it must be.
   * @returns How many bytes it took. None for an empty input.
   * @throws {RangeError} When `output` is too short.
   */
  encode(input: Uint8Array, output: Uint8Array): number {
    if (input.length === 0) return 0;
    let to = 0;
    if (!this.#begun) {
      output.set(STREAM_IDENTIFIER);
      to = STREAM_IDENTIFIER.length;
      this.#begun = true;
    }
    for (let from = 0; from < input.length; from += MAX_BLOCK) {
      const chunk = encodeChunk(input.subarray(from, from + MAX_BLOCK));
      output.set(chunk, to);
      to += chunk.length;
    }
    return to;
  }
}
