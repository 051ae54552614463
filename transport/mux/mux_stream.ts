import { showAs } from "../connection/inspect.ts";
import type { OperationOptions } from "../connection/operation_queue.ts";
import { shown } from "../session/shown.ts";
import type { MuxAddress } from "./carrier.ts";
import { MuxError } from "./machine/errors.ts";
import type { MuxMachineStream } from "./machine/stream_face.ts";
import type { MuxSession } from "./session.ts";
import { StreamCore } from "./stream_core.ts";
import { MuxReceiveStream, MuxSendStream } from "./web_streams.ts";

/** How far a stream has come. */
export type MuxStreamState =
  /** It can be used: at least one direction has not ended. */
  | "open"
  /** It was closed on this side. What was written before is still being sent. */
  | "closing"
  /** Nothing can happen to it any more. What has arrived can still be read. */
  | "closed";

/** Makes a stream: the constructor is private, so that only a mux can. */
export let newStream: (stream: MuxMachineStream, session: MuxSession, number: number) => MuxStream;

/**
 * A stream of a {@linkcode Mux}: two directions of bytes, each of which ends on its own. It has the
 * members of `Deno.QuicBidirectionalStream`, of `Deno.Conn`, and those of `Connection` that make
 * sense for a stream.
 *
 * Operations that wait reject with a {@linkcode MuxError} when the stream, the mux or the
 * connection below has ended. What has arrived before can still be read.
 *
 * A stream that nobody reads holds no other one up. Under version 2, its peer waits when the window
 * of the stream is full. Version 1 has no window for a stream: see {@linkcode
 * MuxOptions.stallGrace}.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * await using stream = await mux.createBidirectionalStream();
 * await stream.writeAll(new TextEncoder().encode("hello"), { timeout: 1000 });
 * await stream.closeWrite();
 * console.log(await new Response(stream.readable).text());
 * ```
 */
export class MuxStream implements AsyncDisposable, Disposable {
  static {
    newStream = (stream, session, number) => new MuxStream(stream, session, number);
    showAs(MuxStream, "MuxStream", (stream) => {
      const { id, state, sendOrder } = stream;
      return { id, state, sendOrder };
    });
  }

  /**
   * How long (ms) a read may wait, 0 to `Infinity`. Default: Infinity.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.readTimeout = 5000;
   * await stream.read(new Uint8Array(10)); // is rejected after 5 s
   * ```
   */
  readTimeout: number = Infinity;
  /**
   * How long (ms) a write may wait, 0 to `Infinity`. Default: Infinity.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.writeTimeout = 5000;
   * await stream.writeAll(new Uint8Array(1_000_000)); // is rejected after 5 s
   * ```
   */
  writeTimeout: number = Infinity;
  readonly #core: StreamCore;
  readonly #session: number;
  #readable: MuxReceiveStream | null = null;
  #writable: MuxSendStream | null = null;

  private constructor(stream: MuxMachineStream, session: MuxSession, number: number) {
    this.#core = new StreamCore(stream, session);
    this.#session = number;
  }

  /**
   * The id of the stream, unique in its mux: odd if the client has opened it, else even. It is the
   * id on the wire, plus 2^32 times the number of the session, which is 0 unless the mux has
   * several.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * console.log(stream.id); // 3
   * ```
   */
  get id(): number {
    return this.#core.stream.id + this.#session * 2 ** 32;
  }

  /**
   * How far the stream has come.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * console.log(stream.state); // open
   * ```
   */
  get state(): MuxStreamState {
    const { stream, closedHere } = this.#core;
    if (stream.closed) return "closed";
    return closedHere ? "closing" : "open";
  }

  /**
   * Settles when nothing can happen to the stream any more. Resolves if both directions have ended
   * and everything was read, or this side has closed it and everything was sent. Otherwise it
   * rejects with the reason.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.close();
   * await stream.closed;
   * ```
   */
  get closed(): Promise<void> {
    return this.#core.closed;
  }

