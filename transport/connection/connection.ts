/**
 * Connections: the asynchronous interface of a session.
 *
 * @module
 */
import { checkBytes, type KcpLiveOptions, type ResolvedKcpOptions } from "../../kcp/options.ts";
import { ConnectionError } from "../session/errors.ts";
import { ABORTED, MAX_CODE } from "../session/reset.ts";
import type { Session, SessionStats } from "../session/session.ts";
import { deferred } from "./deferred.ts";
import { adapterOf, type Driver } from "./driver.ts";
import { type OperationOptions, OperationQueue } from "./operation_queue.ts";
import { type UdpAddress, udpAddress } from "./udp_address.ts";
import { readableStream, writableStream } from "./web_streams.ts";

/**
 * Makes a connection: the constructor is private, so that only this folder can.
 *
 * @param session The session of the connection.
 * @param driver The driver that runs the session's endpoint.
 * @param ownsSocket Whether the socket serves this connection only.
 */
export let newConnection: (session: Session, driver: Driver, ownsSocket: boolean) => Connection;

/**
 * Waits until the peer of a connection has answered: {@linkcode Connection.opened} with a time limit.
 * If it fails, the connection is aborted.
 */
export let waitUntilOpen: (connection: Connection, options: OperationOptions) => Promise<void>;

/**
 * A reliable, ordered connection over UDP. It has the methods of `Deno.Conn`.
 *
 * The bytes of all writes form a stream ({@linkcode Connection.read}, {@linkcode
 * Connection.readable}). To keep message boundaries, both ends use {@linkcode
 * Connection.sendMessage} and {@linkcode Connection.receiveMessage} instead.
 *
 * A write waits while the send queue is full. The queue fills when the peer's application does not
 * read. When the connection fails or is closed on this side, pending and later operations reject
 * with a {@linkcode ConnectionError}; its `kind` says why. Bytes that arrived before the failure
 * can still be read.
 *
 * `connect` and {@linkcode Listener.accept} make connections.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp";
 *
 * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
 * await conn.write(new TextEncoder().encode("hello"));
 * const buffer = new Uint8Array(1024);
 * const count = await conn.read(buffer, { timeout: 1000 });
 * ```
 */
export class Connection implements AsyncDisposable, Disposable {
  static {
    newConnection = (session, driver, ownsSocket) => new Connection(session, driver, ownsSocket);
    waitUntilOpen = async (connection, options) => {
      try {
        await connection.#open(options);
      } catch (error) {
        connection.abort();
        throw error;
      }
    };
  }

  /**
   * Settles when the connection has ended. Resolves if it was closed and everything was delivered.
   * Otherwise it rejects with the reason. After that, the socket of the side that called `connect`
   * may stay open for a second: the peer may have missed the last acknowledgments. It does not keep
   * the process alive.
   */
  readonly closed: Promise<void>;
  /** How long (ms) a read may wait, 0 to `Infinity`. Default: Infinity. */
  readTimeout: number = Infinity;
  /** How long (ms) a write may wait, 0 to `Infinity`. Default: Infinity. */
  writeTimeout: number = Infinity;
  /**
   * Called when the peer has moved to another address, with the address before. {@linkcode
   * Connection.remoteAddr} is the new one. It happens only with the listener's option `migrate`.
   */
  onMigrate: ((from: UdpAddress) => void) | null = null;
  readonly #session: Session;
  readonly #driver: Driver;
  readonly #reads: OperationQueue;
  readonly #writes: OperationQueue;
  readonly #drains: OperationQueue;
  readonly #datagrams: OperationQueue;
  readonly #opens: OperationQueue;
  #opened: Promise<void> | null = null;
  readonly #ended = deferred<void>();
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  readonly #ownsSocket: boolean;
  /** Whether `close` or `abort` was called. */
  #closedHere = false;

  private constructor(session: Session, driver: Driver, ownsSocket: boolean) {
    this.#session = session;
    this.#driver = driver;
    const after = (delay: number, run: () => void) => driver.after(delay, run);
    const diagnosis = () => session.diagnosis;
    this.#reads = new OperationQueue("read", after, diagnosis);
    this.#writes = new OperationQueue("write", after, diagnosis);
    this.#drains = new OperationQueue("drain", after, diagnosis);
    this.#datagrams = new OperationQueue("datagram read", after, diagnosis);
    this.#opens = new OperationQueue("connect", after, diagnosis);
    session.onChange = () => this.#progress();
    session.onMove = (from) => this.onMigrate?.(udpAddress(from));
    if (ownsSocket) driver.closeWhenIdle();
    this.#ownsSocket = ownsSocket;
    this.closed = this.#ended.promise;
    // An application that ignores `closed` must not fail with an unhandled rejection.
    this.closed.catch(() => {});
    this.#progress();
  }

