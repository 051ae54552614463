import { Connection } from "../connection/connection.ts";
import { deferred } from "../connection/deferred.ts";
import type { Clock } from "../connection/driver.ts";
import { showAs } from "../connection/inspect.ts";
import type { OperationOptions } from "../connection/operation_queue.ts";
import { SystemClock } from "../connection/system_clock.ts";
import { type ByteConn, type ByteStreams, ConnChannel, StreamsChannel } from "./byte_channel.ts";
import { ConnectionError } from "../session/errors.ts";
import { shown } from "../session/shown.ts";
import type { Carrier, MuxAddress } from "./carrier.ts";
import { ChannelCarrier } from "./channel_carrier.ts";
import { ConnectionCarrier } from "./connection_carrier.ts";
import { MuxDatagrams } from "./datagrams.ts";
import { MuxError } from "./machine/errors.ts";
import { FIRST_RESERVED_CODE } from "./machine/note.ts";
import { checkInteger } from "./machine/options.ts";
import type { MuxMachineStats } from "./machine/stats.ts";
import type { MuxMachineStream } from "./machine/stream_face.ts";
import { MuxCore, type MuxState } from "./mux_core.ts";
import { type MuxOverOptions, type ResolvedMux, splitMuxOptions } from "./mux_options.ts";
import { abortError, type MuxStream, newStream } from "./mux_stream.ts";
import { joinGroup, MuxSendGroup } from "./send_group.ts";
import type { MuxCloseInfo, MuxSession } from "./session.ts";

/** Settings of a stream that this side opens. */
export interface MuxStreamOptions {
  /** The priority: see {@linkcode MuxStream.sendOrder}. Default: 0. */
  sendOrder?: number;
  /**
   * Streams of one group have an order among themselves; groups share the bytes equally. Any value
   * names a group, such as one of {@linkcode Mux.createSendGroup}. In a mux with several sessions,
   * all streams of a group run over the same session. Default: the group of all streams that have
   * none, which are spread over all sessions.
   */
  sendGroup?: unknown;
  /** The share of the bytes: see {@linkcode MuxStream.weight}. 1 to 256. Default: 16. */
  weight?: number;
  /**
   * Waits until the peer has answered, for the first time. smux limits no number of streams, so
   * there is nothing else to wait for. Default: false.
   */
  waitUntilAvailable?: boolean;
  /**
   * Rejects with the signal's reason when it is aborted before the stream is open. Default: none.
   */
  signal?: AbortSignal;
}

/** Adds a session to a mux that has several. Only this folder needs it. */
export let addConnection: (mux: Mux, connection: Connection) => void;

/**
 * Many streams over one connection, on the wire of smux, versions 1 and 2. It has the members of
 * `Deno.QuicConn` and of `WebTransport`.
 *
 * The connection below may be a `Connection` of this library, a TCP connection (`Deno.Conn`), or
 * any pair of Web Streams. It belongs to the mux from then on.
 *
 * **The limit:** one ordered stream of bytes runs underneath. A packet that is lost delays all
 * streams, until its retransmission arrives: QUIC delays only the streams whose bytes it carried.
 * The option `sessions` of {@linkcode connectMux} spreads the streams over several conversations,
 * so that a loss delays only those that share one with it.
 *
 * smux has no streams of one direction: {@linkcode Mux.createUnidirectionalStream} rejects.
 *
 * @example Over TCP
 * ```ts
 * import { Mux } from "@lowlatency/kcp/mux";
 *
 * const conn = await Deno.connect({ hostname: "127.0.0.1", port: 4000 });
 * await using mux = new Mux(conn, { client: true });
 * const stream = await mux.createBidirectionalStream({ sendOrder: 1 });
 * await stream.writeAll(new TextEncoder().encode("hello"));
 * ```
 */
