/**
 * Connections: the asynchronous interface of a session.
 *
 * @module
 */
import type { Session, SessionStats } from "../session/session.ts";
import type { ResolvedSessionOptions, SessionLiveOptions } from "../session/session_options.ts";
import { deferred } from "./deferred.ts";
import { diagnostics } from "./diagnostics.ts";
import { adapterOf, type DatagramSocket, type Driver } from "./driver.ts";
import { showAs } from "./inspect.ts";
import {
  abortHere,
  abortWritable,
  closeHere,
  waitUntilDrained,
  waitUntilOpened,
} from "./lifecycle.ts";
import { iterate } from "./messages.ts";
import type { OperationOptions, PartOptions } from "./operation_queue.ts";
import { type OperationRules, Operations } from "./operations.ts";
import { ping } from "./ping.ts";
import { DATAGRAM_NEWS, Notice, STREAM_NEWS } from "./notice.ts";
import { Reading } from "./reading.ts";
import { type UdpAddress, udpAddress } from "./udp_address.ts";
import { readableStream, writableStream } from "./web_streams.ts";
import { Writing } from "./writing.ts";

/** How far a connection has come. */
export type ConnectionState =
  /** The peer has not answered yet. Data that is written is sent. */
  | "connecting"
  /** The peer has answered. */
  | "open"
  /** It was closed on this side. What was written before is still being delivered. */
  | "closing"
  /** It has ended: {@linkcode Connection.closed} has settled. What has arrived can still be read. */
  | "closed";

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
export let waitUntilOpen: (connection: Connection, options: PartOptions) => Promise<void>;

/** What a connection is made of: for what runs over it and needs its clock and its socket. */
export let partsOf: (
  connection: Connection,
) => { readonly session: Session; readonly driver: Driver; readonly ownsSocket: boolean };

