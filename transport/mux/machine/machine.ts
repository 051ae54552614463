import { checkBytes } from "../../../kcp/options.ts";
import { Core } from "./core.ts";
import { MuxError } from "./errors.ts";
import { ControlFlag } from "./control_queue.ts";
import { CODE_PROTOCOL, FIRST_RESERVED_CODE } from "./note.ts";
import { Inbound } from "./inbound.ts";
import { KeepAlive } from "./keep_alive.ts";
import {
  checkInteger,
  type MuxMachineOptions,
  type ResolvedMuxMachineOptions,
  resolveMuxOptions,
} from "./options.ts";
import { type MuxMachineHandler, Notices } from "./notices.ts";
import { Outbound } from "./outbound.ts";
import type { OutputBatch } from "./output_batch.ts";
import { DEFAULT_WEIGHT, MAX_WEIGHT } from "./scheduler.ts";
import { StallGuard } from "./stall_guard.ts";
import type { MuxMachineStats } from "./stats.ts";
import { Stream } from "./stream.ts";
import type { MuxMachineStream, MuxOpenOptions } from "./stream_face.ts";

/** Memory that is not used any more goes back to the runtime this often, in ms. */
const TRIM_INTERVAL = 10_000;

/**
 * - `open`: streams can be opened.
 * - `closing`: what was written is being sent. No stream can be opened, read or written.
 * - `closed`: the session has ended.
 */
export type MuxMachineState = "open" | "closing" | "closed";

/**
 * Streams over one ordered stream of bytes, as smux has them, as a state machine without I/O.
 *
 * The user moves bytes between the machine and the connection below:
 *
 * - `input(bytes, now)` takes what was received. If it does not take all, the user keeps the rest
 *   until `onReceptive` and reads nothing more.
 * - `output(batch, room, now)` gives frames that are due. The user writes or copies them in order,
 *   and then calls `release(batch)`.
 * - `tick(now)` tells that time has passed, at `deadline` at the latest.
 * - `inputEnd(now)` and `fail(error)` tell that the connection below has ended or failed.
 *
 * All sizes are in bytes, all times in ms of a monotonic clock. Hostile bytes never throw: they end
 * the session, with an error that says why.
 *
 * A lost packet below delays all streams, because the bytes below have one order.
 *
 * @example
 * ```ts
 * import { MuxMachine, OutputBatch } from "@lowlatency/kcp/mux";
 *
 * const client = new MuxMachine({ client: true }, 0);
 * const server = new MuxMachine({ client: false }, 0);
 * const stream = client.open();
 * stream.write(new TextEncoder().encode("hello"));
 * stream.closeWrite();
 *
 * const batch = new OutputBatch();
 * client.output(batch, 65_536, 0);
 * for (const piece of batch.views()) server.input(piece, 0);
 * client.release(batch);
 *
 * const accepted = server.accept()!;
 * const bytes = new Uint8Array(accepted.readable);
 * accepted.read(bytes);
 * console.log(new TextDecoder().decode(bytes), accepted.readEnded);
 * ```
 */
export class MuxMachine {
  /** Who is told what happens. */
  handler: MuxMachineHandler | null = null;
  readonly #core: Core;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #keepAlive: KeepAlive;
  readonly #guard: StallGuard;
  readonly #notices: Notices = new Notices(this);
  #state: MuxMachineState = "open";
  #error: MuxError | null = null;
  #nextId: number;
  #closeCode = 0;
  #closeReason = "";
  /** When memory may be given back to the runtime again, in ms. */
  #trimAt: number;