export class Mux implements AsyncDisposable, Disposable, AsyncIterable<MuxStream> {
  static {
    addConnection = (mux, connection) => {
      if (mux.state === "open") mux.#core.add(new ConnectionCarrier(connection));
      else connection.close();
    };
    showAs(Mux, "Mux", (mux) => {
      const { remoteAddr, state, stats } = mux;
      return { remoteAddr, state, streams: stats.streams };
    });
  }

  /**
   * Settles when the mux has ended. Resolves with the code and the reason of the side that has
   * closed it. A peer that does not run this module tells neither: the code is 0 then. On the side
   * that has closed it, what was written has been delivered then. It rejects with a {@linkcode
   * MuxError} if the connection below has failed, or the peer has broken the protocol.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * mux.closed.then(
   *   ({ closeCode, reason }) => console.log(closeCode, reason),
   *   (error) => console.error(error.kind, error.cause),
   * );
   * ```
   */
  readonly closed: Promise<MuxCloseInfo>;
  /**
   * Resolves when the mux is about to end, and no stream can be opened any more: it was closed on
   * this side, or has ended.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * mux.draining.then(() => console.log("open no more streams"));
   * ```
   */
  readonly draining: Promise<void>;
  /**
   * The ALPN protocol of QUIC: there is none.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.protocol); // undefined
   * ```
   */
  readonly protocol: undefined = undefined;
  /**
   * The server name of QUIC: there is none.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.serverName); // undefined
   * ```
   */
  readonly serverName: undefined = undefined;
  readonly #core: MuxCore;
  readonly #connection: Connection | null;
  #ready: Promise<void> | null = null;
  #incoming: ReadableStream<MuxStream> | null = null;
  #incomingUnidirectional: ReadableStream<never> | null = null;
  #datagrams: MuxDatagrams | null = null;

  /**
   * Runs streams over a connection.
   *
   * @param below The connection: one of this library, an object with `read` and `write` as
   * `Deno.Conn` has them, or a pair of Web Streams. It must be used for nothing else; datagrams may
   * be used.
   * @param options Settings. `client` tells the two sides apart.
   * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range, or
   * the connection is none.
   *
   * @example
   * ```ts
   * import { listen } from "@lowlatency/kcp";
   * import { Mux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listen({ port: 4000 });
   * for await (const conn of listener) {
   *   const mux = new Mux(conn, { client: false });
   *   console.log(mux.remoteAddr);
   * }
   * ```
   */
  constructor(below: Connection | ByteConn | ByteStreams, options: MuxOverOptions) {
    const [{ client, clock }, settings] = splitMuxOptions(options);
    this.#connection = below instanceof Connection ? below : null;
    this.#core = new MuxCore(carrierOf(below, settings, clock), client, settings);
    this.closed = this.#core.closed.promise;
    this.draining = this.#core.draining.promise;
    // An application that ignores it must not fail with an unhandled rejection.
    this.closed.catch(() => {});
  }

  /**
   * Settles when the peer has answered. Streams can be opened and written before.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * await mux.ready; // the listener has answered
   * ```
   */
  get ready(): Promise<void> {
    if (!this.#ready) {
      this.#ready = this.#core.sessions[0].carrier.opened;
      this.#ready.catch(() => {});
    }
    return this.#ready;
  }

  /**
   * The same as {@linkcode Mux.ready}: `Deno.QuicConn` has this name for it.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * await mux.handshake;
   * ```
   */
  get handshake(): Promise<void> {
    return this.ready;
  }

  /**
   * How far the mux has come.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.state); // open
   * ```
   */
  get state(): MuxState {
    return this.#core.state;
  }

  /**
   * The connection of this library below; the first one if there are several, null if it is
   * another.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.connection?.rtt, mux.connection?.stats.bytesOut);
   * ```
   */
  get connection(): Connection | null {
    return this.#connection;
  }

  /**
   * The number of conversations below.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.sessions); // 1
   * ```
   */
  get sessions(): number {
    return this.#core.sessions.length;
  }

  /**
   * The address of this side of the connection below. Its port is 0 if it is unknown.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.localAddr.port);
   * ```
   */
  get localAddr(): MuxAddress {
    return this.#core.sessions[0].carrier.localAddr ?? { transport: "tcp", hostname: "", port: 0 };
  }

