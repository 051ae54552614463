import { checkBytes } from "../../../kcp/options.ts";
import { ControlFlag } from "./control_queue.ts";
import type { Core } from "./core.ts";
import { errorOfCode, MuxError } from "./errors.ts";
import { FIRST_RESERVED_CODE } from "./note.ts";
import { checkInteger } from "./options.ts";
import type { ReceiveQueue } from "./receive_queue.ts";
import { ReceiveWindow, type WindowOwner } from "./receive_window.ts";
import { SendingHalf, Way } from "./sending_half.ts";
import type { MuxMachineStream, MuxStreamHandler } from "./stream_face.ts";

/** Events for the handler, as bits. */
const READABLE = 1;
const WRITABLE = 2;
const CLOSED = 4;

/** A stream of a session: see {@linkcode MuxMachineStream} for its face. */
export class Stream extends SendingHalf implements MuxMachineStream, WindowOwner {
  readonly id: number;
  readonly incoming: boolean;
  handler: MuxStreamHandler | null = null;
  readError: MuxError | null = null;
  closed = false;

  /**
   * For the control queue: frames to send, as bits; whether it is in the queue; the next one there.
   */
  control = 0;
  inControl = false;
  nextControl: Stream | null = null;
  resetCode = 0;
  stopCode = 0;

  /**
   * For the stall guard: whether it was read since the guard has looked, and since when it was not,
   * in ms. (The time of a read is not known exactly.)
   */
  touched = false;
  untouchedSince = 0;

  /** Null while nothing waits. */
  #received: ReceiveQueue | null = null;
  /** Version 2 only. */
  readonly #window: ReceiveWindow | null;
  #receiving = Way.Open;
  #events = 0;

  constructor(core: Core, id: number, incoming: boolean, group: unknown, order: number) {
    super(core, group, order);
    this.id = id;
    this.incoming = incoming;
    this.#window = core.options.version === 2
      ? new ReceiveWindow(this, core.windows, core.now)
      : null;
  }

  protected notifyWritable(): void {
    this.#notify(WRITABLE);
  }

  protected queueEnd(): void {
    this.core.control.add(this, ControlFlag.Fin);
  }

  // ——— What is received ———

  get readable(): number {
    return this.#received === null ? 0 : this.#received.length;
  }

  get readEnded(): boolean {
    return this.#receiving === Way.Ended && this.#received === null;
  }

  /** Whether the peer may still send. */
  get receiving(): boolean {
    return this.#receiving === Way.Open;
  }

  /** Whether the end of the peer's direction has arrived. */
  get receivedEnd(): boolean {
    return this.#receiving === Way.Ended;
  }

