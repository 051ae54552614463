import { checkBytes } from "../../kcp/options.ts";
import { type Deferred, deferred } from "../connection/deferred.ts";
import {
  checkLimits,
  type OperationOptions,
  OperationQueue,
} from "../connection/operation_queue.ts";
import { MuxError } from "./machine/errors.ts";
import { FIRST_RESERVED_CODE } from "./machine/note.ts";
import { checkInteger } from "./machine/options.ts";
import type { MuxMachineStream, MuxStreamHandler } from "./machine/stream_face.ts";
import { Notice } from "./notice.ts";
import { leaveGroup, MuxSendGroup } from "./send_group.ts";
import type { MuxSession } from "./session.ts";

/** Most bytes of a stream that are copied because they must wait; a write of more waits itself. */
const SEND_BUFFER = 65_536;
/** A write goes on when so many bytes have room, so that it is not cut into small pieces. */
const LEAST_ROOM = SEND_BUFFER / 4;
/** Most bytes of a write of all bytes that are copied rather than waited for. */
const MAX_COPY = SEND_BUFFER / 4;

/** The result of an operation that has none; undefined would mean that the operation must wait. */
const VOID = null;

/** What ends with a direction of a stream: its Web Stream. */
export interface Ending {
  /** Looks whether the direction has failed. */
  update(): void;
}

/**
 * The operations of a stream. What a stream needs only while it is used is made when it is needed:
 * an idle stream is small.
 */
export class StreamCore implements MuxStreamHandler {
  readonly stream: MuxMachineStream;
  readonly session: MuxSession;
  /** Why the application has ended the stream; null if it has not. */
  closedHere: MuxError | null = null;
  /** Bytes that were read. */
  bytesRead = 0;
  /** The Web Streams, once they are in use. */
  readableEnding: Ending | null = null;
  writableEnding: Ending | null = null;
  #aborted = false;
  #cancelled = false;
  #reads: OperationQueue | null = null;
  #writes: OperationQueue | null = null;
  #readable: Notice | null = null;
  #writable: Notice | null = null;
  #closed: Deferred<void> | null = null;

  constructor(stream: MuxMachineStream, session: MuxSession) {
    this.stream = stream;
    this.session = session;
    session.load++;
    stream.handler = this;
  }

  // ——— Reading ———

  /** See {@linkcode MuxStream.read}. */
  read(p: Uint8Array, options: OperationOptions): Promise<number | null> {
    const attempt = () => {
      checkBytes(p);
      return this.#read(p);
    };
    return this.#run(READ, attempt, options);
  }

