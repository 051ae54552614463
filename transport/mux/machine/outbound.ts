import type { Core } from "./core.ts";
import { CMD_NOP, CMD_PSH, HEADER_SIZE, writeHeader } from "./frame.ts";
import type { KeepAlive } from "./keep_alive.ts";
import { CloseNote } from "./note.ts";
import type { OutputBatch } from "./output_batch.ts";
import { Refusals } from "./refusals.ts";
import type { Stream } from "./stream.ts";

/**
 * Least payload of a data frame, unless there is less to send: for fewer bytes, the frame waits for
 * more room. A turn of a stream may be longer by as much.
 */
const MIN_PAYLOAD = 1024;

/** The sending half: makes frames of what waits. */
export class Outbound {
  /** Streams of the peer that are refused. */
  readonly refusals: Refusals;
  readonly #core: Core;
  readonly #keepAlive: KeepAlive;
  /** What is said last. */
  #close: CloseNote | null = null;

  constructor(core: Core, keepAlive: KeepAlive) {
    this.#core = core;
    this.#keepAlive = keepAlive;
    this.refusals = new Refusals(core.options);
  }

  /** Says at last why the session ends. */
  close(code: number, reason: string): void {
    if (this.#core.options.resetCodes) this.#close = new CloseNote(code, reason);
  }

  /** Whether frames of the session or of streams wait, apart from those without credit. */
  get busy(): boolean {
    const { control, scheduler } = this.#core;
    return this.#close !== null || this.#keepAlive.nopDue || control.busy || this.refusals.busy ||
      scheduler.busy;
  }

  /** Drops everything but what is said last. */
  clear(): void {
    this.#core.control.clear();
    this.refusals.clear();
    this.#keepAlive.nopDue = false;
  }

  /**
   * Moves frames into a batch, as long as they fit: control frames first, then data in the order of
   * the scheduler.
   *
   * @param room Most bytes.
   */
  moveTo(batch: OutputBatch, room: number): void {
    const core = this.#core;
    const end = batch.bytes + room;
    const begin = batch.bytes;
    if (this.#keepAlive.nopDue && !this.#moveNop(batch, end)) return;
    if (!core.control.moveTo(batch, end - batch.bytes)) return;
    if (!this.refusals.moveTo(batch, end - batch.bytes)) return;
    while (batch.fits(1)) {
      const stream = core.scheduler.next() as Stream | null;
      if (!stream) break;
      const { options, scheduler } = core;
      const left = end - batch.bytes - HEADER_SIZE;
      const turn = Math.max(scheduler.allowance, MIN_PAYLOAD);
      const wanted = Math.min(stream.queued, stream.credit, options.maxFrameSize, turn);
      // The first frame may be short: perhaps there never is more room.
      if (left < wanted && left < (batch.bytes > begin ? MIN_PAYLOAD : 1)) return;
      const header = batch.begin(HEADER_SIZE);
      const length = stream.moveTo(batch, Math.min(wanted, left));
      writeHeader(batch.own, header, options.version, CMD_PSH, length, stream.id);
      core.stats.dataSent += length;
      scheduler.sent(stream, HEADER_SIZE + length);
      // The stream's end may come right behind its data.
      if (core.control.busy && !core.control.moveTo(batch, end - batch.bytes)) return;
    }
    if (this.#close !== null) this.#moveClose(batch, end);
  }

  /** Moves the NOP; false if there is no room for it. */
  #moveNop(batch: OutputBatch, end: number): boolean {
    if (batch.bytes + HEADER_SIZE > end || !batch.fits(1)) return false;
    this.#keepAlive.nopDue = false;
    writeHeader(batch.own, batch.begin(HEADER_SIZE), this.#core.options.version, CMD_NOP, 0, 0);
    return true;
  }

  #moveClose(batch: OutputBatch, end: number): void {
    const { frames } = this.#close!;
    if (batch.bytes + frames * HEADER_SIZE > end || !batch.fits(frames)) return;
    this.#close!.moveTo(batch, this.#core.options.version);
    this.#close = null;
  }
}