  /**
   * The address of this side of the connection below.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * console.log(stream.localAddr.port);
   * ```
   */
  get localAddr(): MuxAddress {
    return this.#core.session.carrier.localAddr ?? UNKNOWN;
  }

  /**
   * The address of the peer of the connection below.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * console.log(stream.remoteAddr.hostname);
   * ```
   */
  get remoteAddr(): MuxAddress {
    return this.#core.session.carrier.remoteAddr ?? UNKNOWN;
  }

  /**
   * The priority of what this side sends. As long as a stream of a higher order in the same group
   * has something to send, this one sends nothing. Any finite number; a change holds at once.
   * Default: 0.
   *
   * @throws {RangeError} When it is set to another value.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.sendOrder = 10; // before all streams of a lower order
   * ```
   */
  get sendOrder(): number {
    return this.#core.stream.sendOrder;
  }

  set sendOrder(order: number) {
    this.#core.stream.sendOrder = order;
  }

  /**
   * The group of the stream: see {@linkcode MuxStreamOptions.sendGroup}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * console.log(stream.sendGroup); // null
   * ```
   */
  get sendGroup(): unknown {
    return this.#core.stream.sendGroup;
  }

  /**
   * The share of the bytes among streams of one group and order that have something to send: a
   * stream of weight 32 sends twice as much as one of weight 16. 1 to 256. Default: 16.
   *
   * @throws {RangeError} When it is set to another value.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.weight = 32; // twice as much as the others
   * ```
   */
  get weight(): number {
    return this.#core.stream.weight;
  }

  set weight(weight: number) {
    this.#core.stream.setWeight(weight);
  }

  /**
   * Bytes that were written, and have not been given to the connection below.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.tryWrite(new Uint8Array(10_000));
   * console.log(stream.unsentBytes);
   * ```
   */
  get unsentBytes(): number {
    return this.#core.stream.queued;
  }

  /**
   * Bytes that can be read at once.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const bytes = new Uint8Array(stream.readableBytes);
   * stream.tryRead(bytes);
   * ```
   */
  get readableBytes(): number {
    return this.#core.stream.readable;
  }

  /**
   * Reads bytes. Waits until at least one byte is there. Reads complete in the order of their
   * calls.
   *
   * @param p The buffer for the bytes.
   * @returns The number of bytes that were read, at least 1; null at the end of the peer's
   * direction; 0 only if `p` is empty.
   * @throws {MuxError} When the stream has failed or was closed on this side, or the timeout has
   * passed.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const buffer = new Uint8Array(1024);
   * for (let count; (count = await stream.read(buffer, { timeout: 5000 })) !== null;) {
   *   console.log(buffer.subarray(0, count));
   * }
   * ```
   */
  read(p: Uint8Array, options: OperationOptions = {}): Promise<number | null> {
    return this.#core.read(p, this.#limits(options, this.readTimeout));
  }

  /**
   * Reads the bytes that are there, without waiting and without a promise. {@linkcode
   * MuxStream.onReadable} tells when to call it.
   *
   * @param p The buffer for the bytes.
   * @returns The number of bytes that were read; 0 when none are there now, or when earlier reads
   * wait for them; null at the end of the peer's direction.
   * @throws {MuxError} When the stream has failed or was closed on this side.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const buffer = new Uint8Array(65_536);
   * stream.onReadable = () => {
   *   for (let count; (count = stream.tryRead(buffer));) console.log(buffer.subarray(0, count));
   * };
   * await stream.write(new TextEncoder().encode("hello"));
   * ```
   */
  tryRead(p: Uint8Array): number | null {
    return this.#core.tryRead(p);
  }

