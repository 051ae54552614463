/**
 * Reads a stream of a mux by lines, and by bytes. send_file.ts and receive_file.ts use it.
 *
 * @module
 */
import type { MuxStream } from "@lowlatency/kcp/mux";

const decoder = new TextDecoder();
/** Bytes of a line at most, and of one read. */
const CAPACITY = 65_536;
const LINE_FEED = 10;

/** The bytes of a stream that nobody has taken yet. */
export class StreamInput {
  readonly #stream: MuxStream;
  readonly #buffer = new Uint8Array(CAPACITY);
  #start = 0;
  #end = 0;

  constructor(stream: MuxStream) {
    this.#stream = stream;
  }

  /** The next line, without its end. */
  async line(): Promise<string> {
    for (;;) {
      const held = this.#buffer.subarray(this.#start, this.#end);
      const length = held.indexOf(LINE_FEED);
      if (length >= 0) {
        this.#start += length + 1;
        return decoder.decode(held.subarray(0, length));
      }
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
      if (this.#end === CAPACITY) throw new Error("the other end sends something else than lines");
      await this.#read();
    }
  }

  /** At least one byte, at most `most`. They are valid until the next call. */
  async bytes(most: number): Promise<Uint8Array> {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      await this.#read();
    }
    const taken = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + most));
    this.#start += taken.length;
    return taken;
  }

  async #read(): Promise<void> {
    const count = await this.#stream.read(this.#buffer.subarray(this.#end));
    if (count === null) throw new Error("the other end has ended the stream too early");
    this.#end += count;
  }
}