  /**
   * The address of the peer of the connection below. Its port is 0 if it is unknown.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.remoteAddr.hostname);
   * ```
   */
  get remoteAddr(): MuxAddress {
    return this.#core.sessions[0].carrier.remoteAddr ?? { transport: "tcp", hostname: "", port: 0 };
  }

  /**
   * Counters, summed up over all sessions, and the number of open streams: a snapshot.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { streams, framesSent } = mux.stats;
   * console.log(`${streams} streams, ${framesSent} frames sent`);
   * ```
   */
  get stats(): MuxMachineStats & { streams: number } {
    return this.#core.stats;
  }

  // ——— Streams ———

  /**
   * Opens a stream. It can be written at once; the peer learns of it with the first frame.
   *
   * @throws {MuxError} When the mux was closed or has ended, or every id was used.
   * @throws {RangeError} When a setting is out of its range.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const bulk = await mux.createBidirectionalStream();
   * const urgent = await mux.createBidirectionalStream({ sendOrder: 1 });
   * const sending = bulk.writeAll(new Uint8Array(10_000_000));
   * await urgent.writeAll(new TextEncoder().encode("now")); // overtakes the rest of the other one
   * await sending;
   * ```
   */
  async createBidirectionalStream(options: MuxStreamOptions = {}): Promise<MuxStream> {
    const { waitUntilAvailable = false, signal, ...settings } = options;
    signal?.throwIfAborted();
    if (waitUntilAvailable) await orAborted(this.ready, signal);
    const core = this.#core;
    if (core.failure) throw core.failure;
    const session = core.spread.sessionFor(settings.sendGroup);
    const stream = session.machine.open(settings);
    if (settings.sendGroup instanceof MuxSendGroup) joinGroup(settings.sendGroup, stream);
    return this.#streamOf(stream, session);
  }

  #streamOf(stream: MuxMachineStream, session: MuxSession): MuxStream {
    return newStream(stream, session, this.#core.sessions.indexOf(session));
  }

  /**
   * Makes a name for a group of streams.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000, sessions: 4 });
   * const sendGroup = mux.createSendGroup();
   * const control = await mux.createBidirectionalStream({ sendGroup, sendOrder: 1 });
   * const data = await mux.createBidirectionalStream({ sendGroup });
   * console.log(control.id, data.id); // they share a conversation
   * ```
   */
  createSendGroup(): MuxSendGroup {
    return new MuxSendGroup();
  }

  /**
   * smux has no streams of one direction: use a stream of two, and end one of them.
   *
   * @throws {MuxError} Always, of kind `unsupported`.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * await mux.createUnidirectionalStream().catch((error) => console.log(error.kind)); // unsupported
   * const { writable, readable } = await mux.createBidirectionalStream();
   * await readable.cancel(); // this one has one direction
   * await writable.close();
   * ```
   */
  // deno-lint-ignore require-await -- the error becomes a rejection
  async createUnidirectionalStream(_options?: MuxStreamOptions): Promise<never> {
    throw new MuxError(
      "unsupported",
      "Cannot open a stream of one direction: smux has none; use createBidirectionalStream",
    );
  }

  /**
   * Waits for the next stream of the peer. Streams that nobody accepts wait, up to the setting
   * `acceptBacklog`; further ones are refused.
   *
   * @param options How long to wait. Default: no limit.
   * @throws {MuxError} When the mux has ended, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const mux = await listener.accept();
   * const stream = await mux.accept({ timeout: 5000 });
   * await stream.readable.pipeTo(stream.writable);
   * ```
   */
  accept(options: OperationOptions = {}): Promise<MuxStream> {
    const { signal, timeout = Infinity } = options;
    const core = this.#core;
    return core.accepts.run(() => {
      const next = core.nextIncoming();
      if (next) return this.#streamOf(...next);
      if (core.over) throw core.endError;
      return undefined;
    }, { signal, timeout });
  }

