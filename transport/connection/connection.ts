/**
 * The asynchronous face of a session.
 *
 * @module
 */
import { checkBytes, type KcpLiveOptions, type ResolvedKcpOptions } from "../../kcp/options.ts";
import { parseAddress } from "../session/address.ts";
import { deferred } from "./deferred.ts";
import type { Driver } from "./driver.ts";
import { ConnectionError } from "../session/errors.ts";
import { type OperationOptions, OperationQueue } from "./operation_queue.ts";
import type { Session, SessionStats } from "../session/session.ts";

/** An address of a connection or listener, in the form that Deno has. */
export interface UdpAddress {
  /** Always `udp`. */
  readonly transport: "udp";
  /** An IP address. */
  readonly hostname: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** Puts an address into the form that connections show. */
export function udpAddress(address: string): UdpAddress {
  return { transport: "udp", ...parseAddress(address) };
}

/** Bytes that a stream asks for at a time. */
const CHUNK = 65_536;

/**
 * A reliable, ordered connection over UDP. It is used as a `Deno.Conn` is.
 *
 * Bytes written come out as a stream ({@linkcode Connection.read}, {@linkcode Connection.readable}).
 * Whoever needs message boundaries uses {@linkcode Connection.sendMessage} and
 * {@linkcode Connection.receiveMessage} on both ends.
 *
 * Writes wait while the send queue is full, and the peer's writes wait while nobody reads here. When the
 * connection ends for any other reason than the peer's end of stream, pending and later operations reject
 * with a {@linkcode ConnectionError} that says which. What had arrived before can still be read.
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
  /**
   * Settles when the connection is over. Rejects with the reason if it did not end by a close that
   * delivered everything. The socket of the side that dialled may stay open for a second, without keeping
   * the process alive, to answer a peer that missed the last acknowledgments.
   */
  readonly closed: Promise<void>;
  /** ms after which a read is given up, `Infinity` unless set. */
  readTimeout: number = Infinity;
  /** ms after which a write is given up, `Infinity` unless set. */
  writeTimeout: number = Infinity;
  readonly #session: Session;
  readonly #driver: Driver;
  readonly #reads: OperationQueue;
  readonly #writes: OperationQueue;
  readonly #drains: OperationQueue;
  readonly #datagrams: OperationQueue;
  readonly #over = deferred<void>();
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  readonly #ownsSocket: boolean;
  #closed = false;

  /**
   * Wraps a session; connections are made by `connect` and by a listener.
   *
   * @param session The session.
   * @param driver What runs its endpoint.
   * @param ownsSocket Whether the socket is there for this connection alone.
   */
  constructor(session: Session, driver: Driver, ownsSocket: boolean) {
    this.#session = session;
    this.#driver = driver;
    const after = (delay: number, run: () => void) => driver.after(delay, run);
    const hint = () => session.diagnosis;
    this.#reads = new OperationQueue("read", after, hint);
    this.#writes = new OperationQueue("write", after, hint);
    this.#drains = new OperationQueue("drain", after, hint);
    this.#datagrams = new OperationQueue("datagram read", after, hint);
    session.onChange = () => this.#progress();
    if (ownsSocket) driver.closeWhenIdle();
    this.#ownsSocket = ownsSocket;
    this.closed = this.#over.promise;
    // Nobody has to look at it.
    this.closed.catch(() => {});
    this.#progress();
  }

  /** The conversation id. */
  get conv(): number {
    return this.#session.conv;
  }