/**
 * A reliable, ordered connection over UDP. It has the methods of `Deno.Conn`.
 *
 * The bytes of all writes form a stream ({@linkcode Connection.read}, {@linkcode
 * Connection.readable}). To keep message boundaries, both ends use {@linkcode
 * Connection.sendMessage} and {@linkcode Connection.messages} instead.
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
        await connection.open(options);
      } catch (error) {
        connection.abort();
        throw error;
      }
    };
    partsOf = (connection) => ({
      session: connection.#session,
      driver: connection.#driver,
      ownsSocket: connection.#ownsSocket,
    });
    showAs(Connection, "Connection", (connection) => {
      const { localAddr, remoteAddr, state, rtt } = connection;
      return { localAddr, remoteAddr, state, rtt };
    });
  }

  /**
   * Settles when the connection has ended. Resolves if everything was delivered: both ends have ended
   * their streams, and what has arrived can still be read, or this end was closed. Otherwise it
   * rejects with the reason. After that, the socket of the side that called `connect` may stay open for a
   * second: the peer may have missed the last acknowledgments. It does not keep the process alive.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.closed.then(
   *   () => console.log("delivered"),
   *   (error) => console.error(`${error.kind}: ${error.message}`),
   * );
   * ```
   */
  readonly closed: Promise<void>;
  /**
   * How long (ms) a read may wait, 0 to `Infinity`. Default: Infinity.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.readTimeout = 10_000;
   * await conn.read(new Uint8Array(1024)); // rejects after 10 s of silence
   * ```
   */
  readTimeout: number = Infinity;
  /**
   * How long (ms) a write may wait, 0 to `Infinity`. Default: Infinity.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.writeTimeout = 10_000;
   * await conn.write(new TextEncoder().encode("hello"));
   * ```
   */
  writeTimeout: number = Infinity;
  /**
   * Called when the peer has moved to another address, with the address before. {@linkcode
   * Connection.remoteAddr} is the new one. It happens only with the listener's option `migrate`.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1", migrate: true });
   * const conn = await listener.accept();
   * conn.onMigrate = (from) => console.log(`${from.hostname} is now ${conn.remoteAddr.hostname}`);
   * ```
   */
  onMigrate: ((from: UdpAddress) => void) | null = null;
  readonly #session: Session;
  readonly #driver: Driver;
  readonly #operations: Operations;
  readonly #reading: Reading;
  readonly #writing: Writing;
  readonly #streamNotice: Notice;
  readonly #datagramNotice: Notice;
  #opened: Promise<void> | null = null;
  readonly #ended = deferred<void>();
  #hasEnded = false;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array> | null = null;
  readonly #ownsSocket: boolean;

  private constructor(session: Session, driver: Driver, ownsSocket: boolean) {
    this.#session = session;
    this.#driver = driver;
    this.#operations = new Operations(session, driver);
    this.#reading = new Reading(this.#operations);
    this.#writing = new Writing(this.#operations);
    this.#streamNotice = new Notice(session, STREAM_NEWS);
    this.#datagramNotice = new Notice(session, DATAGRAM_NEWS);
    session.onChange = () => this.#progress();
    session.onMove = (from) => this.#moved(udpAddress(from));
    if (ownsSocket) driver.closeWhenIdle();
    this.#ownsSocket = ownsSocket;
    this.closed = this.#ended.promise;
    // An application that ignores `closed` must not fail with an unhandled rejection.
    this.closed.catch(() => {});
    diagnostics?.connectionOpened(this, session.kcp.initiator);
    this.#progress();
  }

  /**
   * Settles when the peer has answered: {@linkcode Connection.open} without limits.
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
      this.#opened = this.open();
      // An application that looks at it only once must not fail with an unhandled rejection.
      this.#opened.catch(() => {});
    }
    return this.#opened;
  }

  /**
   * Waits until the peer has answered. On the side that called `connect`, the first call asks the
   * peer, so that a listener accepts the connection before anything is written. Use it to learn
   * whether the listener is there, and for protocols in which the server speaks first.
   *
   * The peer is given up after `deadLinkTime`, or 30 s if that is less. The end of the call's
   * `timeout` or `signal` ends the wait, not the connection.
   *
   * @throws {ConnectionError} When the connection has ended, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.open({ timeout: 3000 });
   * ```
   */
  open(options: OperationOptions = {}): Promise<void> {
    return waitUntilOpened(this.#operations, { ...options, defaultTimeout: Infinity });
  }

  /**
   * How far the connection has come.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(conn.state); // connecting
   * await conn.opened;
   * console.log(conn.state); // open
   * ```
   */
  get state(): ConnectionState {
    const { state, opened } = this.#session;
    if (state !== "open") return state;
    return opened ? "open" : "connecting";
  }

  /**
   * How long ago (ms) the last valid packet of the peer arrived; `Infinity` if none did.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.opened;
   * if (conn.lastHeard > 20_000) console.log("the peer may be gone");
   * ```
   */
  get lastHeard(): number {
    return Math.max(0, this.#driver.now() - this.#session.heardAt);
  }

  /**
   * The conversation id, 0 to 4294967295.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(`conversation ${conn.conv}`);
   * ```
   */
  get conv(): number {
    return this.#session.conv;
  }

  /**
   * The address of the socket on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(`sends from port ${conn.localAddr.port}`);
   * ```
   */
  get localAddr(): UdpAddress {
    return udpAddress(this.#driver.socket.address);
  }

  /**
   * The kind of socket that carries the packets: `deno`, `linux`, `node`, `bun`, `webtransport`,
   * `webrtc`, `simulated`, or `own` for a socket of the application.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(conn.adapter); // linux, for example
   * ```
   */
  get adapter(): string {
    return adapterOf(this.#driver.socket);
  }

  /**
   * The socket that carries the packets; connections of one listener share it. kcp-go gives access to
   * it with `Control`. Its packets and its end belong to the library: use it for settings of the
   * socket. The runtime's own object is `conn` of a `DenoSocket`, `socket` of a `NodeSocket` or
   * `BunSocket`, and the file descriptor `fd` of a `LinuxSocket`.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   * import { DenoSocket } from "@lowlatency/kcp/deno";
   * import { LinuxSocket } from "@lowlatency/kcp/linux";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const { socket } = conn;
   * if (socket instanceof LinuxSocket) socket.configure({ dscp: 46, receiveBuffer: 1 << 24 });
   * if (socket instanceof DenoSocket) console.log(socket.conn.addr);
   * ```
   */
  get socket(): DatagramSocket {
    return this.#driver.socket;
  }

  /**
   * The address of the peer.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   *
   * using listener = await listen({ hostname: "127.0.0.1" });
   * const conn = await listener.accept();
   * console.log(`${conn.remoteAddr.hostname} port ${conn.remoteAddr.port}`);
   * ```
   */
  get remoteAddr(): UdpAddress {
    return udpAddress(this.#session.peer);
  }

  /**
   * Round-trip time in ms; -1 before the first sample. It is smoothed (`stats.srtt`), but a sample that
   * comes after 4 s without one counts alone. `stats.rttAge` tells how old the last sample is; {@linkcode
   * Connection.ping} takes a new one.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.opened;
   * console.log(`${conn.rtt.toFixed(1)} ms`);
   * ```
   */
  get rtt(): number {
    return this.#session.kcp.rtt;
  }

  /**
   * Counters and the current state of the connection: a snapshot.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const { payloadOut, bytesOut, lost, acknowledged } = conn.stats;
   * console.log(`${bytesOut} bytes for ${payloadOut}; ${lost} of ${acknowledged} segments were lost`);
   * ```
   */
  get stats(): SessionStats {
    // The session may have been idle, so that it knows only an earlier time.
    const { sampledAt } = this.#session.kcp;
    const { stats } = this.#session;
    stats.rttAge = sampledAt === -Infinity ? -1 : Math.max(0, this.#driver.now() - sampledAt);
    return stats;
  }

  /**
   * The options in force.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(conn.options.mtu, conn.options.keepAlive); // 1400 15000
   * ```
   */
  get options(): ResolvedSessionOptions {
    return this.#session.options;
  }

  /**
   * Changes options while the connection runs. Options that are not named keep their values.
   *
   * @param change For example `{ sndWnd: 4096 }`, `{ keepAlive: 5000 }`, or a mode such as `turbo`.
   * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range. No
   * option is changed then.
   *
   * @example
   * ```ts
   * import { connect, turbo } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.configure({ ...turbo, idleTimeout: 60_000, keepAlive: 5000, linger: 1000 });
   * ```
   */
  configure(change: SessionLiveOptions): void {
    this.#operations.timely.configure(change);
    this.#progress();
  }

  /**
   * Asks the peer for an answer, and gives the round-trip time in ms. A question or an answer that is
   * lost is repeated, and is not part of the result.
   *
   * @throws {ConnectionError} When the connection has ended or was closed on this side, or the timeout
   * has passed. A peer that stays silent for `deadLinkTime` is unreachable.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(`${await conn.ping({ timeout: 3000 })} ms`);
   * ```
   */
  ping(options: OperationOptions = {}): Promise<number> {
    return ping(this.#operations, this.#readRules(options));
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
   * Reads bytes of the stream. Waits until at least one byte is there. Reads complete in the order of
   * their calls.
   *
   * @param p The buffer for the bytes.
   * @returns The number of bytes that were read, at least 1; null at the end of the peer's stream;
   * 0 only if `p` is empty.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const buffer = new Uint8Array(65_536);
   * for (let count; (count = await conn.read(buffer, { timeout: 10_000 })) !== null;) {
   *   console.log(buffer.subarray(0, count));
   * }
   * ```
   */
  read(p: Uint8Array, options: OperationOptions = {}): Promise<number | null> {
    return this.#reading.read(p, this.#readRules(options));
  }

  /**
   * Reads the bytes that are there, without waiting and without a promise. {@linkcode
   * Connection.onReadable} tells when to call it.
   *
   * @param p The buffer for the bytes.
   * @returns The number of bytes that were read; 0 when none are there now, or when earlier reads wait
   * for them; null at the end of the peer's stream, as {@linkcode Connection.read} does.
   * @throws {ConnectionError} When the connection has failed or was closed on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const buffer = new Uint8Array(65_536);
   * conn.onReadable = () => {
   *   for (let count; (count = conn.tryRead(buffer));) console.log(buffer.subarray(0, count));
   * };
   * await conn.write(new TextEncoder().encode("hello"));
   * ```
   */
  tryRead(p: Uint8Array): number | null {
    return this.#reading.tryRead(p);
  }

  /**
   * Called when {@linkcode Connection.tryRead} may give something new: bytes have arrived, or the end
   * of the stream, or the connection has failed. It is called soon after it is set if something is
   * there already, and not again for what it was called for. Several packets may share a call. An error
   * of the ended connection that it lets through is ignored: {@linkcode Connection.closed} tells it.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const buffer = new Uint8Array(65_536);
   * conn.onReadable = () => console.log(conn.tryRead(buffer));
   * ```
   */
  get onReadable(): (() => void) | null {
    return this.#streamNotice.callback;
  }

  set onReadable(callback: (() => void) | null) {
    this.#streamNotice.callback = callback;
  }

  /**
   * Writes bytes to the stream. Waits while the send queue is full.
   *
   * @param p The bytes. They are copied before the promise settles.
   * @returns The number of bytes that were taken from the start of `p`: at least 1 unless `p` is
   * empty, but maybe not all. {@linkcode Connection.writeAll} takes all.
   * @throws {ConnectionError} When the connection has ended, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const bytes = new TextEncoder().encode("hello");
   * for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
   * ```
   */
  write(p: Uint8Array, options: OperationOptions = {}): Promise<number> {
    return this.#writing.write(p, this.#writeRules(options));
  }

  /**
   * Writes all bytes to the stream. Waits while the send queue is full. Nothing that is written
   * meanwhile comes between them.
   *
   * @param p The bytes. They must not change before the promise settles.
   * @throws {ConnectionError} When the connection has ended, or the timeout for all of it has passed.
   * The first part of the bytes may have been written then, as with an aborted `signal`: the message
   * of a timeout says how many.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.writeAll(new Uint8Array(1_000_000), { timeout: 30_000 });
   * ```
   */
  writeAll(p: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#writing.writePieces([p], this.#writeRules(options));
  }

  /**
   * Writes several pieces one after the other, as {@linkcode Connection.writeAll} does: for example a
   * header and a body, without a copy of both in one buffer. Small pieces share packets.
   *
   * @param pieces The pieces. They must not change before the promise settles.
   * @throws {ConnectionError} See {@linkcode Connection.writeAll}.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const body = new TextEncoder().encode("hello");
   * const header = new Uint8Array(4);
   * new DataView(header.buffer).setUint32(0, body.length);
   * await conn.writev([header, body]);
   * ```
   */
  writev(pieces: readonly Uint8Array[], options: OperationOptions = {}): Promise<void> {
    return this.#writing.writePieces(pieces, this.#writeRules(options));
  }

  /**
   * Writes bytes to the stream without waiting and without a promise. {@linkcode
   * Connection.onWritable} tells when to call it again.
   *
   * @param p The bytes. They are copied.
   * @returns The number of bytes that were taken from the start of `p`; fewer than all when the send
   * queue is full; 0 when earlier writes wait.
   * @throws {ConnectionError} When the connection has ended, or was closed on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const count = conn.tryWrite(new TextEncoder().encode("hello"));
   * console.log(count); // 5
   * ```
   */
  tryWrite(p: Uint8Array): number {
    return this.#writing.tryWrite(p);
  }

  /**
   * Writes several pieces one after the other, as {@linkcode Connection.tryWrite} does: for example a
   * header and a body, without a copy of both in one buffer. Small pieces share packets.
   *
   * @param pieces The pieces. They are copied into the send queue.
   * @returns The number of bytes that were taken from the start of the first piece on.
   * @throws {ConnectionError} See {@linkcode Connection.tryWrite}.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const body = new TextEncoder().encode("hello");
   * const taken = conn.tryWritev([new Uint8Array([body.length]), body]);
   * console.log(taken); // 6
   * ```
   */
  tryWritev(pieces: readonly Uint8Array[]): number {
    return this.#writing.tryWritev(pieces);
  }

  /**
   * Called when there is room for bytes again: {@linkcode Connection.desiredSize} has become more than
   * 0, after it was 0 or a write that does not wait was cut short. It is called soon after it is set if
   * there is room already, and not any more when the connection has ended: {@linkcode
   * Connection.closed} tells that.
   *
   * The call comes just before packets leave, so what it writes can leave with them. So a sender that
   * writes `desiredSize` bytes in each call uses all that the path delivers, and keeps next to nothing
   * in the queue: what is written later, and is more urgent, overtakes the rest.
   *
   * @example A sender that decides as late as possible what to send
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const file = new Uint8Array(10_000_000);
   * let offset = 0;
   * await new Promise<void>((resolve) => {
   *   conn.onWritable = () => {
   *     for (let size; (size = conn.desiredSize) > 0 && offset < file.length;) {
   *       offset += conn.tryWrite(file.subarray(offset, offset + size));
   *     }
   *     if (offset === file.length) resolve();
   *   };
   * });
   * ```
   */
  get onWritable(): (() => void) | null {
    return this.#writing.notice.callback;
  }

  set onWritable(callback: (() => void) | null) {
    this.#writing.notice.callback = callback;
  }

  /**
   * Bytes that were written, and have not been sent for the first time.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.writeAll(new Uint8Array(1_000_000));
   * console.log(`${conn.unsentBytes} bytes wait`);
   * ```
   */
  get unsentBytes(): number {
    return this.#session.unsentBytes;
  }

  /**
   * Bytes that should be written now, so that {@linkcode Connection.unsentBytes} reaches the mark
   * {@linkcode Connection.unsentLowWater}; 0 if it has, or if nothing can be taken. More may be
   * written, up to the length of the send queue.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const file = new Uint8Array(1_000_000);
   * const taken = conn.tryWrite(file.subarray(0, conn.desiredSize));
   * console.log(`${taken} bytes leave at once`);
   * ```
   */
  get desiredSize(): number {
    return this.#writing.notice.desiredSize;
  }

  /**
   * How many bytes (1 to `Infinity`) should wait to be sent: below that, {@linkcode
   * Connection.onWritable} is called. TCP has it as `TCP_NOTSENT_LOWAT`. Default: "auto": so much as
   * the windows, congestion control and pacing let leave at once, and one segment. With that, the
   * queue is as short as it can be while the path is in full use.
   *
   * @throws {TypeError | RangeError} When it is set to another value.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.unsentLowWater = 100_000; // bytes
   * conn.onWritable = () => console.log(conn.unsentBytes < 100_000); // true
   * ```
   */
  get unsentLowWater(): number | "auto" {
    return this.#writing.notice.lowWater;
  }

  set unsentLowWater(mark: number | "auto") {
    this.#writing.notice.lowWater = mark;
  }

  /**
   * Sends a message; {@linkcode Connection.receiveMessage} receives it whole. Waits while the send
   * queue is full.
   *
   * @param message The message: 1 to {@linkcode Connection.maxMessageSize} bytes. It is copied
   * before the promise settles.
   * @throws {RangeError} When the message is empty or too large.
   * @throws {ConnectionError} When the connection has ended, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.sendMessage(new TextEncoder().encode("move left"), { timeout: 5000 });
   * ```
   */
  sendMessage(message: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#writing.sendMessage(message, this.#writeRules(options));
  }

  /**
   * Sends a message without waiting and without a promise, if the send queue has room for all of it.
   *
   * @param message The message: 1 to {@linkcode Connection.maxMessageSize} bytes. It is copied.
   * @returns Whether it was taken. {@linkcode Connection.onWritable} tells when to try it again.
   * @throws {RangeError} When the message is empty or too large.
   * @throws {ConnectionError} When the connection has ended, or was closed on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const state = new TextEncoder().encode("position 3, 4");
   * if (!conn.trySendMessage(state)) console.log("the path is slow: one message was left out");
   * ```
   */
  trySendMessage(message: Uint8Array): boolean {
    return this.#writing.trySendMessage(message);
  }

  /**
   * Largest message in bytes that {@linkcode Connection.sendMessage} takes: 255 segments.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * console.log(conn.maxMessageSize); // 350880
   * ```
   */
  get maxMessageSize(): number {
    return this.#session.kcp.maxMessageSize;
  }

  /**
   * Receives the next message. Waits until a whole message is there.
   *
   * @returns The message; null at the end of the peer's stream.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const message = await conn.receiveMessage({ timeout: 5000 });
   * if (message) console.log(new TextDecoder().decode(message));
   * else console.log("the peer has ended its stream");
   * ```
   */
  receiveMessage(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#reading.receiveMessage(this.#readRules(options));
  }

  /**
   * Receives the next message, without waiting and without a promise. {@linkcode
   * Connection.onReadable} tells when to call it.
   *
   * @returns The message; undefined when no whole one is there now, or when earlier reads wait for
   * them; null at the end of the peer's stream, as {@linkcode Connection.receiveMessage} does.
   * @throws {ConnectionError} When the connection has failed or was closed on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.onReadable = () => {
   *   for (let message; (message = conn.tryReceiveMessage());) console.log(message);
   * };
   * await conn.sendMessage(new TextEncoder().encode("hello"));
   * ```
   */
  tryReceiveMessage(): Uint8Array<ArrayBuffer> | null | undefined {
    return this.#reading.tryReceiveMessage();
  }

  /**
   * The messages as they arrive, to the end of the peer's stream: {@linkcode Connection.receiveMessage}
   * in a loop, with `readTimeout` for each. Leaving the loop does not close the connection.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.sendMessage(new TextEncoder().encode("move left"));
   * for await (const message of conn.messages) {
   *   console.log(new TextDecoder().decode(message));
   *   break;
   * }
   * ```
   */
  get messages(): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    return iterate(() => this.receiveMessage());
  }

  /**
   * Sends a datagram beside the stream, without waiting. A datagram may be lost, arrive twice, or
   * overtake others. Use it for data that is useless when it arrives too late.
   *
   * kcp-go calls these packets out-of-band. A kcp-go peer receives them only if its error
   * correction is on.
   *
   * A datagram opens no connection at a listener. So on the side that called `connect`, the first one
   * also asks the peer, as {@linkcode Connection.open} does. The listener drops those that arrive
   * before the question: wait for `opened` if they count.
   *
   * @param payload 0 to {@linkcode Connection.maxDatagramSize} bytes. They are copied.
   * @returns True if the datagram will be sent; false if it was dropped, because the queue is full or
   * the connection has ended or was closed.
   * @throws {RangeError} When the payload is too large.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const sent = conn.sendDatagram(new TextEncoder().encode("position 3, 4"));
   * if (!sent) console.log("it was dropped");
   * ```
   */
  sendDatagram(payload: Uint8Array): boolean {
    return this.#operations.timely.sendDatagram(payload);
  }

  /**
   * Largest datagram in bytes that {@linkcode Connection.sendDatagram} takes. It depends on the
   * MTU.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const payload = new Uint8Array(conn.maxDatagramSize);
   * conn.sendDatagram(payload);
   * ```
   */
  get maxDatagramSize(): number {
    return this.#session.maxDatagramSize;
  }

  /**
   * Receives the next datagram. The queue keeps the newest 256 datagrams until they are taken.
   *
   * @returns The datagram; null when both ends have ended their streams, and no datagram can
   * follow.
   * @throws {ConnectionError} When the connection has failed or was closed on this side, or the
   * timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const datagram = await conn.receiveDatagram({ timeout: 5000 });
   * if (datagram) console.log(new TextDecoder().decode(datagram));
   * ```
   */
  receiveDatagram(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#reading.receiveDatagram(this.#readRules(options));
  }

  /**
   * Receives the next datagram, without waiting and without a promise. {@linkcode
   * Connection.onDatagram} tells when to call it.
   *
   * @returns The datagram; undefined when none is there now, or when earlier calls wait for one; null
   * when none can follow, as {@linkcode Connection.receiveDatagram} does.
   * @throws {ConnectionError} When the connection has failed or was closed on this side.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * let newest: Uint8Array | undefined;
   * for (let next; (next = conn.tryReceiveDatagram());) newest = next; // once in each frame
   * console.log(newest);
   * ```
   */
  tryReceiveDatagram(): Uint8Array<ArrayBuffer> | null | undefined {
    return this.#reading.tryReceiveDatagram();
  }

  /**
   * Called when {@linkcode Connection.tryReceiveDatagram} may give something new: a datagram has
   * arrived, or none can follow, or the connection has failed. It is called as {@linkcode
   * Connection.onReadable} is. kcp-go has it as `SetOOBHandler`.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.onDatagram = () => {
   *   for (let next; (next = conn.tryReceiveDatagram());) console.log(next);
   * };
   * ```
   */
  get onDatagram(): (() => void) | null {
    return this.#datagramNotice.callback;
  }

  set onDatagram(callback: (() => void) | null) {
    this.#datagramNotice.callback = callback;
  }

  /**
   * The datagrams as they arrive, until no more can follow: {@linkcode Connection.receiveDatagram} in
   * a loop, with `readTimeout` for each. Leaving the loop does not close the connection.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.opened;
   * conn.sendDatagram(new Uint8Array([1, 2, 3]));
   * for await (const datagram of conn.datagrams) {
   *   console.log(datagram);
   *   break;
   * }
   * ```
   */
  get datagrams(): AsyncIterableIterator<Uint8Array<ArrayBuffer>> {
    return iterate(() => this.receiveDatagram());
  }

  /**
   * Waits until the peer has acknowledged everything that was written, and the end of the stream if
   * {@linkcode Connection.closeWrite} was called.
   *
   * @throws {ConnectionError} When the connection has failed, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.writeAll(new TextEncoder().encode("hello"));
   * await conn.drained({ timeout: 5000 });
   * console.log("the peer has it");
   * ```
   */
  drained(options: OperationOptions = {}): Promise<void> {
    return waitUntilDrained(this.#operations, this.#writeRules(options));
  }

  /**
   * The bytes that arrive, as a stream. Cancelling it, or leaving a loop over it, ends the reading: the
   * bytes that are not read stay where they are, and the peer's writes wait when its window is full.
   * If {@linkcode Connection.closeWrite} was called or is called later, nothing is open any more, and
   * the connection is closed.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.closeWrite();
   * for await (const chunk of conn.readable) console.log(chunk.length);
   * ```
   */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableStream((p) => this.read(p), () => this.#cancelRead());
  }

  /**
   * The bytes to send, as a stream. Closing it ends the stream to the peer ({@linkcode
   * Connection.closeWrite}). Aborting it ends the whole connection at once ({@linkcode
   * Connection.abort}): the peer could not tell the end of a part from the end of everything.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * const source = new Blob(["hello"]).stream();
   * await source.pipeTo(conn.writable); // ends the stream to the peer
   * ```
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableStream(
      (p) => this.writeAll(p),
      () => this.closeWrite(),
      (message, cause) => {
        abortWritable(this.#operations, message, cause);
        this.#progress();
      },
    );
  }

  /**
   * Ends the stream to the peer (half-close). The peer reads everything that was written, then the
   * end. This side can still read. Writes that wait are done first.
   *
   * @returns A promise that settles when the end is queued, as for a TCP connection. {@linkcode
   * Connection.drained} waits until the peer has acknowledged everything, the end included.
   * @throws {ConnectionError} When the connection has failed, or the timeout has passed while earlier
   * writes wait. The stream is not ended then.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.writeAll(new TextEncoder().encode("request"));
   * await conn.closeWrite();
   * console.log(await new Response(conn.readable).text());
   * ```
   */
  async closeWrite(options: OperationOptions = {}): Promise<void> {
    await this.#writing.end(this.#writeRules(options));
    if (this.#reading.cancelled) this.close();
  }

  /**
   * Closes the connection. Pending reads and writes reject. Data that was written before is still
   * delivered, for up to the time of the `linger` option. {@linkcode Connection.closed} settles
   * with the result.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * const conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * await conn.writeAll(new TextEncoder().encode("hello"));
   * conn.close();
   * await conn.closed; // everything was delivered
   * ```
   */
  close(): void {
    closeHere(this.#operations);
    this.#progress();
  }

  /**
   * Ends the connection at once. Queued data is dropped. The peer is told, and its operations reject
   * with a {@linkcode ConnectionError} of kind `reset`. A peer of another implementation is not told.
   *
   * @param reason The reason. The peer gets it as {@linkcode ConnectionError.reason}, cut after 512
   * bytes; of an `Error`, it gets the message. On this side it is the message of the error that
   * {@linkcode Connection.closed} rejects with, and an `Error` is the `cause` of that.
   * @param closeCode A code for the peer: {@linkcode ConnectionError.closeCode}. 0 to 65535.
   * @throws {TypeError | RangeError} When the reason or the code has the wrong type, or the code is
   * out of its range.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * const conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * try {
   *   await conn.write(new TextEncoder().encode("{}"));
   * } catch (error) {
   *   conn.abort(error as Error, 400);
   * }
   * ```
   */
  abort(reason: string | Error = "", closeCode = 0): void {
    abortHere(this.#operations, reason, closeCode);
    this.#progress();
  }

  #cancelRead(): void {
    this.#reading.cancel();
    if (this.#session.writeEnded) this.close();
  }

  /**
   * Keeps the process alive while the connection is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.unref();
   * conn.ref(); // the process waits again
   * ```
   */
  ref(): void {
    this.#driver.ref();
  }

  /**
   * Lets the process end while the connection is open. All connections of one listener share one
   * socket, so this changes all of them.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   * conn.unref(); // the process may end while the connection is idle
   * ```
   */
  unref(): void {
    this.#driver.unref();
  }

  /**
   * Calls {@linkcode Connection.close}.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * {
   *   using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   *   await conn.writeAll(new TextEncoder().encode("hello"));
   * } // closes it
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode Connection.close}, then waits until the connection has ended, with or without
   * an error. On the side that called `connect`, it also waits until the socket is closed: three
   * retransmission timeouts, in which a peer that missed the last acknowledgment is answered, and up
   * to a second if the peer has not ended its stream. If other connections use the socket, it stays open
   * for them.
   *
   * @example
   * ```ts
   * import { connect } from "@lowlatency/kcp";
   *
   * {
   *   await using conn = await connect({ hostname: "127.0.0.1", port: 4000 });
   *   await conn.writeAll(new TextEncoder().encode("hello"));
   * } // closes it, and waits until everything is delivered
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.#ownsSocket) this.#session.shortenTimeWait(Infinity);
    await this.closed.catch(() => {});
    if (!this.#ownsSocket) return;
    // The process must not end while it waits.
    this.#driver.ref();
    await this.#driver.over(this.#session);
  }

  #readRules(options: OperationOptions): OperationRules {
    return { ...options, defaultTimeout: this.readTimeout };
  }

  #writeRules(options: OperationOptions): OperationRules {
    return { ...options, defaultTimeout: this.writeTimeout };
  }

  /** Completes the operations that became possible, and handles the end of the session. */
  #progress(): void {
    const session = this.#session;
    this.#operations.serve();
    this.#streamNotice.update();
    this.#datagramNotice.update();
    if (session.state !== "closed") return;
    if (this.#ownsSocket && !this.#driver.busy) this.#driver.unref();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (session.error) this.#ended.reject(session.error);
    else this.#ended.resolve();
    // The application must not run in the middle of a batch of packets.
    if (diagnostics) queueMicrotask(() => diagnostics?.connectionClosed(this, session.error));
  }

  #moved(from: UdpAddress): void {
    diagnostics?.connectionMigrated(this, from);
    this.onMigrate?.(from);
  }
}