  /**
   * The streams of the peer as a stream: {@linkcode Mux.accept} in a loop. It ends when the mux is
   * closed, and fails if the mux fails.
   *
   * @example
   * ```ts
   * import { listenMux } from "@lowlatency/kcp/mux";
   *
   * using listener = await listenMux({ port: 4000 });
   * const mux = await listener.accept();
   * for await (const { readable, writable } of mux.incomingBidirectionalStreams) {
   *   readable.pipeTo(writable).catch(() => {});
   * }
   * ```
   */
  get incomingBidirectionalStreams(): ReadableStream<MuxStream> {
    return this.#incoming ??= new ReadableStream({
      pull: async (controller) => {
        const stream = await this.#acceptOrEnd();
        if (stream) controller.enqueue(stream);
        else controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /**
   * It gives nothing, and ends with the mux: smux has no streams of one direction.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * for await (const _none of mux.incomingUnidirectionalStreams);
   * console.log("the mux was closed");
   * ```
   */
  get incomingUnidirectionalStreams(): ReadableStream<never> {
    return this.#incomingUnidirectional ??= new ReadableStream({
      // A stream that was cancelled is not pulled any more, but it may be over before this one.
      pull: (controller) => this.closed.then(() => controller.close()),
    }, { highWaterMark: 1 });
  }

  /**
   * Iterates over the streams of the peer. The iteration ends when the mux is closed, and throws if
   * the mux fails. Leaving the loop does not close the mux.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * for await (const stream of mux) stream.readable.pipeTo(stream.writable).catch(() => {});
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<MuxStream> {
    for (let stream; (stream = await this.#acceptOrEnd()) !== null;) yield stream;
  }

  /** The next stream of the peer; null when the mux was closed. */
  async #acceptOrEnd(): Promise<MuxStream | null> {
    try {
      return await this.accept();
    } catch (error) {
      if (this.#core.failure) throw error;
      return null;
    }
  }

  // ——— Datagrams ———

  /**
   * Sends a datagram beside the streams, if the connection below is one of this library. It may be
   * lost, arrive twice, or overtake others.
   *
   * @param data 0 to {@linkcode Mux.maxDatagramSize} bytes. They are copied.
   * @throws {RangeError} When there are more bytes.
   * @throws {MuxError} Of kind `unsupported`, when the connection below has no datagrams.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * await mux.ready;
   * await mux.sendDatagram(new TextEncoder().encode("position 3, 4"));
   * console.log(await mux.readDatagram({ timeout: 1000 }));
   * ```
   */
  // deno-lint-ignore require-await -- an error that is thrown becomes a rejection
  async sendDatagram(data: Uint8Array): Promise<void> {
    this.#below().sendDatagram(data);
  }