  /**
   * Makes a machine.
   *
   * @param options Settings.
   * @param now The time in ms.
   * @throws {TypeError} If a setting has the wrong type, or `now` is NaN.
   * @throws {RangeError} If a setting is out of its range.
   */
  constructor(options: MuxMachineOptions, now: number) {
    const resolved = resolveMuxOptions(options);
    if (Number.isNaN(now)) throw new TypeError("Cannot use NaN as the time");
    this.#core = new Core(resolved, now, {
      flush: () => this.#flush(),
      afterRead: () => this.#afterRead(),
    }, this.#notices);
    const { keepAliveInterval, keepAliveTimeout } = resolved;
    this.#keepAlive = new KeepAlive(keepAliveInterval, keepAliveTimeout, now);
    this.#outbound = new Outbound(this.#core, this.#keepAlive);
    this.#guard = new StallGuard(this.#core);
    this.#inbound = new Inbound(this.#core, this.#outbound.refusals, {
      announced: () => this.#notices.incoming = true,
      ended: (error) => this.#end(error, false),
    });
    this.#nextId = resolved.firstId;
    this.#trimAt = now + TRIM_INTERVAL;
  }

  /** The settings that are in force. */
  get options(): ResolvedMuxMachineOptions {
    return this.#core.options;
  }

  /** What was counted. It is the machine's own record, which changes. */
  get stats(): Readonly<MuxMachineStats> {
    return this.#core.stats;
  }

  /** Whether the session goes on. */
  get state(): MuxMachineState {
    return this.#state;
  }

  /**
   * Why the session has ended; null as long as it has not, and after a `close` of this side. After
   * a `close` of the peer, the kind is `reset`, and `closeCode` and `reason` are the peer's.
   */
  get error(): MuxError | null {
    return this.#error;
  }

  /** Streams that are open, those included that wait to be accepted. */
  get streams(): number {
    return this.#core.streams.size;
  }

  /** Bytes of memory in use for data that was not read yet. */
  get buffered(): number {
    return this.#core.memory.used;
  }

  /**
   * What {@linkcode MuxMachine.buffered} does not go beyond, apart from two blocks of 64 KiB. See
   * {@linkcode MuxMachineOptions.maxReceiveBuffer}.
   */
  get memoryLimit(): number {
    return this.#core.memory.limit;
  }

  /** Round trip to the peer in ms, for the size of receive windows. 0: unknown. Default: 0. */
  get rtt(): number {
    return this.#core.windows.rtt;
  }

  set rtt(rtt: number) {
    if (!(rtt >= 0)) throw new RangeError(`Cannot set rtt to ${rtt}: it must be 0 ms or more`);
    this.#core.windows.rtt = rtt;
  }

  // ——— Streams ———

  /**
   * Opens a stream. It can be written at once.
   *
   * @throws {MuxError} If the session has ended or is closing, or all ids were used.
   * @throws {RangeError} If a setting is out of its range.
   */
  open(options: MuxOpenOptions = {}): MuxMachineStream {
    const { sendOrder = 0, sendGroup = null, weight = DEFAULT_WEIGHT } = options;
    if (this.#state !== "open") {
      throw this.#error ?? new MuxError("closed", "Cannot open a stream: the session was closed");
    }
    if (!Number.isFinite(sendOrder)) {
      throw new RangeError(`Cannot set sendOrder to ${sendOrder}: it must be a finite number`);
    }
    checkInteger("weight", weight, 1, MAX_WEIGHT);
    if (this.#nextId >= 2 ** 32) {
      throw new MuxError("exhausted", "Cannot open a stream: every id of this side was used");
    }
    const core = this.#core;
    const stream = new Stream(core, this.#nextId, false, sendGroup, sendOrder);
    stream.weight = weight;
    this.#nextId += 2;
    core.add(stream);
    core.stats.opened++;
    core.control.add(stream, ControlFlag.Syn);
    this.#flush();
    return stream;
  }

  /** Takes the first stream of the peer that waits to be accepted; null if there is none. */
  accept(): MuxMachineStream | null {
    const { accepting, stats } = this.#core;
    for (const stream of accepting) {
      accepting.delete(stream);
      stats.accepted++;
      return stream;
    }
    return null;
  }

  /** How many streams of the peer wait to be accepted. */
  get acceptable(): number {
    return this.#core.accepting.size;
  }

  // ——— The connection below ———

  /**
   * Takes bytes that were received. They are copied: the memory is free again after the call.
   *
   * @param bytes The next bytes of the stream below, cut anywhere.
   * @param now The time in ms.
   * @returns How many bytes were taken. If not all: the rest must be given again, after
   * {@linkcode MuxMachineHandler.onReceptive} or when {@linkcode MuxMachine.receptive} is true.
   */
  input(bytes: Uint8Array, now: number): number {
    checkBytes(bytes);
    this.#core.advance(now);
    if (this.#state === "closed") return bytes.length;
    const wasFull = this.#inbound.full;
    const taken = this.#inbound.take(bytes);
    this.#core.windows.used = this.#core.memory.used;
    if (taken > 0) this.#keepAlive.heard(this.#core.now);
    if (this.#inbound.full) {
      if (!wasFull) this.#core.stats.pauses++;
      // A handler may read at once.
      this.#flush();
      if (this.#inbound.full) this.#guard.check(this.#core.now);
    }
    this.#flush();
    return taken;
  }

  /** Whether {@linkcode MuxMachine.input} takes bytes. */
  get receptive(): boolean {
    return this.#state === "closed" || !this.#inbound.full && !this.#inbound.refusing;
  }

  /**
   * The connection below has no more bytes, and all were taken: the peer has ended it. Streams that
   * the peer has not ended fail, after what has arrived was read.
   *
   * @param now The time in ms.
   */
  inputEnd(now: number): void {
    this.#core.advance(now);
    const error = new MuxError("connection", "The connection below ended");
    this.#end(error, false);
    this.#flush();
  }

  /**
   * The connection below has failed. Streams fail, after what has arrived was read.
   *
   * @param cause What has happened.
   */
  fail(cause: unknown): void {
    const words = cause instanceof Error ? `: ${cause.message}` : "";
    const error = new MuxError("connection", `The connection below failed${words}`, { cause });
    this.#end(error, false);
    this.#flush();
  }

  /**
   * Moves frames that are due into a batch: control frames first, then data by priority. Frames are
   * complete, and no longer than the room. An urgent frame that comes later waits for all that lies
   * below already. So give as much room as the connection below sends at once, and two segments
   * more.
   *
   * Give 0 or at least 1024 bytes. With less, frames are short, and the note at the end of a
   * session, of up to 536 bytes, may not fit.
   *
   * @param batch Where the frames go. It need not be empty.
   * @param room Most bytes that are added.
   * @param now The time in ms.
   * @returns How many bytes were added: 0 if nothing is due, or the room is too small.
   */
  output(batch: OutputBatch, room: number, now: number): number {
    this.#core.advance(now);
    const { bytes, frames } = batch;
    this.#outbound.moveTo(batch, room);
    if (this.#inbound.refusing && !this.#outbound.refusals.full) {
      this.#inbound.refusing = false;
      this.#notices.receptive = true;
    }
    if (this.#state === "closing") {
      this.#closeIfDrained();
      this.#outbound.moveTo(batch, room - (batch.bytes - bytes));
    }
    const added = batch.bytes - bytes;
    if (added > 0) {
      this.#keepAlive.sent(this.#core.now);
      const { stats } = this.#core;
      stats.bytesSent += added;
      stats.framesSent += batch.frames - frames;
    }
    this.#notices.toldOutput = this.hasOutput;
    this.#flush();
    return added;
  }

  /** Whether {@linkcode MuxMachine.output} has something to give, if there is enough room. */
  get hasOutput(): boolean {
    return this.#outbound.busy;
  }

  /**
   * The frames of a batch were written or copied: its memory is free again, and the batch empty.
   */
  release(batch: OutputBatch): void {
    batch.clear();
    this.#flush();
  }

  // ——— Time ———

  /** When {@linkcode MuxMachine.tick} is due at the latest, in ms; `Infinity` if never. */
  get deadline(): number {
    if (this.#state === "closed") return Infinity;
    const { nopDeadline, deathDeadline } = this.#keepAlive;
    // A peer is not judged by what this side does not take.
    const other = this.#inbound.full ? this.#guard.deadline : deathDeadline;
    return Math.min(nopDeadline, other);
  }

  /**
   * Time has passed.
   *
   * @param now The time in ms.
   */
  tick(now: number): void {
    const core = this.#core;
    core.advance(now);
    if (this.#state === "closed") return;
    if (core.now >= this.#keepAlive.nopDeadline) this.#keepAlive.nopDue = true;
    if (this.#inbound.full) this.#guard.check(core.now);
    else if (this.#keepAlive.expired(core.now)) {
      const { keepAliveTimeout } = core.options;
      const message = `Nothing arrived from the peer for ${keepAliveTimeout} ms`;
      this.#end(new MuxError("unreachable", message), false);
    }
    if (core.now >= this.#trimAt) {
      this.#trimAt = core.now + TRIM_INTERVAL;
      core.memory.arena.trim();
    }
    this.#flush();
  }

  // ——— The end ———

  /**
   * Closes the session: what was written on the streams is sent first. Nothing can be read any
   * more. The machine is `closed` when everything was moved into batches. A peer that runs this
   * module learns the code and the reason; another one learns it when the connection below is
   * closed.
   *
   * @param code 0 to 2^32 - 257. Default: 0.
   * @param reason Default: none. What is beyond 256 bytes of UTF-8 is cut off.
   * @throws {RangeError} If the code is out of range.
   */
  close(code = 0, reason = ""): void {
    checkInteger("the code", code, 0, FIRST_RESERVED_CODE - 1);
    if (this.#state !== "open") return;
    const core = this.#core;
    this.#state = "closing";
    core.closing = true;
    this.#closeCode = code;
    this.#closeReason = reason;
    const error = new MuxError("closed", "The session was closed on this side");
    core.accepting.clear();
    for (const stream of [...core.streams.values()]) stream.close(error);
    this.#afterRead();
    this.#flush();
  }

  /**
   * Ends the session at once: what was written and not moved into a batch is dropped. A last note
   * waits for a peer that runs this module.
   *
   * @param code 0 to 2^32 - 257. Default: 0.
   * @param reason See {@linkcode MuxMachine.close}.
   * @throws {RangeError} If the code is out of range.
   */
  abort(code = 0, reason = ""): void {
    checkInteger("the code", code, 0, FIRST_RESERVED_CODE - 1);
    if (this.#state === "closed") return;
    this.#outbound.close(code, reason);
    this.#end(new MuxError("closed", "The session was aborted on this side"), true);
    this.#flush();
  }

  /** Ends a session that is closing when everything was sent. */
  #closeIfDrained(): void {
    if (this.#outbound.busy) return;
    for (const stream of this.#core.streams.values()) if (stream.queued > 0) return;
    this.#outbound.close(this.#closeCode, this.#closeReason);
    this.#end(null, true);
  }

  #end(error: MuxError | null, discard: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#error = error;
    const core = this.#core;
    core.closed = true;
    const cause = error ?? new MuxError("closed", "The session was closed on this side");
    if (error?.kind === "protocol") this.#outbound.close(CODE_PROTOCOL, error.message);
    this.#outbound.clear();
    for (const stream of core.streams.values()) stream.die(cause, discard);
    core.streams.clear();
    core.incoming = 0;
    if (discard) core.accepting.clear();
    this.#notices.ended = true;
  }

  #afterRead(): void {
    if (!this.#inbound.full || this.#core.memory.room === 0) return;
    this.#inbound.full = false;
    this.#keepAlive.heard(this.#core.now);
    this.#notices.receptive = true;
  }

  #flush(): void {
    if (this.#state === "closing") this.#closeIfDrained();
    this.#notices.tell();
  }
}