  /** The address of the socket on this side. */
  get localAddr(): UdpAddress {
    return udpAddress(this.#driver.socket.address);
  }

  /** The address of the peer. */
  get remoteAddr(): UdpAddress {
    return udpAddress(this.#session.peer);
  }

  /** Smoothed round-trip time in ms, -1 before the first sample. */
  get rtt(): number {
    return this.#session.kcp.srtt;
  }

  /** What was counted so far, and how the connection stands: a snapshot. */
  get stats(): SessionStats {
    return this.#session.stats;
  }

  /** The settings in force. */
  get options(): ResolvedKcpOptions {
    return this.#session.options;
  }

  /**
   * Changes settings while the connection runs; those not named stay.
   *
   * @param change For example `{ sndWnd: 2048 }`, or a preset such as `turbo`.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
   */
  configure(change: KcpLiveOptions): void {
    this.#session.configure(change);
    this.#progress();
  }

  /**
   * Reads bytes of the stream.
   *
   * @param p Where the bytes go.
   * @returns How many bytes were read, at least 1; null at the end of the peer's stream; 0 only if `p` is
   * empty.
   * @throws {ConnectionError} When the connection has ended otherwise, or the timeout passed.
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
   * Writes bytes to the stream; waits while the send queue is full.
   *
   * @param p The bytes. They are copied before the promise settles.
   * @returns How many bytes were taken, from the first on: at least 1 unless `p` is empty, but maybe not
   * all. {@linkcode Connection.writable} takes all.
   * @throws {ConnectionError} When the connection has ended, or the timeout passed.
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
   * Sends a message, which {@linkcode Connection.receiveMessage} takes whole; waits while the send queue
   * is full.
   *
   * @param message 1 byte to 255 segments. It is copied before the promise settles.
   * @throws {RangeError} When the message is empty or too large.
   * @throws {ConnectionError} When the connection has ended, or the timeout passed.
   */
  sendMessage(message: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#operate(this.#writes, options, this.writeTimeout, () => {
      this.#checkWritable();
      return this.#session.send(message) ? VOID : undefined;
    }).then(() => {});
  }

  /** Largest message in bytes that {@linkcode Connection.sendMessage} takes. */
  get maxMessageSize(): number {
    return 255 * this.#session.kcp.mss;
  }

  /**
   * Receives the next message.
   *
   * @returns The message; null at the end of the peer's stream.
   * @throws {ConnectionError} When the connection has ended otherwise, or the timeout passed.
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
   * Sends a datagram beside the stream: a packet that may be lost, arrive twice, or overtake others, and that
   * waits for nothing. For data that is worthless when it is late.
   *
   * kcp-go calls these packets out-of-band; its end must have error correction on to take them.
   *
   * @param payload At most {@linkcode Connection.maxDatagramSize} bytes, maybe none. It is copied.
   * @returns Whether it is on its way; false when it was dropped because too many wait to leave.
   * @throws {RangeError} When it is too large.
   * @throws {ConnectionError} When the connection has ended.
   */
  sendDatagram(payload: Uint8Array): boolean {
    if (this.#closed || this.#session.state !== "open") {
      throw this.#session.error ?? closedHere();
    }
    return this.#session.sendDatagram(payload);
  }

  /** Bytes of the largest datagram that {@linkcode Connection.sendDatagram} takes: what fits the MTU. */
  get maxDatagramSize(): number {
    return this.#session.maxDatagramSize;
  }