  /**
   * Receives the next datagram. The newest 256 wait.
   *
   * @throws {MuxError} When the mux was closed or has ended, the timeout has passed, or the
   * connection below has no datagrams.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const datagram = await mux.readDatagram({ timeout: 1000 });
   * console.log(datagram.length);
   * ```
   */
  async readDatagram(options: OperationOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const connection = this.#below();
    let datagram: Uint8Array<ArrayBuffer> | null = null;
    try {
      datagram = await connection.receiveDatagram({ timeout: Infinity, ...options });
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      if (error.kind === "timeout") throw new MuxError("timeout", error.message);
      // The mux learns of it in a moment.
      if (!this.#core.over) await this.closed.catch(() => {});
    }
    if (datagram === null) throw this.#core.endError;
    return datagram;
  }

  /**
   * Largest datagram in bytes; 0 if the connection below has none.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * await mux.sendDatagram(new Uint8Array(mux.maxDatagramSize));
   * ```
   */
  get maxDatagramSize(): number {
    return this.#connection?.maxDatagramSize ?? 0;
  }

  /**
   * The datagrams as a pair of streams, as `WebTransport` has them.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * for await (const datagram of mux.datagrams.readable) console.log(datagram);
   * ```
   */
  get datagrams(): MuxDatagrams {
    return this.#datagrams ??= new MuxDatagrams(this);
  }

  #below(): Connection {
    if (this.#connection) return this.#connection;
    throw new MuxError("unsupported", "Cannot use datagrams: the connection below has none");
  }

  // ——— The end ———

  /**
   * Closes the mux. What was written on its streams is delivered, for up to the setting `linger`;
   * what arrives is dropped. Pending operations reject. A peer that runs this module learns the
   * code and the reason, another one learns that the connection below was closed.
   *
   * @param info The code, 0 to 2^32 - 257, and the reason, of which 256 bytes are told. Default: 0,
   * and no reason.
   * @throws {RangeError} When the code is out of its range.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * const mux = await connectMux({ port: 4000 });
   * mux.close({ closeCode: 1, reason: "done" });
   * console.log(await mux.closed); // { closeCode: 1, reason: "done" }
   * ```
   */
  close(info: Partial<MuxCloseInfo> = {}): void {
    const { closeCode = 0, reason = "" } = info;
    checkCode(closeCode);
    this.#core.close({ closeCode, reason });
  }

  /**
   * Ends the mux at once. What waits to be sent is dropped. {@linkcode Mux.closed} rejects.
   *
   * @param reason The message of the error that {@linkcode Mux.closed} rejects with, and the reason
   * for the peer. An `Error` is the `cause` of that.
   * @param closeCode A code for the peer, 0 to 2^32 - 257.
   * @throws {TypeError | RangeError} When the reason or the code has the wrong type, or the code is
   * out of its range.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * mux.abort(new Error("The user has left"), 7);
   * ```
   */
  abort(reason: string | Error = "", closeCode = 0): void {
    const error = abortError(reason, "The mux was aborted on this side");
    checkCode(closeCode);
    const words = reason instanceof Error ? reason.message : reason;
    this.#core.abort({ closeCode, reason: words }, error);
  }

  /**
   * Keeps the process alive while the connection below is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * mux.unref();
   * mux.ref(); // the process waits again
   * ```
   */
  ref(): void {
    for (const { carrier } of this.#core.sessions) carrier.ref();
  }

  /**
   * Lets the process end while the connection below is open.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * mux.unref(); // the process may end while nothing happens
   * ```
   */
  unref(): void {
    for (const { carrier } of this.#core.sessions) carrier.unref();
  }

  /**
   * Calls {@linkcode Mux.close}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * using sameMux = mux; // closes it at the end of the block
   * console.log(sameMux.state);
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode Mux.close}, then waits until the connection below has ended.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * console.log(mux.state); // it is closed at the end of the block, which waits for it
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed.catch(() => {});
    const carriers = this.#core.sessions.map(({ carrier }) => carrier);
    await Promise.allSettled(carriers.map(({ closed }) => closed));
    await Promise.all(carriers.map((carrier) => carrier.dispose()));
  }
}

function checkCode(code: number): void {
  checkInteger("closeCode", code, 0, FIRST_RESERVED_CODE - 1);
}

/** Makes what moves the bytes between a session and a connection below. */
function carrierOf(
  below: Connection | ByteConn | ByteStreams,
  { linger }: ResolvedMux,
  clock: Clock = new SystemClock(),
): Carrier {
  if (below instanceof Connection) return new ConnectionCarrier(below);
  if (typeof below === "object" && below !== null) {
    if ("read" in below && "write" in below) {
      return new ChannelCarrier(new ConnChannel(below), below, clock, linger);
    }
    if ("readable" in below && "writable" in below) {
      return new ChannelCarrier(new StreamsChannel(below), {}, clock, linger);
    }
  }
  throw new TypeError(
    `Cannot run streams over ${shown(below)}: it must be a connection or a pair of streams`,
  );
}

/** Waits for a promise, or until a signal is aborted. */
async function orAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return await promise;
  const { promise: aborted, reject } = deferred<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
