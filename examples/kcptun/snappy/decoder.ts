import { STREAM_IDENTIFIER } from "./encoder.ts";
import { CHECKSUM, decodeChunk, HEADER, MAX_BLOCK, MAX_BODY } from "./kernel.ts";

/** The bytes are no stream in the Snappy framing format. Nothing more can be decoded. */
export class SnappyError extends Error {
  override readonly name = "SnappyError";
}

/** Types of chunks. Source: the framing format, section 4. */
const COMPRESSED = 0x00;
const UNCOMPRESSED = 0x01;
const FIRST_SKIPPABLE = 0x80;
const IDENTIFIER = 0xff;

/** Bytes of the body of a chunk that a new decoder has room for. */
const FIRST_ROOM = 1024;

/**
 * Reads a stream in the Snappy framing format. It holds at most one chunk and one block, whatever
 * the peer sends: at most 142,030 bytes, and less while the chunks are shorter.
 *
 * @example
 * ```ts
 * import { SnappyDecoder } from "./decoder.ts";
 *
 * // Everything that is in a whole stream.
 * function decodeAll(stream: Uint8Array, use: (bytes: Uint8Array) => void): void {
 *   const decoder = new SnappyDecoder();
 *   const buffer = new Uint8Array(4096);
 *   for (let at = 0; at < stream.length;) {
 *     at += decoder.write(stream.subarray(at));
 *     while (decoder.readable) use(buffer.subarray(0, decoder.read(buffer)));
 *   }
 * }
 * ```
 */
export class SnappyDecoder {
  readonly #header = new Uint8Array(HEADER);
  /** How many bytes of the header have arrived. */
  #headed = 0;
  /** Type of the current chunk. */
  #type = 0;
  /** Bytes of the body that are still missing. */
  #missing = 0;
  #body = new Uint8Array(FIRST_ROOM);
  /** Bytes of the body that have arrived. */
  #arrived = 0;
  /** Whether a chunk with a block is complete. */
  #ready = false;
  /** A block of which a part has been read. */
  #block = new Uint8Array(0);
  #blockAt = 0;
  #blockEnd = 0;
  #begun = false;
  #error: SnappyError | null = null;

  /** Whether {@linkcode SnappyDecoder.read} has bytes to give. */
  get readable(): boolean {
    return this.#ready || this.#blockAt < this.#blockEnd;
  }

  /** Whether the stream may end here: no chunk has begun that is not complete. */
  get complete(): boolean {
    return this.#headed === 0 && !this.#error;
  }

  /**
   * Takes bytes of the stream, in pieces of any length.
   *
   * @returns How many of them it took. It takes no more while there is a block to read.
   * @throws {SnappyError} When they are no such stream. Every later call throws it again.
   */
  write(bytes: Uint8Array): number {
    if (this.#error) throw this.#error;
    let at = 0;
    while (at < bytes.length && !this.readable) {
      if (this.#headed < HEADER) {
        const count = Math.min(HEADER - this.#headed, bytes.length - at);
        this.#header.set(bytes.subarray(at, at + count), this.#headed);
        this.#headed += count;
        at += count;
        if (this.#headed < HEADER) break;
        this.#begin();
      }
      const count = Math.min(this.#missing, bytes.length - at);
      if (count > 0 && this.#keeps) {
        this.#body.set(bytes.subarray(at, at + count), this.#arrived);
        this.#arrived += count;
      }
      at += count;
      this.#missing -= count;
      if (this.#missing === 0) this.#end();
    }
    return at;
  }

  /**
   * Gives decoded bytes.
   *
   * @param into Takes them.
   * @returns How many there were; 0 when {@linkcode SnappyDecoder.write} must be called first.
   * @throws {SnappyError} When a block is damaged. Every later call throws it again.
   */
  read(into: Uint8Array): number {
    if (this.#error) throw this.#error;
    if (this.#ready) {
      const block = this.#decode();
      if (block.length <= into.length) {
        into.set(block);
        // An empty block is allowed, but it is not the end of anything.
        if (block.length > 0) return block.length;
      } else {
        if (this.#block.length < block.length) this.#block = new Uint8Array(roomFor(block.length));
        this.#block.set(block);
        this.#blockAt = 0;
        this.#blockEnd = block.length;
      }
    }
    const count = Math.min(into.length, this.#blockEnd - this.#blockAt);
    into.set(this.#block.subarray(this.#blockAt, this.#blockAt + count));
    this.#blockAt += count;
    return count;
  }

  /** Whether the body of the current chunk is needed. */
  get #keeps(): boolean {
    return this.#type < FIRST_SKIPPABLE || this.#type === IDENTIFIER;
  }

  #fail(message: string): SnappyError {
    return this.#error = new SnappyError(`Cannot decompress: ${message}`);
  }

  /** Begins a chunk whose header is complete. */
  #begin(): void {
    const [type, low, middle, high] = this.#header;
    const length = low | middle << 8 | high << 16;
    this.#type = type;
    this.#missing = length;
    this.#arrived = 0;
    if (!this.#begun && type !== IDENTIFIER) {
      throw this.#fail(
        `the stream begins with a chunk of type ${type}, not with its identifier. ` +
          "One end compresses and the other does not (--nocomp), or the keys differ",
      );
    }
    if (type === IDENTIFIER) {
      if (length !== STREAM_IDENTIFIER.length - HEADER) {
        throw this.#fail(`a stream identifier has ${length} bytes`);
      }
    } else if (type === COMPRESSED || type === UNCOMPRESSED) {
      const most = type === COMPRESSED ? MAX_BODY : CHECKSUM + MAX_BLOCK;
      if (length < CHECKSUM || length > most) {
        throw this.#fail(
          `a chunk of type ${type} has ${length} bytes: allowed are ${CHECKSUM} to ${most}`,
        );
      }
    } else if (type < FIRST_SKIPPABLE) {
      throw this.#fail(`a chunk has the reserved type ${type}`);
    }
    if (this.#keeps && length > this.#body.length) this.#body = new Uint8Array(roomFor(length));
  }

  /** Ends a chunk whose body is complete. */
  #end(): void {
    if (this.#type === IDENTIFIER) {
      for (let i = 0; i < this.#arrived; i++) {
        if (this.#body[i] !== STREAM_IDENTIFIER[HEADER + i]) {
          throw this.#fail("a stream identifier is not that of Snappy");
        }
      }
      this.#begun = true;
    }
    this.#headed = 0;
    this.#ready = this.#type === COMPRESSED || this.#type === UNCOMPRESSED;
  }

  /** The block of the chunk that is complete. */
  #decode(): Uint8Array {
    this.#ready = false;
    const body = this.#body.subarray(0, this.#arrived);
    const block = decodeChunk(body, this.#type === COMPRESSED);
    if (block === "corrupt") throw this.#fail("a block is not valid");
    if (block === "checksum") throw this.#fail("the checksum of a block is wrong");
    return block;
  }
}

/** A power of two that holds `length` bytes, so that a buffer does not grow often. */
function roomFor(length: number): number {
  return Math.min(2 ** Math.ceil(Math.log2(length)), MAX_BODY);
}
