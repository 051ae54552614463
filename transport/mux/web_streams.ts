/**
 * The Web Streams of a stream.
 *
 * @module
 */
import { reasonWords } from "../session/shown.ts";
import { MuxError } from "./machine/errors.ts";
import { FIRST_RESERVED_CODE } from "./machine/note.ts";
import { addSent, MuxSendGroup, type MuxSendStats, noneSent } from "./send_group.ts";
import type { Ending, StreamCore } from "./stream_core.ts";

/** Most bytes of a chunk of a readable stream. */
const CHUNK = 65_536;

/**
 * The bytes that arrive on a stream, as `Deno.QuicReceiveStream`. Cancelling it tells a peer that
 * runs this module to stop; the code is the `closeCode` or `streamErrorCode` of the reason, or the
 * reason itself if it is a number. Other peers wait when their window is used up.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * const { readable, writable } = await mux.createBidirectionalStream();
 * await writable.close();
 * for await (const chunk of readable) console.log(readable.id, chunk.length);
 * ```
 */
export class MuxReceiveStream extends ReadableStream<Uint8Array<ArrayBuffer>> {
  /**
   * The id of the stream: see {@linkcode MuxStream.id}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { readable } = await mux.createBidirectionalStream();
   * console.log(readable.id); // 3n
   * ```
   */
  readonly id: bigint;
  readonly #core: StreamCore;

  /** @ignore Streams make it. */
  constructor(core: StreamCore, id: bigint) {
    const source = new Source(core);
    super(source as unknown as UnderlyingSource<Uint8Array<ArrayBuffer>>);
    this.id = id;
    this.#core = core;
  }

  /**
   * What has arrived on the stream.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { readable } = await mux.createBidirectionalStream();
   * console.log((await readable.getStats()).bytesReceived);
   * ```
   */
  // deno-lint-ignore require-await -- as `WebTransportReceiveStream`
  async getStats(): Promise<MuxReceiveStats> {
    const { bytesRead, stream } = this.#core;
    return { bytesReceived: bytesRead + stream.readable, bytesRead };
  }
}

/** What has arrived on a stream, as `WebTransport` counts it. */
export interface MuxReceiveStats {
  /** Bytes that have arrived, and were read or wait to be read. */
  bytesReceived: number;
  /** Bytes that were read. */
  bytesRead: number;
}

/** Gives a byte stream what arrives. */
class Source implements Ending {
  readonly type = "bytes";
  readonly #core: StreamCore;
  #controller!: ReadableByteStreamController;
  #pulling = false;
  #over = false;

  constructor(core: StreamCore) {
    this.#core = core;
    core.readableEnding = this;
  }

  start(controller: ReadableByteStreamController): void {
    this.#controller = controller;
    this.update();
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    this.#pulling = true;
    // A request may have brought its own memory.
    const request = controller.byobRequest;
    const view = request?.view as Uint8Array<ArrayBuffer> | undefined;
    const chunk = await this.#core.readChunk(view?.byteLength ?? CHUNK);
    this.#pulling = false;
    if (chunk === null) {
      this.#over = true;
      controller.close();
      request?.respond(0);
    } else if (view) {
      new Uint8Array(view.buffer, view.byteOffset, chunk.length).set(chunk);
      request!.respond(chunk.length);
    } else {
      controller.enqueue(chunk);
    }
  }

  cancel(reason: unknown): void {
    this.#over = true;
    this.#core.cancel(codeOf(reason));
  }

  /** A stream that failed while nobody reads must tell it, too. */
  update(): void {
    if (this.#over || this.#pulling) return;
    const { closedHere, stream } = this.#core;
    const error = closedHere ?? (stream.readable === 0 ? stream.readError : null);
    if (!error) return;
    this.#over = true;
    this.#controller.error(error);
  }
}

/**
 * The bytes to send on a stream, as `Deno.QuicSendStream`. Closing it ends the direction of this
 * side. Aborting it drops what waits, and ends the direction: a peer that runs this module learns
 * the code, which is the `closeCode` or `streamErrorCode` of the reason, or the reason itself if it
 * is a number; for another peer it looks like the end.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * const { writable } = await mux.createBidirectionalStream();
 * writable.sendOrder = 10;
 * const writer = writable.getWriter();
 * await writer.write(new TextEncoder().encode("urgent"));
 * await writer.close();
 * ```
 */
export class MuxSendStream extends WritableStream<Uint8Array> {
  /**
   * The id of the stream: see {@linkcode MuxStream.id}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * console.log(writable.id); // 3n
   * ```
   */
  readonly id: bigint;
  readonly #core: StreamCore;