  /**
   * Called when {@linkcode MuxStream.tryRead} may give something new: bytes have arrived, or the
   * end, or the stream has failed. It is called soon after it is set if something is there already.
   * Several frames may share a call.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.onReadable = () => console.log(stream.readableBytes);
   * ```
   */
  get onReadable(): (() => void) | null {
    return this.#core.readableCallback;
  }

  set onReadable(callback: (() => void) | null) {
    this.#core.readableCallback = callback;
  }

  /**
   * Writes bytes. What the connection below takes at once is not copied. Up to 65,536 bytes that
   * must wait are copied; beyond that, the write waits.
   *
   * @param p The bytes. They must not change before the promise settles.
   * @returns The number of bytes that were taken from the start of `p`: at least 1 unless `p` is
   * empty, but maybe not all. {@linkcode MuxStream.writeAll} takes all.
   * @throws {MuxError} When the stream has ended, or the timeout has passed.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const bytes = new Uint8Array(1_000_000);
   * for (let done = 0; done < bytes.length;) done += await stream.write(bytes.subarray(done));
   * ```
   */
  write(p: Uint8Array, options: OperationOptions = {}): Promise<number> {
    return this.#core.write(p, this.#limits(options, this.writeTimeout));
  }

  /**
   * Writes all bytes. Nothing that is written meanwhile comes between them. More than 16,384 bytes
   * are not copied: the promise settles when the connection below has taken them. Fewer are copied
   * if they must wait and there is room, so that small writes share frames.
   *
   * @param p The bytes. They must not change before the promise settles.
   * @throws {MuxError} When the stream has ended, or the timeout for all of it has passed. The
   * first part of the bytes may have been written then: the message of a timeout says how many.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * await stream.writeAll(new Uint8Array(1_000_000), { timeout: 30_000 });
   * ```
   */
  writeAll(p: Uint8Array, options: OperationOptions = {}): Promise<void> {
    return this.#core.writev([p], this.#limits(options, this.writeTimeout));
  }

  /**
   * Writes several pieces one after the other, as {@linkcode MuxStream.writeAll} does: for example
   * a header and a body.
   *
   * @param pieces The pieces. They must not change before the promise settles.
   * @throws {MuxError} See {@linkcode MuxStream.writeAll}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const body = new TextEncoder().encode("hello");
   * await stream.writev([new Uint8Array([body.length]), body]);
   * ```
   */
  writev(pieces: readonly Uint8Array[], options: OperationOptions = {}): Promise<void> {
    return this.#core.writev(pieces, this.#limits(options, this.writeTimeout));
  }

  /**
   * Writes bytes without waiting and without a promise. {@linkcode MuxStream.onWritable} tells when
   * to call it again.
   *
   * @param p The bytes. They are copied.
   * @returns The number of bytes that were taken from the start of `p`; fewer than all when 65,536
   * bytes wait; 0 when earlier writes wait.
   * @throws {MuxError} When the stream has ended.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const count = stream.tryWrite(new TextEncoder().encode("hello"));
   * console.log(count); // 5
   * ```
   */
  tryWrite(p: Uint8Array): number {
    return this.#core.tryWrite(p);
  }

  /**
   * Called when there is room again, after {@linkcode MuxStream.tryWrite} was cut short. It is
   * called soon after it is set if there is room already.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const bytes = new Uint8Array(1_000_000);
   * let done = 0;
   * stream.onWritable = () => {
   *   for (let count; (count = stream.tryWrite(bytes.subarray(done))) > 0;) done += count;
   * };
   * ```
   */
  get onWritable(): (() => void) | null {
    return this.#core.writableCallback;
  }

  set onWritable(callback: (() => void) | null) {
    this.#core.writableCallback = callback;
  }

  /**
   * The bytes that arrive, as a stream. See {@linkcode MuxReceiveStream}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * for await (const chunk of stream.readable) console.log(chunk.length);
   * ```
   */
  get readable(): MuxReceiveStream {
    return this.#readable ??= new MuxReceiveStream(this.#core, BigInt(this.id));
  }