  /**
   * Waits for the next datagram. The newest 256 are kept until they are read.
   *
   * @returns The datagram; null when both ends have ended their streams, and no more will come.
   * @throws {ConnectionError} When the connection has ended otherwise, or the timeout passed.
   */
  readDatagram(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    const session = this.#session;
    return this.#operate(this.#datagrams, options, this.readTimeout, () => {
      const datagram = session.receiveDatagram();
      if (datagram) return datagram;
      return session.state === "closed" && !session.error ? null : undefined;
    });
  }

  /** Waits until everything that was written has been acknowledged. */
  drained(options: OperationOptions = {}): Promise<void> {
    return this.#operate(this.#drains, options, this.writeTimeout, () => {
      const session = this.#session;
      if (session.error) throw session.error;
      return session.kcp.drained || session.state === "closed" ? VOID : undefined;
    }).then(() => {});
  }

  /** The stream of bytes that arrive. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#readable ??= new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: CHUNK,
      pull: async (controller) => {
        const request = controller.byobRequest!;
        const view = request.view as Uint8Array<ArrayBuffer>;
        const count = await this.read(
          new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
        );
        if (count === null) controller.close();
        request.respond(count ?? 0);
      },
      cancel: () => this.#session.endRead(),
    }) as ReadableStream<Uint8Array<ArrayBuffer>>;
    return this.#readable;
  }

  /** The stream that sends what is written to it. Closing it ends the stream towards the peer. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream({
      write: async (chunk) => {
        for (let done = 0; done < chunk.length;) {
          done += await this.write(done === 0 ? chunk : chunk.subarray(done));
        }
      },
      close: () => this.closeWrite(),
      abort: (reason) =>
        this.abort(
          `The writable stream was aborted: ${reason instanceof Error ? reason.message : reason}`,
        ),
    });
    return this.#writable;
  }

  /**
   * Ends the stream towards the peer, which reads what was written and then the end. Reading goes on.
   *
   * @returns A promise that settles when the peer has acknowledged everything.
   */
  closeWrite(): Promise<void> {
    this.#session.endWrite();
    return this.#operate(this.#drains, {}, this.writeTimeout, () => {
      const session = this.#session;
      if (session.error) throw session.error;
      return session.endDelivered || session.state === "closed" ? VOID : undefined;
    }).then(() => {});
  }

  /**
   * Closes the connection. What was written is still delivered, for up to the `linger` option; pending
   * reads and writes reject. {@linkcode Connection.closed} tells how it went.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#session.close();
    this.#progress();
  }

  /**
   * Ends the connection at once. What is queued is not delivered, and the peer is not told.
   *
   * @param reason What {@linkcode Connection.closed} rejects with.
   */
  abort(reason = "The connection was aborted"): void {
    this.#closed = true;
    this.#session.abort(new ConnectionError("closed", reason));
    this.#session.close();
    this.#progress();
  }

  /** Lets the process live while the connection is open, as it does from the start. */
  ref(): void {
    this.#driver.ref();
  }

  /**
   * Lets the process end although the connection is open. Connections of one listener share a socket, and
   * this with it.
   */
  unref(): void {
    this.#driver.unref();
  }

  /** {@linkcode Connection.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * {@linkcode Connection.close}, then waits until it is over, whatever the outcome, and, on the side that
   * dialled, until its socket is closed.
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

  /** Lets waiting operations go on, and notices the end. */
  #progress(): void {
    const session = this.#session;
    this.#writes.serve();
    this.#reads.serve();
    this.#drains.serve();
    this.#datagrams.serve();
    if (this.#closed) {
      const error = session.error ?? closedHere();
      this.#reads.fail(error);
      this.#writes.fail(error);
      this.#datagrams.fail(error);
    }
    if (session.state !== "closed") return;
    if (this.#ownsSocket) this.#driver.unref();
    const { error } = session;
    if (error) {
      this.#reads.fail(error);
      this.#writes.fail(error);
      this.#drains.fail(error);
      this.#datagrams.fail(error);
      this.#over.reject(error);
    } else {
      this.#over.resolve();
    }
  }

  /** Runs `attempt` now or later, behind the operations of its kind that wait already. */
  #operate<T>(
    queue: OperationQueue,
    options: OperationOptions,
    timeout: number,
    attempt: () => T | undefined,
  ): Promise<T> {
    return queue.run(() => {
      const session = this.#session;
      if (this.#closed && queue !== this.#drains) throw session.error ?? closedHere();
      const result = attempt();
      // What has arrived goes before the error that ended the connection.
      if (result === undefined && session.error) throw session.error;
      return result;
    }, { signal: options.signal, timeout: options.timeout ?? timeout });
  }
}

function closedHere(): ConnectionError {
  return new ConnectionError("closed", "The connection was closed here");
}

/** What an operation without a result gives, since undefined means that it has to wait. */
const VOID = null;
