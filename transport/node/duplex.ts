/**
 * Streams of Node.js over connections.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { addAbortSignal, Duplex, type DuplexOptions } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";
import { isIpv6 } from "../session/address.ts";
import { lengthOf, upTo, without } from "./pieces.ts";
import type { StreamConnection } from "./stream_connection.ts";

/** Options of {@linkcode toDuplex}: some of those that `node:stream` has for a `Duplex`. */
export interface ToDuplexOptions extends
  Pick<
    DuplexOptions,
    | "allowHalfOpen"
    | "highWaterMark"
    | "readableHighWaterMark"
    | "writableHighWaterMark"
    | "signal"
  > {
  /**
   * Whether this side may still write when the peer has ended its stream. With false, the stream ends
   * itself then, as a `net.Socket` does: an `http.Agent` needs that, so that it does not send a request
   * over a connection that the server has ended. Default: true.
   */
  allowHalfOpen?: boolean;
  /** Bytes that may wait in each direction, unless one is set alone. Default: 65536. */
  highWaterMark?: number;
  /** Bytes that may wait to be read. Beyond that, they stay in the connection. Default: 65536. */
  readableHighWaterMark?: number;
  /** Bytes of writes that may wait, before `write` returns false. Default: 65536. */
  writableHighWaterMark?: number;
  /** Destroys the stream when the signal is aborted: the connection is aborted. Default: no signal. */
  signal?: AbortSignal;
}

/** Bytes of the largest chunk. */
const MAX_CHUNK = 65_536;
/** Bytes that are written between two looks at the idle time. */
const MAX_WRITE = 262_144;
const NOTHING = new Uint8Array(0);
/** Default of the high-water marks in bytes. */
const HIGH_WATER_MARK = 65_536;
/** Interval (ms) of the probes of `setKeepAlive(true)` for a connection that sends none. */
const KEEP_ALIVE = 15_000;

/**
 * A `Duplex` of `node:stream` over a connection: see {@linkcode toDuplex}. It has the members of
 * `net.Socket` that `node:http` and `node:tls` use.
 *
 * @example
 * ```ts
 * import { connect, type ConnectionDuplex, toDuplex } from "@lowlatency/kcp/node";
 *
 * const stream: ConnectionDuplex = toDuplex(await connect({ port: 4000 }));
 * stream.on("data", (chunk) => console.log(chunk.toString()));
 * stream.end("hello");
 * ```
 */
export class ConnectionDuplex<T extends StreamConnection = StreamConnection> extends Duplex {
  /**
   * The connection below: for its statistics, its options, its datagrams. Its stream belongs to the
   * `Duplex`: do not read from it or write to it.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.write("hello");
   * console.log(stream.connection.rtt);
   * ```
   */
  readonly connection: T;
  /**
   * Bytes that were read from the connection.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * console.log(stream.bytesRead); // 0
   * ```
   */
  bytesRead = 0;
  /**
   * Bytes that the connection has taken to send.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.write("hello", () => console.log(stream.bytesWritten)); // 5
   * ```
   */
  bytesWritten = 0;
  /**
   * The time of {@linkcode ConnectionDuplex.setTimeout} in ms; undefined before the first call.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 })).setTimeout(1000);
   * console.log(stream.timeout); // 1000
   * ```
   */
  timeout: number | undefined = undefined;
  /**
   * Always false: a connection of KCP takes writes at once.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).connecting); // false
   * ```
   */
  readonly connecting: boolean = false;
  /** Whether the stream has room for more chunks. */
  #wanted = false;
  #pulling = false;
  #inputEnded = false;
  /** Why the connection has failed; null if it has not. */
  #failure: Error | null = null;
  #idleTimer: ReturnType<typeof setTimeout> | null = null;