  /**
   * The bytes to send, as a stream, with a `sendOrder` that can be set. See {@linkcode
   * MuxSendStream}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const file = new Blob(["hello"]);
   * await file.stream().pipeTo(stream.writable);
   * ```
   */
  get writable(): MuxSendStream {
    return this.#writable ??= new MuxSendStream(this.#core, BigInt(this.id));
  }

  /**
   * Ends the direction of this side (half-close). The peer reads everything that was written, then
   * the end. This side can still read. Writes that wait are done first.
   *
   * @returns A promise that settles when the end is queued.
   * @throws {MuxError} When the stream has failed, or the timeout has passed while earlier writes
   * wait. The direction has not ended then.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * await stream.writeAll(new TextEncoder().encode("request"));
   * await stream.closeWrite();
   * console.log(await new Response(stream.readable).text());
   * ```
   */
  async closeWrite(options: OperationOptions = {}): Promise<void> {
    await this.#core.closeWrite(this.#limits(options, this.writeTimeout));
  }

  /**
   * Closes the stream. Pending reads and writes reject. What was written before is still sent, and
   * then the end. What arrives is dropped; the writes of a peer that runs this module fail.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * await stream.write(new TextEncoder().encode("bye"));
   * stream.close();
   * ```
   */
  close(): void {
    this.#core.close(new MuxError("closed", "The stream was closed on this side"));
  }

  /**
   * Ends both directions at once. What waits is dropped. A peer that runs this module learns the
   * code: its operations reject with a {@linkcode MuxError} of kind `reset`. For another peer it
   * looks like the end of the direction.
   *
   * @param reason The message of the errors on this side. An `Error` is their `cause`. smux has no
   * words for a peer.
   * @param code A code for the peer: {@linkcode MuxError.closeCode}. 0 to 2^32 - 257.
   * @throws {TypeError | RangeError} When the reason or the code has the wrong type, or the code is
   * out of its range.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * const stop = new Error("The user has left");
   * stream.abort(stop, 7);
   * console.log(await stream.closed.catch((error) => error.cause === stop)); // true
   * ```
   */
  abort(reason: string | Error = "", code = 0): void {
    this.#core.abort(abortError(reason, "The stream was aborted on this side"), code);
  }

  /**
   * Keeps the process alive while the connection below is open. This is the initial state.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.unref();
   * stream.ref(); // the process waits again
   * ```
   */
  ref(): void {
    this.#core.session.carrier.ref();
  }

  /**
   * Lets the process end while the connection below is open: this holds for all its streams.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * stream.unref(); // the process may end while nothing happens
   * ```
   */
  unref(): void {
    this.#core.session.carrier.unref();
  }

  /**
   * Calls {@linkcode MuxStream.close}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * using sameStream = stream; // closes it at the end of the block
   * await sameStream.write(new Uint8Array(10));
   * ```
   */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Calls {@linkcode MuxStream.close}, then waits until everything was sent.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const stream = await mux.createBidirectionalStream();
   * await using sameStream = stream; // waits at the end of the block until everything was sent
   * await sameStream.write(new Uint8Array(10));
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed.catch(() => {});
  }

  #limits({ signal, timeout }: OperationOptions, defaultTimeout: number): OperationOptions {
    return { signal, timeout: timeout ?? defaultTimeout };
  }
}

/** The address of a connection below that has none. */
const UNKNOWN: MuxAddress = { transport: "tcp", hostname: "", port: 0 };

/** The error on the side that has aborted a stream or a mux. */
export function abortError(reason: unknown, otherwise: string): MuxError {
  if (reason instanceof Error) {
    return new MuxError("closed", reason.message || otherwise, { cause: reason });
  }
  if (typeof reason === "string") return new MuxError("closed", reason || otherwise);
  throw new TypeError(
    `Cannot abort with the reason ${shown(reason)}: it must be a string or an Error`,
  );
}