  read(target: Uint8Array, now: number = this.core.now): number {
    checkBytes(target);
    const received = this.#received;
    if (received === null || target.length === 0) return 0;
    const core = this.core;
    this.touched = true;
    const count = received.take(core.memory.arena, target);
    if (received.length === 0) this.#dropReceived();
    core.windows.used = core.memory.used;
    if (this.#receiving === Way.Open) this.#window?.consume(count, now);
    this.#settle();
    core.afterRead();
    core.flush();
    return count;
  }

  /** Data arrived: it is kept. False if it is more than the peer may send. */
  arrive(at: number, length: number): boolean {
    if (this.#window?.arrive(length) === false) return false;
    const { arena } = this.core.memory;
    if (this.#received === null) {
      this.#received = this.core.receiveQueues.take();
      this.touched = false;
      this.untouchedSince = this.core.now;
    }
    this.#received.append(arena, at, length);
    this.#notify(READABLE);
    return true;
  }

  /** The end of the peer's direction arrived. */
  arriveEnd(): void {
    if (this.#receiving !== Way.Open) return;
    this.#receiving = Way.Ended;
    this.#window?.close();
    this.core.control.remove(this, ControlFlag.Upd);
    this.#notify(READABLE);
    this.#settle();
  }

  requestUpdate(): void {
    const wanted = this.#receiving === Way.Open || this.core.closing;
    if (wanted && !this.closed) this.core.control.add(this, ControlFlag.Upd);
  }

  /** The fields of a window update that is sent now. */
  get consumed(): number {
    return this.#window!.consumed;
  }

  get windowSize(): number {
    return this.#window!.size;
  }

  /** A window update was sent. */
  updateSent(): void {
    this.#window!.told();
  }

  // ——— The end ———

  stopReading(code = 0): void {
    checkCode(code);
    if (this.readEnded) return;
    this.breakReading(new MuxError("closed", "Cannot read: reading was stopped"), code);
    this.core.flush();
  }

  resetWrite(code = 0): void {
    checkCode(code);
    this.breakWriting(new MuxError("closed", "Cannot write: the stream was reset"), code);
    this.core.flush();
  }

  reset(code = 0): void {
    checkCode(code);
    const error = new MuxError("closed", "The stream was reset on this side");
    this.abandon(error, code);
    this.core.flush();
  }

  /** Ends both directions, and tells the peer. */
  abandon(error: MuxError, code: number): void {
    if (this.closed) return;
    this.breakWriting(error, code);
    this.breakReading(error, code);
  }

  /** Ends the sending direction, and tells the peer. */
  breakWriting(error: MuxError, code: number): void {
    if (this.sendingOver) return;
    const { core } = this;
    this.breakSending(error);
    core.stats.resetsSent++;
    this.resetCode = code;
    core.control.remove(this, ControlFlag.Fin);
    core.control.add(this, ControlFlag.Reset);
    this.#settle();
  }

  /** Ends the receiving direction, and tells the peer. */
  breakReading(error: MuxError, code: number): void {
    const { core } = this;
    if (this.#receiving === Way.Broken) {
      // The session is dead, but what had arrived was kept.
      this.#dropReceived();
      return;
    }
    const tell = this.#receiving === Way.Open;
    this.#breakReceiving(error);
    this.stopCode = code;
    if (tell) core.control.add(this, ControlFlag.Stop);
    this.#settle();
    core.afterRead();
  }

  /** The peer has reset its direction. */
  arriveReset(code: number): void {
    if (this.#receiving !== Way.Open) return;
    this.core.stats.resetsReceived++;
    this.#breakReceiving(errorOfCode(code, "reset the stream"));
    this.#settle();
    this.core.afterRead();
  }

  /** The peer reads no more. */
  arriveStop(code: number): void {
    if (this.sendingOver) return;
    this.core.stats.resetsReceived++;
    this.breakSending(errorOfCode(code, "stopped reading the stream"));
    this.core.control.remove(this, ControlFlag.Fin);
    this.#settle();
  }

  /** The session is dead. What has arrived can still be read, unless `discard` is set. */
  die(error: MuxError, discard: boolean): void {
    this.control = 0;
    this.breakSending(error);
    const lost = discard && this.#received !== null;
    if (lost) this.#dropReceived();
    if (lost || this.#receiving === Way.Open) {
      this.#receiving = Way.Broken;
      this.readError ??= error;
    }
    this.#window?.close();
    this.core.scheduler.leave(this);
    this.closed = true;
    this.#notify(READABLE | WRITABLE | CLOSED);
  }

  /**
   * The session is closing: nothing more is read. What waits is sent. The peer may read it only
   * after it has written something itself: so it gets credit for what is dropped.
   */
  close(error: MuxError): void {
    if (this.#receiving === Way.Broken) return;
    const open = this.#receiving === Way.Open;
    const dropped = this.readable;
    this.#failReading(error);
    if (open) this.#window?.consume(dropped, this.core.now);
    else this.#window?.close();
  }

  /** Data arrived that is dropped. */
  discard(length: number): void {
    if (!this.core.closing || this.#window === null) return;
    if (this.#window.arrive(length)) this.#window.consume(length, this.core.now);
  }

  #breakReceiving(error: MuxError): void {
    this.#failReading(error);
    this.#window?.close();
    this.core.control.remove(this, ControlFlag.Upd);
  }

  #failReading(error: MuxError): void {
    this.#receiving = Way.Broken;
    this.readError ??= error;
    this.#dropReceived();
    this.#notify(READABLE);
  }

  #dropReceived(): void {
    if (this.#received === null) return;
    this.#received.clear(this.core.memory.arena);
    this.core.receiveQueues.give(this.#received);
    this.#received = null;
  }

  /** Removes the stream from the session when nothing can happen to it any more. */
  #settle(): void {
    if (this.closed || !this.sendingOver) return;
    if (this.#receiving === Way.Open || this.#received !== null || this.control !== 0) return;
    this.closed = true;
    this.core.scheduler.leave(this);
    this.core.remove(this);
    this.#notify(CLOSED);
  }

  /** The control queue has sent a frame of the stream. */
  controlSent(): void {
    this.#settle();
  }

  #notify(event: number): void {
    if (this.#events === 0) this.core.notices.streams.push(this);
    this.#events |= event;
  }

  /** Tells the handler what has happened. */
  dispatch(): void {
    const events = this.#events;
    this.#events = 0;
    const { handler } = this;
    if (handler === null) return;
    if (events & READABLE) handler.onReadable?.(this);
    if (events & WRITABLE) handler.onWritable?.(this);
    if (events & CLOSED) handler.onClosed?.(this);
  }
}

function checkCode(code: number): void {
  checkInteger("the code", code, 0, FIRST_RESERVED_CODE - 1);
}
