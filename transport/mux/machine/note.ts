/**
 * What smux has no frame for, in rows of NOP frames. smux ignores the stream id of a NOP: so a note
 * says by stream ids what a peer that runs this module understands, and another one passes over.
 *
 * The first id says which note it is. The next two are the stream and the code, or, when the
 * session is closed, the code and the bytes of the reason; ids with four bytes of the reason each
 * follow. A note that another frame interrupts says nothing.
 *
 * @module
 */
import { CMD_NOP, HEADER_SIZE, writeHeader } from "./frame.ts";
import type { OutputBatch } from "./output_batch.ts";

/**
 * "KCP" and a number: the sender ends its direction of a stream, without the rest. A FIN follows.
 */
export const NOTE_RESET = 0x01_50_43_4b;
/** The sender reads the stream no more. */
export const NOTE_STOP = 0x02_50_43_4b;
/** Both at once. A FIN follows. */
export const NOTE_ABORT = 0x03_50_43_4b;
/** The session ends. */
export const NOTE_CLOSE = 0x04_50_43_4b;

/** Frames of a note of a stream. */
export const NOTE_FRAMES = 3;
/** Most bytes of the reason in a close. */
export const MAX_REASON = 256;

/** The first code that is kept for what the machine itself has to say. */
export const FIRST_RESERVED_CODE = 0xff_ff_ff_00;
/** The accept queue, or the table of streams, is full. */
export const CODE_REFUSED = 0xff_ff_ff_01;
/** Nobody read the stream while the receive buffer of the session was full. */
export const CODE_STALLED = 0xff_ff_ff_02;
/** More data came than the window allowed, or a window update is impossible. */
export const CODE_FLOW = 0xff_ff_ff_03;
/** The peer broke the protocol. */
export const CODE_PROTOCOL = 0xff_ff_ff_04;

/** Moves a note of a stream into a batch, which has room for it. */
export function moveNote(
  batch: OutputBatch,
  version: number,
  note: number,
  id: number,
  code: number,
): void {
  const at = batch.begin(NOTE_FRAMES * HEADER_SIZE, NOTE_FRAMES);
  writeHeader(batch.own, at, version, CMD_NOP, 0, note);
  writeHeader(batch.own, at + HEADER_SIZE, version, CMD_NOP, 0, id);
  writeHeader(batch.own, at + 2 * HEADER_SIZE, version, CMD_NOP, 0, code);
}

/** The note that the session is closed. */
export class CloseNote {
  readonly #code: number;
  readonly #reason = new Uint8Array(MAX_REASON);
  readonly #length: number;

  /**
   * @param code The code.
   * @param reason What is beyond {@linkcode MAX_REASON} bytes of UTF-8 is cut off.
   */
  constructor(code: number, reason: string) {
    this.#code = code;
    this.#length = new TextEncoder().encodeInto(reason, this.#reason).written;
  }

  /** Frames that it takes. */
  get frames(): number {
    return NOTE_FRAMES + Math.ceil(this.#length / 4);
  }

  /** Moves it into a batch, which has room for it. */
  moveTo(batch: OutputBatch, version: number): void {
    const { frames } = this;
    const start = batch.begin(frames * HEADER_SIZE, frames);
    const view = new DataView(this.#reason.buffer);
    for (let i = 0; i < frames; i++) {
      const word = i === 0
        ? NOTE_CLOSE
        : i === 1
        ? this.#code
        : i === 2
        ? this.#length
        : view.getUint32(4 * (i - NOTE_FRAMES), true);
      writeHeader(batch.own, start + i * HEADER_SIZE, version, CMD_NOP, 0, word);
    }
  }
}

/** What a note means to its receiver. */
export interface NoteReader {
  /** The peer ends its direction of a stream, reads the other one no more, or both. */
  onNote(note: number, id: number, code: number): void;
  /** The peer closes the session. */
  onCloseNote(code: number, reason: string): void;
}

/** Puts notes together from the stream ids of NOP frames. */
export class NoteAssembler {
  readonly #reader: NoteReader;
  /** The note that is being received; 0 if none is. */
  #note = 0;
  /** How many ids have come after the first one. */
  #count = 0;
  #first = 0;
  #length = 0;
  #reason: DataView | null = null;

  constructor(reader: NoteReader) {
    this.#reader = reader;
  }

  /** Whether a note has begun. */
  get busy(): boolean {
    return this.#note !== 0;
  }

  /** A frame that is no NOP has come. */
  interrupt(): void {
    this.#note = 0;
    this.#reason = null;
  }

  /** A NOP has come. */
  add(word: number): void {
    if (this.#note === 0) {
      if (word < NOTE_RESET || word > NOTE_CLOSE || (word & 0xff_ff_ff) !== 0x50_43_4b) return;
      this.#note = word;
      this.#count = 0;
      return;
    }
    const count = ++this.#count;
    if (count === 1) this.#first = word;
    else if (this.#note === NOTE_CLOSE) this.#addToClose(word);
    else {
      const note = this.#note;
      this.interrupt();
      this.#reader.onNote(note, this.#first, word >>> 0);
    }
  }

  #addToClose(word: number): void {
    if (this.#count === 2) {
      this.#length = word >>> 0;
      if (this.#length > MAX_REASON) return this.interrupt();
      this.#reason = new DataView(new ArrayBuffer(4 * Math.ceil(this.#length / 4)));
    } else {
      this.#reason!.setInt32(4 * (this.#count - NOTE_FRAMES), word, true);
    }
    const reason = this.#reason!;
    if (4 * (this.#count - 2) < this.#length) return;
    this.interrupt();
    const text = new TextDecoder().decode(reason.buffer.slice(0, this.#length));
    this.#reader.onCloseNote(this.#first >>> 0, text);
  }
}