  /**
   * Makes a stream. Use {@linkcode toDuplex}.
   *
   * @param connection The connection.
   * @param options Options of the stream.
   */
  constructor(connection: T, options: ToDuplexOptions = {}) {
    const {
      allowHalfOpen = true,
      highWaterMark = HIGH_WATER_MARK,
      readableHighWaterMark = highWaterMark,
      writableHighWaterMark = highWaterMark,
      signal,
    } = options;
    super({ allowHalfOpen, readableHighWaterMark, writableHighWaterMark });
    this.connection = connection;
    connection.onReadable = () => this.#pull();
    connection.closed.then(() => this.#checkOpen(), (error) => this.#fail(error));
    if (signal) addAbortSignal(signal, this);
  }

  /**
   * The IP address of the peer.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).remoteAddress); // 127.0.0.1
   * ```
   */
  get remoteAddress(): string {
    return this.connection.remoteAddr.hostname;
  }

  /**
   * The port of the peer.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).remotePort); // 4000
   * ```
   */
  get remotePort(): number {
    return this.connection.remoteAddr.port;
  }

  /**
   * The family of the peer's address: `IPv4` or `IPv6`.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).remoteFamily); // IPv4
   * ```
   */
  get remoteFamily(): string {
    return familyOf(this.remoteAddress);
  }

  /**
   * The IP address of this side.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).localAddress); // 127.0.0.1
   * ```
   */
  get localAddress(): string {
    return this.connection.localAddr.hostname;
  }

  /**
   * The port of this side.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).localPort);
   * ```
   */
  get localPort(): number {
    return this.connection.localAddr.port;
  }

  /**
   * The family of the address of this side: `IPv4` or `IPv6`.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * console.log(toDuplex(await connect({ port: 4000 })).localFamily); // IPv4
   * ```
   */
  get localFamily(): string {
    return familyOf(this.localAddress);
  }

  /**
   * The address of this side, in the form of `net.Socket`.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const { address, port } = toDuplex(await connect({ port: 4000 })).address();
   * console.log(`${address} port ${port}`);
   * ```
   */
  address(): { address: string; family: string; port: number } {
    return { address: this.localAddress, family: this.localFamily, port: this.localPort };
  }

  /**
   * Emits `timeout` when nothing was read or written for a time. The stream goes on: destroy it, if
   * the connection shall end. The timer does not keep the process alive.
   *
   * @param ms The time in ms. 0 switches it off.
   * @param listener Is called at the next `timeout`.
   * @throws {RangeError} When the time is negative or no number.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.setTimeout(10_000, () => stream.destroy(new Error("The peer is too slow")));
   * ```
   */
  setTimeout(ms: number, listener?: () => void): this {
    if (!(ms >= 0)) {
      throw new RangeError(`Cannot set a timeout of ${ms} ms: allowed are 0 to Infinity`);
    }
    this.timeout = ms;
    this.#stopTimer();
    if (listener) {
      if (ms === 0) this.off("timeout", listener);
      else this.once("timeout", listener);
    }
    if (ms > 0 && ms < Infinity && !this.destroyed) {
      // Longer times would overflow, and fire at once.
      this.#idleTimer = setTimeout(() => this.emit("timeout"), Math.min(ms, 2 ** 31 - 1));
      this.#idleTimer.unref();
    }
    return this;
  }

  /**
   * Sends small writes at once, which is the initial state, or lets them wait for up to the `interval`
   * of the connection, so that they share packets: its option `writeDelay`. A stream of a mux has no
   * such option.
   *
   * @param noDelay Whether writes are sent at once. Default: true.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * toDuplex(await connect({ port: 4000 })).setNoDelay(false); // fewer and larger packets
   * ```
   */
  setNoDelay(noDelay = true): this {
    if (!this.destroyed) this.connection.configure?.({ writeDelay: !noDelay });
    return this;
  }

  /**
   * Probes a silent peer, or does not: the option `keepAlive` of the connection. `connect` has it on
   * by default, with 15 s. A stream of a mux has no such option: the mux probes for all its streams.
   *
   * @param enable Whether the peer is probed. Default: false.
   * @param initialDelay The time (ms) without a packet after which it is probed. 0 leaves it as it
   * is: 15 s, unless the connection has another. Default: 0.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * toDuplex(await connect({ port: 4000 })).setKeepAlive(true, 5000);
   * ```
   */
  setKeepAlive(enable = false, initialDelay = 0): this {
    const { connection } = this;
    const present = connection.options?.keepAlive ?? Infinity;
    const keepAlive = initialDelay || (present < Infinity ? present : KEEP_ALIVE);
    if (!this.destroyed) connection.configure?.({ keepAlive: enable ? keepAlive : Infinity });
    return this;
  }

  /**
   * Keeps the process alive while the connection is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 })).unref();
   * stream.ref(); // the process waits again
   * ```
   */
  ref(): this {
    this.connection.ref();
    return this;
  }

  /**
   * Lets the process end while the connection is open. All connections of one listener share one
   * socket, so this changes all of them.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.unref(); // the process may end while the connection is idle
   * ```
   */
  unref(): this {
    this.connection.unref();
    return this;
  }

  /**
   * Ends the stream to the peer, and destroys the stream when everything was written.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.write("bye");
   * stream.destroySoon();
   * ```
   */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  /**
   * Destroys the stream, and ends the connection at once: the peer gets a reset.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.write("this may not arrive");
   * stream.resetAndDestroy();
   * ```
   */
  resetAndDestroy(): this {
    if (!this.destroyed) this.connection.abort();
    return this.destroy();
  }

  /**
   * Takes a chunk: see `Readable.read`.
   *
   * @param size Bytes to take. Default: all that are there.
   *
   * @example
   * ```ts
   * import { connect, toDuplex } from "@lowlatency/kcp/node";
   *
   * const stream = toDuplex(await connect({ port: 4000 }));
   * stream.write("hello");
   * stream.on("readable", () => {
   *   for (let chunk; (chunk = stream.read()) !== null;) console.log(chunk);
   * });
   * ```
   */
  // deno-lint-ignore no-explicit-any -- the type of the base class
  override read(size?: number): any {
    const chunk = super.read(size);
    if (this.#failure && this.readableLength === 0) this.destroy(this.#failure);
    return chunk;
  }

  /**
   * Is called by `node:stream` when it wants to read.
   *
   * @ignore
   */
  override _read(): void {
    this.#wanted = true;
    this.#pull();
  }

  /**
   * Is called by `node:stream` with a chunk to write.
   *
   * @ignore
   */
  override _write(chunk: Uint8Array, _encoding: string, callback: Callback): void {
    this.#write([chunk], callback);
  }

  /**
   * Is called by `node:stream` with several chunks to write.
   *
   * @ignore
   */
  override _writev(chunks: { chunk: Uint8Array }[], callback: Callback): void {
    this.#write(chunks.map(({ chunk }) => chunk), callback);
  }

  /**
   * Is called by `node:stream` when everything was written.
   *
   * @ignore
   */
  override _final(callback: Callback): void {
    this.connection.closeWrite().then(
      () => callback(),
      (error) => this.#failWrite(error, callback),
    );
  }

  /**
   * Is called by `node:stream` when the stream ends.
   *
   * @ignore
   */
  override _destroy(error: Error | null, callback: Callback): void {
    this.#stopTimer();
    const { connection } = this;
    connection.onReadable = null;
    // A connection that has failed by itself is not aborted: the peer would get a wrong reason.
    if (error && error !== this.#failure) {
      connection.abort(error instanceof Error ? error : String(error));
    } else connection.close();
    // After `close`, nothing is left of the connection, also if it could not deliver everything.
    const done = () => callback(error);
    connection.closed.then(done, done);
  }

  /**
   * Moves bytes from the connection into the stream, as long as it has room.
   *
   * @param all Whether to move all bytes, also if there is no room.
   */
  #pull(all = false): void {
    // A listener of `data` may lead to this call. Its bytes are taken by the outer one.
    if (this.#pulling) return;
    this.#pulling = true;
    try {
      while ((this.#wanted || all) && !this.#inputEnded && !this.destroyed && this.#take());
    } finally {
      this.#pulling = false;
    }
  }

  /** Moves one chunk. False if nothing more can be moved now. */
  #take(): boolean {
    room ??= Buffer.allocUnsafeSlow(MAX_CHUNK);
    let count: number | null;
    try {
      count = this.connection.tryRead(room);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    if (count === 0) return false;
    if (count === null) {
      this.#inputEnded = true;
      this.push(null);
      return false;
    }
    this.bytesRead += count;
    this.#idleTimer?.refresh();
    this.#wanted = this.push(chunkOf(room, count));
    return true;
  }

  /** Writes all pieces. What the connection takes at once costs no promise. */
  #write(pieces: Uint8Array[], callback: Callback): void {
    let rest: Uint8Array[];
    try {
      const taken = this.connection.tryWritev?.(pieces) ?? 0;
      if (taken > 0) this.#wrote(taken);
      rest = without(pieces, taken);
    } catch (error) {
      this.#failWrite(error, callback);
      return;
    }
    if (rest.length === 0) callback();
    else this.#writeRest(rest).then(() => callback(), (error) => this.#failWrite(error, callback));
  }

  /** Writes pieces that must wait, a part after the other: each part shows that the peer reads. */
  async #writeRest(pieces: Uint8Array[]): Promise<void> {
    while (pieces.length > 0) {
      const part = upTo(pieces, MAX_WRITE);
      await this.connection.writev(part);
      const count = lengthOf(part);
      this.#wrote(count);
      pieces = without(pieces, count);
    }
  }

  #wrote(count: number): void {
    this.bytesWritten += count;
    this.#idleTimer?.refresh();
  }

  /** The connection has ended well. If the application has closed it, nothing can be read any more. */
  #checkOpen(): void {
    this.#pull();
    try {
      if (!this.destroyed && !this.#inputEnded) this.connection.tryRead(NOTHING);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the stream with an error of the connection, when everything that has arrived was read. */
  #fail(error: unknown): void {
    if (this.#failure || this.destroyed) return;
    this.#failure = error as Error;
    this.#pull(true);
    // Nobody has asked for what has arrived, or nothing has.
    if (this.readableFlowing === null || this.readableLength === 0) this.destroy(this.#failure);
  }

  /** Tells a write its error, which ends the stream. A reader that is at work gets its bytes before. */
  #failWrite(error: unknown, callback: Callback): void {
    this.#fail(error);
    callback(this.#failure ?? error as Error);
  }

  #stopTimer(): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }
}

/** Where all streams read into; null if it was given away. */
let room: Buffer | null = null;

/**
 * The first bytes of the room. If they fill most of it, they are not copied: the room is given away.
 * So a chunk keeps little more memory than it has bytes, and an idle stream keeps none.
 */
function chunkOf(full: Buffer, count: number): Buffer {
  if (count < MAX_CHUNK / 2) return Buffer.from(full.subarray(0, count));
  room = null;
  return full.subarray(0, count);
}

/** Is called with the error of an operation, or without one when it is done. */
type Callback = (error?: Error | null) => void;

/**
 * Makes a `Duplex` of `node:stream` over a connection, or over a stream of a mux: for `pipeline`, for
 * `node:http` and `node:tls`, and for all that takes a stream or a socket.
 *
 * - `end()` ends the stream to the peer (half-close), and this side can still read. The end of the
 *   peer's stream is the event `end`.
 * - Bytes stay in the connection until the stream has room, and the peer's writes wait when its window
 *   is full. `write` returns false while the connection takes no more.
 * - `destroy(error)` aborts the connection: the peer gets the message. `destroy()` closes it: what the
 *   connection has taken is still delivered.
 * - An error of the connection is emitted as `error`, behind the bytes that arrived before it, if they
 *   are read.
 * - `close` is emitted when the connection has ended: everything is delivered then, or the time of the
 *   `linger` option has passed. `connection.closed` tells which.
 *
 * @param connection The connection. From now on, its stream belongs to the `Duplex`.
 * @param options Options of the stream.
 *
 * @example A server that sends back what it gets, in capitals
 * ```ts
 * import { Transform } from "node:stream";
 * import { pipeline } from "node:stream/promises";
 * import { listen, toDuplex } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", port: 4000 });
 * for await (const conn of listener) {
 *   const stream = toDuplex(conn);
 *   const capitals = new Transform({
 *     transform: (chunk, _encoding, done) => done(null, chunk.toString().toUpperCase()),
 *   });
 *   pipeline(stream, capitals, stream).catch((error) => console.error(error.message));
 * }
 * ```
 */
export function toDuplex<T extends StreamConnection>(
  connection: T,
  options: ToDuplexOptions = {},
): ConnectionDuplex<T> {
  return new ConnectionDuplex(connection, options);
}

function familyOf(address: string): string {
  return isIpv6(address) ? "IPv6" : "IPv4";
}