  /** See {@linkcode MuxStream.tryRead}. */
  tryRead(p: Uint8Array): number | null {
    checkBytes(p);
    // What is there belongs to the reads that wait.
    if (this.#reads?.busy) return 0;
    const count = this.#read(p);
    return count === undefined ? 0 : count;
  }

  /** Reads the next bytes, as many as are there, for a stream of chunks; null at the end. */
  readChunk(size: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#run(READ, () => {
      const chunk = new Uint8Array(Math.max(1, Math.min(size, this.stream.readable)));
      const count = this.#read(chunk);
      return count === undefined || count === null ? count : chunk;
    }, { timeout: Infinity });
  }

  #read(p: Uint8Array): number | null | undefined {
    if (this.closedHere) throw this.closedHere;
    if (this.#cancelled) throw new MuxError("closed", "Cannot read: the readable was cancelled");
    if (p.length === 0) return 0;
    const { stream } = this;
    if (stream.readable > 0) {
      const count = stream.read(p, this.session.carrier.now());
      this.bytesRead += count;
      return count;
    }
    if (stream.readEnded) return null;
    if (stream.readError) throw stream.readError;
    return undefined;
  }

  /** Reads nothing more. */
  cancel(code: number): void {
    this.#cancelled = true;
    this.stream.stopReading(code);
    this.#reads?.fail(new MuxError("closed", "Cannot read: the readable was cancelled"));
  }

  // ——— Writing ———

  /** See {@linkcode MuxStream.write}. */
  write(p: Uint8Array, options: OperationOptions): Promise<number> {
    return this.#run(WRITE, () => {
      checkBytes(p);
      this.#checkWritable();
      if (p.length === 0) return 0;
      return this.#take(p, Math.min(p.length, LEAST_ROOM)) || undefined;
    }, options);
  }

  /** See {@linkcode MuxStream.tryWrite}. */
  tryWrite(p: Uint8Array): number {
    checkBytes(p);
    this.#checkWritable();
    const count = this.#writes?.busy ? 0 : this.#take(p, 1);
    if (count < p.length) this.#writable?.arm();
    return count;
  }

  /**
   * Takes bytes: those that can be sent now are not copied, others are, as long as the buffer has
   * room.
   *
   * @param least Takes nothing if there is room for fewer bytes.
   * @returns How many bytes were taken.
   */
  #take(p: Uint8Array, least: number): number {
    const { stream } = this;
    let sent = 0;
    if (stream.queued === 0 && p.length > 0) {
      stream.write(p);
      sent = p.length - stream.withdraw();
      if (sent === p.length) return sent;
    }
    const room = SEND_BUFFER - stream.queued;
    if (room < least) return sent;
    const copy = p.slice(sent, sent + room);
    stream.write(copy);
    return sent + copy.length;
  }

  /** See {@linkcode MuxStream.writev}. */
  async writev(pieces: readonly Uint8Array[], options: OperationOptions): Promise<void> {
    const total = lengthOf(pieces);
    const { stream } = this;
    /** Bytes that the machine was given, and has not sent: they lie where the application wrote. */
    let lent = false;
    await this.#run(
      WRITE,
      () => {
        if (lent && this.session.delivers) return VOID;
        if (stream.writeError) throw stream.writeError;
        // What was handed over is sent, even if the mux is being closed.
        if (lent) return stream.queued > 0 ? undefined : VOID;
        this.#checkWritable();
        if (stream.queued > 0) {
          if (total > SEND_BUFFER - stream.queued) return undefined;
          stream.write(lastOf(pieces, total));
          return VOID;
        }
        stream.writev(pieces);
        if (stream.queued === 0) return VOID;
        if (total > MAX_COPY) {
          lent = true;
          return undefined;
        }
        const left = stream.withdraw();
        if (left > 0) stream.write(lastOf(pieces, left));
        return VOID;
      },
      options,
      () => `: ${lent ? total - stream.queued : 0} of ${total} bytes were written`,
      () => {
        if (lent) stream.withdraw();
        lent = false;
      },
    );
  }

  /** See {@linkcode MuxStream.closeWrite}. */
  closeWrite(options: OperationOptions): Promise<null> {
    return this.#run(WRITE, () => {
      if (this.stream.writeError) throw this.stream.writeError;
      this.stream.closeWrite();
      return VOID;
    }, options);
  }

  /** Ends the sending direction at once. */
  resetWrite(code: number, error: MuxError): void {
    this.stream.resetWrite(code);
    this.#writes?.fail(error);
  }

  #checkWritable(): void {
    if (this.closedHere) throw this.closedHere;
    const { writeError, writable } = this.stream;
    if (writeError) throw writeError;
    if (!writable) throw new MuxError("closed", "Cannot write: the stream was ended on this side");
  }

  // ——— The end ———

  /** See {@linkcode MuxStream.close}. */
  close(error: MuxError): void {
    if (this.closedHere) return;
    this.closedHere = error;
    this.#reads?.fail(error);
    this.#writes?.fail(error);
    this.stream.closeWrite();
    this.stream.stopReading();
    this.#update();
  }

  /** See {@linkcode MuxStream.abort}. */
  abort(error: MuxError, code: number): void {
    checkInteger("the code", code, 0, FIRST_RESERVED_CODE - 1);
    this.closedHere = error;
    this.#aborted = true;
    this.#reads?.fail(error);
    this.#writes?.fail(error);
    this.stream.reset(code);
    this.#update();
  }

  /** See {@linkcode MuxStream.closed}. */
  get closed(): Promise<void> {
    if (!this.#closed) {
      this.#closed = deferred();
      this.#closed.promise.catch(() => {});
      if (this.stream.closed) this.#settle(this.#closed);
    }
    return this.#closed.promise;
  }

  #settle({ resolve, reject }: Deferred<void>): void {
    const { writeError, readError } = this.stream;
    const readFailed = this.closedHere || this.#cancelled ? null : readError;
    const error = (this.#aborted ? this.closedHere : null) ?? writeError ?? readFailed;
    if (error) reject(error);
    else resolve();
  }

  // ——— Events ———

  /** See {@linkcode MuxStream.onReadable}. */
  get readableCallback(): (() => void) | null {
    return this.#readable?.callback ?? null;
  }

  set readableCallback(callback: (() => void) | null) {
    this.#readable?.cancel();
    this.#readable = callback && new Notice(callback, this.stream);
    const { readable, readEnded, readError } = this.stream;
    if (readable > 0 || readEnded || readError) this.#readable?.call();
  }

  /** See {@linkcode MuxStream.onWritable}. */
  get writableCallback(): (() => void) | null {
    return this.#writable?.callback ?? null;
  }

  set writableCallback(callback: (() => void) | null) {
    this.#writable?.cancel();
    this.#writable = callback && new Notice(callback, this.stream);
    this.#writable?.arm();
    this.#noteRoom();
  }

  #noteRoom(): void {
    const { stream } = this;
    if (!stream.writable) return;
    if (SEND_BUFFER - stream.queued >= LEAST_ROOM && !this.#writes?.busy) {
      this.#writable?.callArmed();
    }
  }

  /** The machine has data, the end, or an error. */
  onReadable(): void {
    this.#reads?.serve();
    if (this.#reads && !this.#reads.busy) this.#reads = null;
    this.#readable?.call();
    this.readableEnding?.update();
  }

  /** The machine has sent something, or the direction has failed. */
  onWritable(): void {
    this.#writes?.serve();
    if (this.#writes && !this.#writes.busy) this.#writes = null;
    this.#noteRoom();
    this.writableEnding?.update();
  }

  /** Nothing can happen to the stream any more. */
  onClosed(): void {
    this.session.load--;
    const { sendGroup } = this.stream;
    if (sendGroup instanceof MuxSendGroup) leaveGroup(sendGroup, this.stream);
    if (this.#closed) this.#settle(this.#closed);
  }

  #update(): void {
    this.readableEnding?.update();
    this.writableEnding?.update();
    this.#readable?.call();
  }

  /** Runs an operation, at once if that is possible. Only one that must wait needs a queue. */
  #run<T>(
    kind: typeof READ | typeof WRITE,
    attempt: () => T | undefined,
    options: OperationOptions,
    progress?: () => string,
    undo?: () => void,
  ): Promise<T> {
    let queue = kind === READ ? this.#reads : this.#writes;
    if (queue === null) {
      try {
        checkLimits(kind, options.signal, options.timeout);
        const result = attempt();
        if (result !== undefined) return Promise.resolve(result);
      } catch (error) {
        return Promise.reject(error);
      }
      const { after } = this.session;
      queue = new OperationQueue(kind, after, undefined, timeoutError);
      if (kind === READ) this.#reads = queue;
      else this.#writes = queue;
    }
    return queue.run(attempt, options, progress, undo);
  }
}

/** Kinds of operations, by their names in messages. */
const READ = "read";
const WRITE = "write";

/** The error of an operation that took too long. */
function timeoutError(message: string): MuxError {
  return new MuxError("timeout", message);
}

/** Bytes of all pieces. Throws if one is none. */
function lengthOf(pieces: readonly Uint8Array[]): number {
  if (!Array.isArray(pieces)) throw new TypeError("Cannot write: the pieces must be an array");
  let total = 0;
  for (const piece of pieces) {
    checkBytes(piece);
    total += piece.length;
  }
  return total;
}

/** A copy of the last bytes of pieces. */
function lastOf(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const copy = new Uint8Array(length);
  for (let i = pieces.length - 1, end = length; end > 0; i--) {
    const piece = pieces[i];
    if (piece.length <= end) copy.set(piece, end - piece.length);
    else copy.set(piece.subarray(piece.length - end));
    end -= piece.length;
  }
  return copy;
}
