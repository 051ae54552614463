/**
 * Messages on a stream of bytes. A message is its length as 4 bytes, little-endian, one byte for its
 * kind, and a value as JSON. The length counts the kind and the value.
 *
 * @module
 */

/** The two halves of a stream, as a mux, QUIC and WebTransport have them. */
export interface StreamPair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** A connection with many streams: a mux, a `Deno.QuicConn` or a `WebTransport`. */
export interface StreamConnection {
  createBidirectionalStream(): Promise<StreamPair>;
  readonly incomingBidirectionalStreams: ReadableStream<StreamPair>;
}

/** What a message means. */
export const Kind = {
  /** The first message of a caller: {@linkcode Call}. */
  call: 0,
  /** One element of a stream of values. */
  item: 1,
  /** The last message of a half. That of the answer has the result, if it is not a stream. */
  end: 2,
  /** Why there is no answer: {@linkcode Failure}. */
  failure: 3,
} as const;

/** The first message of a caller. */
export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
  /** The index of the argument that is a stream of values: its elements follow. */
  readonly stream?: number;
  /** ms until the caller gives up. */
  readonly timeout?: number;
}

/** Why there is no answer. */
export interface Failure {
  readonly code: RpcErrorCode;
  readonly message: string;
}

/** A message. */
export interface Message {
  readonly kind: number;
  readonly value: unknown;
}

/**
 * What went wrong:
 *
 * - `failed`: the method has thrown.
 * - `unknown-method`: the server has no such method.
 * - `deadline-exceeded`: the answer did not come in time.
 * - `cancelled`: the caller has given up.
 * - `busy`: the server runs as many calls as it may.
 * - `bad-message`: the other end does not speak this protocol, or a message is too long.
 * - `disconnected`: the connection has ended before the answer.
 */
export type RpcErrorCode =
  | "failed"
  | "unknown-method"
  | "deadline-exceeded"
  | "cancelled"
  | "busy"
  | "bad-message"
  | "disconnected";

/** An error of a call. */
export class RpcError extends Error {
  readonly code: RpcErrorCode;
  override name = "RpcError";

  constructor(code: RpcErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The longest message in bytes. Longer values belong into a stream of values. */
export const MAX_MESSAGE = 1 << 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** Bytes before the value: the length and the kind. */
const HEADER = 5;

/** Encodes a message. `undefined` is sent as no value. */
export function encode(kind: number, value?: unknown): Uint8Array<ArrayBuffer> {
  const text = value === undefined ? "" : encoder.encode(JSON.stringify(value));
  const length = 1 + text.length;
  if (length > MAX_MESSAGE) {
    throw new RpcError("bad-message", `a message of ${length} bytes: at most ${MAX_MESSAGE}`);
  }
  const bytes = new Uint8Array(HEADER + text.length);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes[4] = kind;
  if (text !== "") bytes.set(text, HEADER);
  return bytes;
}

/** Reads messages. */
export class MessageReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Bytes that have come and are not read, and how many they are. */
  readonly #chunks: Uint8Array[] = [];
  #held = 0;

  constructor(readable: ReadableStream<Uint8Array>) {
    this.#reader = readable.getReader();
  }

  /** The next message. `null` at the end of the stream. */
  async read(): Promise<Message | null> {
    const header = await this.#take(HEADER);
    if (!header) return null;
    const length = new DataView(header.buffer, header.byteOffset).getUint32(0, true);
    if (length < 1 || length > MAX_MESSAGE) {
      throw new RpcError("bad-message", `a message of ${length} bytes: 1 to ${MAX_MESSAGE}`);
    }
    const kind = header[4];
    const text = await this.#take(length - 1);
    if (!text) throw new RpcError("bad-message", "the stream ends within a message");
    if (text.length === 0) return { kind, value: undefined };
    try {
      return { kind, value: JSON.parse(decoder.decode(text)) };
    } catch (cause) {
      throw new RpcError("bad-message", "a message is not JSON", { cause });
    }
  }

  /** Tells the other end that nobody reads any more. */
  async cancel(reason?: unknown): Promise<void> {
    await this.#reader.cancel(reason);
  }

  /** Takes exactly `count` bytes. `null` if the stream ends before the first one. */
  async #take(count: number): Promise<Uint8Array | null> {
    while (this.#held < count) {
      const { value, done } = await this.#reader.read();
      if (done) {
        if (this.#held === 0) return null;
        throw new RpcError("bad-message", "the stream ends within a message");
      }
      this.#chunks.push(value);
      this.#held += value.length;
    }
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      const part = this.#chunks[0].subarray(0, count - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length === this.#chunks[0].length) this.#chunks.shift();
      else this.#chunks[0] = this.#chunks[0].subarray(part.length);
    }
    this.#held -= count;
    return bytes;
  }
}

/** Whether a value is a stream of values. */
export function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
