import { CMD_FIN, HEADER_SIZE, writeHeader } from "./frame.ts";
import { CODE_REFUSED, moveNote, NOTE_ABORT, NOTE_FRAMES } from "./note.ts";
import type { ResolvedMuxMachineOptions } from "./options.ts";
import type { OutputBatch } from "./output_batch.ts";

/**
 * Most refusals that wait to be sent. A peer that has so many does not read: nothing more is taken.
 */
export const MAX_REFUSALS = 1024;
/** Most frames and bytes of a refusal. */
const MAX_FRAMES = NOTE_FRAMES + 1;
const MAX_SIZE = MAX_FRAMES * HEADER_SIZE;

/** Ids of streams that are refused as soon as there is room to say so. */
export class Refusals {
  readonly #version: number;
  readonly #codes: boolean;
  #ids: Int32Array | null = null;
  #first = 0;
  #count = 0;

  constructor({ version, resetCodes }: ResolvedMuxMachineOptions) {
    this.#version = version;
    this.#codes = resetCodes;
  }

  /** Whether no further one can wait. */
  get full(): boolean {
    return this.#count === MAX_REFUSALS;
  }

  /** Whether one waits. */
  get busy(): boolean {
    return this.#count > 0;
  }

  /** Adds a stream. */
  add(id: number): void {
    this.#ids ??= new Int32Array(MAX_REFUSALS);
    this.#ids[(this.#first + this.#count++) % MAX_REFUSALS] = id;
  }

  /** Drops all. */
  clear(): void {
    this.#count = 0;
    this.#ids = null;
  }

  /**
   * Moves refusals into a batch: a FIN each, behind a note that says why.
   *
   * @param room Most bytes.
   * @returns Whether all have been moved.
   */
  moveTo(batch: OutputBatch, room: number): boolean {
    const end = batch.bytes + room;
    while (this.#count > 0) {
      if (batch.bytes + MAX_SIZE > end || !batch.fits(MAX_FRAMES)) return false;
      const id = this.#ids![this.#first];
      this.#first = (this.#first + 1) % MAX_REFUSALS;
      this.#count--;
      if (this.#codes) moveNote(batch, this.#version, NOTE_ABORT, id, CODE_REFUSED);
      writeHeader(batch.own, batch.begin(HEADER_SIZE), this.#version, CMD_FIN, 0, id);
    }
    this.#ids = null;
    this.#first = 0;
    return true;
  }
}