  /**
   * Settles when the peer has answered. On the side that called `connect`, the first use asks the
   * peer, so that a listener accepts the connection before anything is written. Use it to learn
   * whether the listener is there, and for protocols in which the server speaks first.
   *
   * It rejects with a {@linkcode ConnectionError} when the connection ends before. The peer is given up
   * after `deadLinkTime`, or 30 s if that is less; `connect` takes a shorter `timeout`.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.opened;
   * const greeting = new Uint8Array(1024);
   * await conn.read(greeting);
   * ```
   */
  get opened(): Promise<void> {
    if (!this.#opened) {
      this.#opened = this.#open({ timeout: Infinity });
      // An application that looks at it only once must not fail with an unhandled rejection.
      this.#opened.catch(() => {});
    }
    return this.#opened;
  }

  #open(options: OperationOptions): Promise<void> {
    const session = this.#timely;
    session.ask();
    return this.#opens.run(() => {
      if (session.opened) return VOID;
      if (session.error) throw session.error;
      if (this.#closedHere) throw closedHereError();
      return undefined;
    }, { signal: options.signal, timeout: options.timeout ?? Infinity }).then(() => {});
  }

  /** The session, which knows the present time. */
  get #timely(): Session {
    this.#session.advance(this.#driver.now());
    return this.#session;
  }

  /** The conversation id, 0 to 4294967295. */
  get conv(): number {
    return this.#session.conv;
  }

  /** The address of the socket on this side. */
  get localAddr(): UdpAddress {
    return udpAddress(this.#driver.socket.address);
  }

  /**
   * The kind of socket that carries the packets: `deno`, `linux`, `node`, `simulated`, or `own` for a
   * socket of the application.
   */
  get adapter(): string {
    return adapterOf(this.#driver.socket);
  }

  /** The address of the peer. */
  get remoteAddr(): UdpAddress {
    return udpAddress(this.#session.peer);
  }

  /** Smoothed round-trip time in ms; -1 before the first sample. */
  get rtt(): number {
    return this.#session.kcp.srtt;
  }

  /** Counters and the current state of the connection: a snapshot. */
  get stats(): SessionStats {
    return this.#session.stats;
  }

  /** The options in force. */
  get options(): ResolvedKcpOptions {
    return this.#session.options;
  }

  /**
   * Changes options while the connection runs. Options that are not named keep their values.
   *
   * @param change For example `{ sndWnd: 4096 }`, or a mode such as `turbo`.
   * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
   */
  configure(change: KcpLiveOptions): void {
    this.#session.configure(change);
    this.#progress();
  }

  /**
   * Sends at once what waits for a retransmission timeout, and starts with the shortest timeout
   * again. Call it when you know that the network is back: after an outage, the next timeout may be
   * seconds away. kcp-go calls it `ResetRTO`.
   *
   * The connection does this without a call when it hears the peer again.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * globalThis.addEventListener("online", () => conn.resume());
   * await conn.write(new TextEncoder().encode("hello"));
   * ```
   */
  resume(): void {
    this.#session.resume();
  }

  /**
   * Reads bytes of the stream. Waits until at least one byte is there.
   *
   * @param p The buffer for the bytes.
   * @returns The number of bytes that were read, at least 1; null at the end of the peer's stream;
   * 0 only if `p` is empty.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   */
  read(p: Uint8Array, options: OperationOptions = {}): Promise<number | null> {
    const session = this.#session;
    return this.#operate(this.#reads, options, this.readTimeout, () => {
      checkBytes(p);
      if (p.length === 0) return 0;
      const count = session.read(p);
      if (count > 0) return count;
      return session.remoteEnded ? null : undefined;
    });
  }

  /**
   * Writes bytes to the stream. Waits while the send queue is full.
   *
   * @param p The bytes. They are copied before the promise settles.
   * @returns The number of bytes that were taken from the start of `p`: at least 1 unless `p` is
   * empty, but maybe not all. {@linkcode Connection.writable} takes all.
   * @throws {ConnectionError} When the connection has ended, or the timeout has passed.
   */
  write(p: Uint8Array, options: OperationOptions = {}): Promise<number> {
    const session = this.#session;
    return this.#operate(this.#writes, options, this.writeTimeout, () => {
      checkBytes(p);
      this.#checkWritable();
      if (p.length === 0) return 0;
      return session.write(p) || undefined;
    });
  }

  /**
   * Sends a message; {@linkcode Connection.receiveMessage} receives it whole. Waits while the send
   * queue is full.
   *
   * @param message The message: 1 to {@linkcode Connection.maxMessageSize} bytes. It is copied
   * before the promise settles.
   * @throws {RangeError} When the message is empty or too large.
   * @throws {ConnectionError} When the connection has ended, or the timeout has passed.
   */
  sendMessage(message: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#operate(this.#writes, options, this.writeTimeout, () => {
      this.#checkWritable();
      return this.#session.send(message) ? VOID : undefined;
    }).then(() => {});
  }

  /** Largest message in bytes that {@linkcode Connection.sendMessage} takes: 255 segments. */
  get maxMessageSize(): number {
    return this.#session.kcp.maxMessageSize;
  }

  /**
   * Receives the next message. Waits until a whole message is there.
   *
   * @returns The message; null at the end of the peer's stream.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   */
  receiveMessage(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    const session = this.#session;
    return this.#operate(this.#reads, options, this.readTimeout, () => {
      const size = session.peekSize();
      if (size < 0) return session.remoteEnded ? null : undefined;
      const message = new Uint8Array(size);
      session.recv(message);
      return message;
    });
  }

  /**
   * Sends a datagram beside the stream, without waiting. A datagram may be lost, arrive twice, or
   * overtake others. Use it for data that is useless when it arrives too late.
   *
   * kcp-go calls these packets out-of-band. A kcp-go peer receives them only if its error
   * correction is on.
   *
   * A datagram opens no connection at a listener. So on the side that called `connect`, the first one
   * also asks the peer, as {@linkcode Connection.opened} does. The listener drops those that arrive
   * before the question: wait for `opened` if they count.
   *
   * @param payload 0 to {@linkcode Connection.maxDatagramSize} bytes. They are copied.
   * @returns True if the datagram will be sent; false if it was dropped because the queue is full.
   * @throws {RangeError} When the payload is too large.
   * @throws {ConnectionError} When the connection has ended.
   */
  sendDatagram(payload: Uint8Array): boolean {
    if (this.#closedHere || this.#session.state !== "open") {
      throw this.#session.error ?? closedHereError();
    }
    return this.#timely.sendDatagram(payload);
  }

  /**
   * Largest datagram in bytes that {@linkcode Connection.sendDatagram} takes. It depends on the
   * MTU.
   */
  get maxDatagramSize(): number {
    return this.#session.maxDatagramSize;
  }

  /**
   * Waits for the next datagram. The queue keeps the newest 256 datagrams until they are read.
   *
   * @returns The datagram; null when both ends have ended their streams, and no datagram can
   * follow.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   */
  readDatagram(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    const session = this.#session;
    return this.#operate(this.#datagrams, options, this.readTimeout, () => {
      const datagram = session.receiveDatagram();
      if (datagram) return datagram;
      return session.state === "closed" && !session.error ? null : undefined;
    });
  }

  /**
   * Waits until the peer has acknowledged everything that was written.
   *
   * @throws {ConnectionError} When the connection has failed, or the timeout has passed.
   */
  drained(options: OperationOptions = {}): Promise<void> {
    return this.#operate(this.#drains, options, this.writeTimeout, () => {
      const session = this.#session;
      if (session.error) throw session.error;
      return session.kcp.drained || session.state === "closed" ? VOID : undefined;
    }).then(() => {});
  }

  /** The bytes that arrive, as a stream. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableStream((p) => this.read(p), () => this.#session.endRead());
  }

  /**
   * The bytes to send, as a stream. Closing it ends the stream to the peer ({@linkcode
   * Connection.closeWrite}).
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableStream(
      (p) => this.write(p),
      () => this.closeWrite(),
      (message) => this.abort(message),
    );
  }

  /**
   * Ends the stream to the peer (half-close). The peer reads everything that was written, then the
   * end. This side can still read.
   *
   * @returns A promise that settles when the peer has acknowledged everything.
   */
  closeWrite(): Promise<void> {
    this.#timely.endWrite();
    return this.#operate(this.#drains, {}, this.writeTimeout, () => {
      const session = this.#session;
      if (session.error) throw session.error;
      return session.endDelivered || session.state === "closed" ? VOID : undefined;
    }).then(() => {});
  }

  /**
   * Closes the connection. Pending reads and writes reject. Data that was written before is still
   * delivered, for up to the time of the `linger` option. {@linkcode Connection.closed} settles
   * with the result.
   */
  close(): void {
    if (this.#closedHere) return;
    this.#closedHere = true;
    this.#timely.close();
    this.#progress();
  }

  /**
   * Ends the connection at once. Queued data is dropped. The peer is told, and its operations reject
   * with a {@linkcode ConnectionError} of kind `reset`. A peer of another implementation is not told.
   *
   * @param reason The reason. The peer gets it as {@linkcode ConnectionError.reason}, cut after 512
   * bytes. On this side it is the message of the error that {@linkcode Connection.closed} rejects with.
   * @param closeCode A code for the peer: {@linkcode ConnectionError.closeCode}. 0 to 65535.
   * @throws {TypeError | RangeError} When the code has the wrong type or is out of its range.
   */
  abort(reason = "", closeCode = 0): void {
    checkCloseCode(closeCode);
    this.#closedHere = true;
    const error = new ConnectionError("closed", reason || "The connection was aborted");
    if (this.#session.state === "closed") this.#session.abort(error);
    else this.#timely.reset(error, ABORTED, closeCode, reason);
    this.#timely.close();
    this.#progress();
  }

  /** Keeps the process alive while the connection is open. This is the initial state. */
  ref(): void {
    this.#driver.ref();
  }

  /**
   * Lets the process end while the connection is open. All connections of one listener share one
   * socket, so this changes all of them.
   */
  unref(): void {
    this.#driver.unref();
  }

  /** Calls {@linkcode Connection.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode Connection.close}, then waits until the connection has ended, with or without
   * an error. On the side that called `connect`, it also waits until the socket is closed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed.catch(() => {});
    if (this.#ownsSocket) await this.#driver.closed;
  }

  #checkWritable(): void {
    const session = this.#session;
    if (session.error) throw session.error;
    if (session.writeEnded) {
      throw new ConnectionError("closed", "Cannot write: the stream was ended on this side");
    }
  }

  /** Completes the operations that became possible, and handles the end of the session. */
  #progress(): void {
    const session = this.#session;
    this.#writes.serve();
    this.#reads.serve();
    this.#drains.serve();
    this.#datagrams.serve();
    this.#opens.serve();
    if (this.#closedHere) {
      const error = session.error ?? closedHereError();
      this.#reads.fail(error);
      this.#writes.fail(error);
      this.#datagrams.fail(error);
      this.#opens.fail(error);
    }
    if (session.state !== "closed") return;
    if (this.#ownsSocket) this.#driver.unref();
    const { error } = session;
    if (error) {
      this.#reads.fail(error);
      this.#writes.fail(error);
      this.#drains.fail(error);
      this.#datagrams.fail(error);
      this.#ended.reject(error);
    } else {
      this.#ended.resolve();
    }
  }

  /** Runs `attempt` as soon as it is possible, after all earlier operations of the same queue. */
  #operate<T>(
    queue: OperationQueue,
    options: OperationOptions,
    timeout: number,
    attempt: () => T | undefined,
  ): Promise<T> {
    return queue.run(() => {
      const session = this.#session;
      if (this.#closedHere && queue !== this.#drains) throw session.error ?? closedHereError();
      const result = attempt();
      // Data that arrived before the connection failed is delivered before the error.
      if (result === undefined && session.error) throw session.error;
      return result;
    }, { signal: options.signal, timeout: options.timeout ?? timeout });
  }
}

/** Checks the code of an abort. */
function checkCloseCode(code: number): void {
  if (typeof code !== "number") {
    throw new TypeError(`Cannot abort with the code ${String(code)}: it must be a number`);
  }
  if (!Number.isInteger(code) || code < 0 || code > MAX_CODE) {
    throw new RangeError(`Cannot abort with the code ${code}: allowed are 0 to ${MAX_CODE}`);
  }
}

function closedHereError(): ConnectionError {
  return new ConnectionError("closed", "The connection was closed on this side");
}

/** The result of an operation that has none; undefined would mean that the operation must wait. */
const VOID = null;
