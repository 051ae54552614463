/**
 * A pair of streams of bytes, such as a `WebSocketStream`, a pipe of a process, or a TCP
 * connection.
 */
export interface ByteStreams {
  /** The bytes that arrive. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Takes the bytes to send. */
  readonly writable: WritableStream<Uint8Array>;
}

/** A connection with the methods of `Deno.Conn`. */
export interface ByteConn {
  /** Reads into a buffer. Gives the number of bytes, or null at the end. */
  read(p: Uint8Array): Promise<number | null>;
  /** Writes bytes. Gives the number of bytes that were taken. */
  write(p: Uint8Array): Promise<number>;
  /** Ends the direction of this side. */
  closeWrite?(): Promise<void>;
  /** Closes the connection. */
  close(): void;
  /** Keeps the process alive. */
  ref?(): void;
  /** Lets the process end. */
  unref?(): void;
  /** The address of this side. */
  readonly localAddr?: unknown;
  /** The address of the peer. */
  readonly remoteAddr?: unknown;
}

/** A connection below a mux that waits for reads and writes. */
export interface ByteChannel {
  /** The next bytes, which are valid until the next call; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Memory for bytes to write. */
  buffer(size: number): Uint8Array;
  /** Writes all bytes, which lie in memory that {@linkcode ByteChannel.buffer} gave. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the direction of this side. */
  end(): Promise<void>;
  /** Ends the connection. */
  close(reason?: unknown): void;
}

/** Bytes that are read at a time. */
const CHUNK = 65_536;

/** Reads and writes a connection like `Deno.Conn`. */
export class ConnChannel implements ByteChannel {
  readonly #conn: ByteConn;
  #input: Uint8Array | null = null;
  #output = new Uint8Array();
  #closed = false;

  constructor(conn: ByteConn) {
    this.#conn = conn;
  }

  async read(): Promise<Uint8Array | null> {
    const buffer = this.#input ??= new Uint8Array(CHUNK);
    const count = await this.#conn.read(buffer);
    return count === null ? null : buffer.subarray(0, count);
  }

  buffer(size: number): Uint8Array {
    if (this.#output.length < size) this.#output = new Uint8Array(size);
    return this.#output.subarray(0, size);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#conn.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }

  async end(): Promise<void> {
    await this.#conn.closeWrite?.();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#conn.close();
    } catch {
      // The application has closed it.
    }
  }
}

/** Reads and writes a pair of Web Streams. */
export class StreamsChannel implements ByteChannel {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #ended = false;

  /** @throws {TypeError} If one of the streams is locked. */
  constructor({ readable, writable }: ByteStreams) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    // Writes tell it, too.
    this.#writer.closed.catch(() => {});
    this.#reader.closed.catch(() => {});
  }

  async read(): Promise<Uint8Array | null> {
    try {
      const { value, done } = await this.#reader.read();
      return done ? null : value;
    } catch (error) {
      // The streams of a TCP connection of Deno end together.
      if (this.#ended) return null;
      throw error;
    }
  }

  buffer(size: number): Uint8Array {
    // A stream keeps what it is given.
    return new Uint8Array(size);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#writer.close();
  }

  close(reason?: unknown): void {
    this.#reader.cancel(reason).catch(() => {});
    if (!this.#ended) this.#writer.abort(reason).catch(() => {});
  }
}