  /** @ignore Streams make it. */
  constructor(core: StreamCore, id: bigint) {
    super(new Sink(core));
    this.id = id;
    this.#core = core;
  }

  /**
   * The priority of the stream: see {@linkcode MuxStream.sendOrder}.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * writable.sendOrder = 10;
   * ```
   */
  get sendOrder(): number {
    return this.#core.stream.sendOrder;
  }

  set sendOrder(order: number) {
    this.#core.stream.sendOrder = order;
  }

  /**
   * The group of the stream, if {@linkcode Mux.createSendGroup} has made it.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * console.log(writable.sendGroup); // undefined
   * ```
   */
  get sendGroup(): MuxSendGroup | undefined {
    const { sendGroup } = this.#core.stream;
    return sendGroup instanceof MuxSendGroup ? sendGroup : undefined;
  }

  /**
   * What was sent on the stream.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * console.log((await writable.getStats()).bytesSent);
   * ```
   */
  // deno-lint-ignore require-await -- as `WebTransportSendStream`
  async getStats(): Promise<MuxSendStats> {
    const stats = noneSent();
    addSent(stats, this.#core.stream);
    return stats;
  }

  /**
   * Locks the stream for a writer, which can also write all or nothing.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * const writer = writable.getWriter();
   * await writer.write(new TextEncoder().encode("hello"));
   * ```
   */
  override getWriter(): MuxWriter {
    return new MuxWriter(this, this.#core);
  }
}

/**
 * Writes to a {@linkcode MuxSendStream}: `WebTransportWriter`.
 *
 * @example
 * ```ts
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ port: 4000 });
 * const { writable } = await mux.createBidirectionalStream();
 * const writer = writable.getWriter();
 * await writer.write(new TextEncoder().encode("hello"));
 * await writer.atomicWrite(new TextEncoder().encode("all or nothing"));
 * ```
 */
export class MuxWriter extends WritableStreamDefaultWriter<Uint8Array> {
  readonly #core: StreamCore;

  /** @ignore A stream makes it. */
  constructor(stream: WritableStream<Uint8Array>, core: StreamCore) {
    super(stream);
    this.#core = core;
  }

  /**
   * Writes bytes if the peer allows all of them now. Otherwise nothing is written, and the stream
   * goes on. Under version 1, peers allow everything.
   *
   * @throws {DOMException} Of the name `AbortError`, if the bytes would have to wait for the peer,
   * or earlier writes wait.
   *
   * @example
   * ```ts
   * import { connectMux } from "@lowlatency/kcp/mux";
   *
   * await using mux = await connectMux({ port: 4000 });
   * const { writable } = await mux.createBidirectionalStream();
   * const writer = writable.getWriter();
   * await writer.atomicWrite(new TextEncoder().encode("all or nothing"));
   * ```
   */
  async atomicWrite(chunk: Uint8Array): Promise<undefined> {
    const { credit, queued } = this.#core.stream;
    if (this.desiredSize !== null && (this.desiredSize <= 0 || credit - queued < chunk.length)) {
      throw new DOMException(`${chunk.length} bytes would have to wait`, "AbortError");
    }
    await this.write(chunk);
  }
}

/** Takes what a writable stream gives. */
class Sink implements UnderlyingSink<Uint8Array>, Ending {
  readonly #core: StreamCore;
  #controller!: WritableStreamDefaultController;
  #over = false;

  constructor(core: StreamCore) {
    this.#core = core;
    core.writableEnding = this;
  }

  start(controller: WritableStreamDefaultController): void {
    this.#controller = controller;
    this.update();
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#core.writev([bytes], { timeout: Infinity });
  }

  async close(): Promise<void> {
    await this.#core.closeWrite({ timeout: Infinity });
    this.#over = true;
  }

  abort(reason: unknown): void {
    this.#over = true;
    const message = `The writable stream was aborted${reasonWords(reason)}`;
    this.#core.resetWrite(codeOf(reason), new MuxError("closed", message));
  }

  /** A stream that failed while nobody writes must tell it, too. */
  update(): void {
    if (this.#over) return;
    const { closedHere, stream } = this.#core;
    const error = closedHere ?? stream.writeError;
    if (!error) return;
    this.#over = true;
    this.#controller.error(error);
  }
}

/** The code of a reason to end a direction; 0 if it has none. */
function codeOf(reason: unknown): number {
  const details = typeof reason === "object" && reason !== null ? reason : {};
  const { closeCode, streamErrorCode } = details as Record<string, unknown>;
  const code = Number(typeof reason === "number" ? reason : closeCode || streamErrorCode);
  return Number.isInteger(code) && code >= 0 && code < FIRST_RESERVED_CODE ? code : 0;
}
