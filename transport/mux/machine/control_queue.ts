import {
  CMD_FIN,
  CMD_SYN,
  CMD_UPD,
  HEADER_SIZE,
  UPD_SIZE,
  writeHeader,
  writeUint32,
} from "./frame.ts";
import { moveNote, NOTE_FRAMES, NOTE_RESET, NOTE_STOP } from "./note.ts";
import type { ResolvedMuxMachineOptions } from "./options.ts";
import type { OutputBatch } from "./output_batch.ts";
import type { Stream } from "./stream.ts";

/**
 * Control frames that a stream may have to send, in the order in which they are sent. A reset is a
 * note, and a FIN behind it.
 */
export const ControlFlag = { Syn: 1, Upd: 2, Stop: 4, Reset: 8, Fin: 16 };

/** Most frames and bytes that one of them takes. */
const MAX_FRAMES = NOTE_FRAMES + 1;
const MAX_SIZE = MAX_FRAMES * HEADER_SIZE;

/**
 * Streams that have control frames to send. Each is in the queue once, and each kind of frame waits
 * once in a stream: so the queue takes no memory, and an update that waits is told as of when it is
 * sent.
 */
export class ControlQueue {
  readonly #version: number;
  readonly #codes: boolean;
  #first: Stream | null = null;
  #last: Stream | null = null;

  constructor({ version, resetCodes }: ResolvedMuxMachineOptions) {
    this.#version = version;
    this.#codes = resetCodes;
  }

  /** Whether a stream is in the queue. */
  get busy(): boolean {
    return this.#first !== null;
  }

  /** A frame of a stream is to be sent. */
  add(stream: Stream, flag: number): void {
    stream.control |= flag;
    if (stream.inControl) return;
    stream.inControl = true;
    if (this.#last) this.#last.nextControl = stream;
    else this.#first = stream;
    this.#last = stream;
  }

  /** A frame of a stream need not be sent any more. */
  remove(stream: Stream, flag: number): void {
    stream.control &= ~flag;
  }

  /** Drops everything. */
  clear(): void {
    for (let stream = this.#first; stream;) {
      const next: Stream | null = stream.nextControl;
      stream.inControl = false;
      stream.nextControl = null;
      stream = next;
    }
    this.#first = this.#last = null;
  }

  /**
   * Moves frames into a batch.
   *
   * @param room Most bytes.
   * @returns Whether all frames that wait have been moved.
   */
  moveTo(batch: OutputBatch, room: number): boolean {
    const end = batch.bytes + room;
    for (let stream = this.#first; stream; stream = this.#first) {
      while (stream.control !== 0) {
        if (batch.bytes + MAX_SIZE > end || !batch.fits(MAX_FRAMES)) return false;
        this.#write(batch, stream);
      }
      this.#first = stream.nextControl;
      if (!this.#first) this.#last = null;
      stream.nextControl = null;
      stream.inControl = false;
      stream.controlSent();
    }
    return true;
  }

  #write(batch: OutputBatch, stream: Stream): void {
    const flag = stream.control & -stream.control;
    stream.control &= ~flag;
    const { id } = stream;
    if (flag === ControlFlag.Syn) this.#frame(batch, CMD_SYN, 0, id);
    else if (flag === ControlFlag.Upd) {
      const at = this.#frame(batch, CMD_UPD, UPD_SIZE, id);
      writeUint32(batch.own, at, stream.consumed);
      writeUint32(batch.own, at + 4, stream.windowSize);
      stream.updateSent();
    } else if (flag === ControlFlag.Stop) {
      if (this.#codes) moveNote(batch, this.#version, NOTE_STOP, id, stream.stopCode);
    } else {
      if (flag === ControlFlag.Reset && this.#codes) {
        moveNote(batch, this.#version, NOTE_RESET, id, stream.resetCode);
      }
      this.#frame(batch, CMD_FIN, 0, id);
      stream.endSent();
    }
  }

  /** Begins a frame; returns where its payload goes. */
  #frame(batch: OutputBatch, cmd: number, length: number, id: number): number {
    const at = batch.begin(HEADER_SIZE + length);
    writeHeader(batch.own, at, this.#version, cmd, length, id);
    return at + HEADER_SIZE;
  }
}
