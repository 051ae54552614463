import type { Core } from "./core.ts";
import {
  ANNOUNCEMENT,
  CMD_CLOSE,
  CMD_NOP,
  CMD_PSH,
  CODE_SIZE,
  HEADER_SIZE,
  MAX_REASON,
  writeHeader,
  writeUint32,
} from "./frame.ts";
import type { KeepAlive } from "./keep_alive.ts";
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
  /** Whether the announcement waits to be sent, or was sent. */
  #announcing = false;
  #announced = false;
  /** Payload of a CLOSE frame that waits to be sent. */
  #close: Uint8Array | null = null;

  constructor(core: Core, keepAlive: KeepAlive) {
    this.#core = core;
    this.#keepAlive = keepAlive;
    this.refusals = new Refusals(core.options.version);
  }

  /** Says once that this side runs this module. */
  announce(): void {
    if (!this.#announced) this.#announcing = true;
  }

  /** Sends a last frame that says why the session ends. Only a peer that runs this module gets it. */
  close(code: number, reason: string): void {
    if (!this.#core.peerIsOurs) return;
    const payload = new Uint8Array(CODE_SIZE + MAX_REASON);
    writeUint32(payload, 0, code);
    const { written } = new TextEncoder().encodeInto(reason, payload.subarray(CODE_SIZE));
    this.#close = payload.subarray(0, CODE_SIZE + written);
  }

  /** Whether frames of the session or of streams wait, apart from those without credit. */
  get busy(): boolean {
    const { control, scheduler } = this.#core;
    return this.#announcing || this.#close !== null || this.#keepAlive.nopDue || control.busy ||
      this.refusals.busy || scheduler.busy;
  }

  /** Drops everything but the last frame of the session. */
  clear(): void {
    this.#core.control.clear();
    this.refusals.clear();
    this.#announcing = false;
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
    if (!this.#moveSession(batch, end)) return;
    if (!core.control.moveTo(batch, end - batch.bytes)) return;
    if (!this.refusals.moveTo(batch, end - batch.bytes, core.peerIsOurs)) return;
    while (batch.hasFrameRoom) {
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

  /** Moves the announcement and the NOP; false if there is no room for them. */
  #moveSession(batch: OutputBatch, end: number): boolean {
    if (!this.#announcing && !this.#keepAlive.nopDue) return true;
    if (batch.bytes + HEADER_SIZE > end || !batch.hasFrameRoom) return false;
    const sid = this.#announcing ? ANNOUNCEMENT : 0;
    if (this.#announcing) this.#announced = true;
    this.#announcing = false;
    this.#keepAlive.nopDue = false;
    const at = batch.begin(HEADER_SIZE);
    writeHeader(batch.own, at, this.#core.options.version, CMD_NOP, 0, sid);
    return true;
  }

  #moveClose(batch: OutputBatch, end: number): void {
    const payload = this.#close!;
    const size = HEADER_SIZE + payload.length;
    if (batch.bytes + size > end || !batch.hasFrameRoom) return;
    const at = batch.begin(size);
    writeHeader(batch.own, at, this.#core.options.version, CMD_CLOSE, payload.length, 0);
    batch.own.set(payload, at + HEADER_SIZE);
    this.#close = null;
  }
}
