import {
  CMD_FIN,
  CMD_RST,
  CMD_STOP,
  CODE_REFUSED,
  CODE_SIZE,
  HEADER_SIZE,
  writeHeader,
  writeUint32,
} from "./frame.ts";
import type { OutputBatch } from "./output_batch.ts";

/** Most refusals that wait to be sent. A peer that has so many does not read: nothing more is taken. */
export const MAX_REFUSALS = 1024;
/** Bytes that a refusal takes at most. */
const MAX_SIZE = 2 * (HEADER_SIZE + CODE_SIZE);

/** Ids of streams that are refused as soon as there is room to say so. */
export class Refusals {
  readonly #version: number;
  #ids: Int32Array | null = null;
  #first = 0;
  #count = 0;

  /** @param version Version of the protocol. */
  constructor(version: number) {
    this.#version = version;
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
   * Moves refusals into a batch: a FIN each, or what a peer that runs this module understands better.
   *
   * @param room Most bytes.
   * @returns Whether all have been moved.
   */
  moveTo(batch: OutputBatch, room: number, peerIsOurs: boolean): boolean {
    const end = batch.bytes + room;
    while (this.#count > 0) {
      if (batch.bytes + MAX_SIZE > end || batch.frames + 2 > batch.maxFrames) return false;
      const id = this.#ids![this.#first];
      this.#first = (this.#first + 1) % MAX_REFUSALS;
      this.#count--;
      if (peerIsOurs) {
        this.#code(batch, CMD_RST, id);
        this.#code(batch, CMD_STOP, id);
      } else {
        writeHeader(batch.own, batch.begin(HEADER_SIZE), this.#version, CMD_FIN, 0, id);
      }
    }
    this.#ids = null;
    this.#first = 0;
    return true;
  }

  #code(batch: OutputBatch, cmd: number, id: number): void {
    const at = batch.begin(HEADER_SIZE + CODE_SIZE);
    writeHeader(batch.own, at, this.#version, cmd, CODE_SIZE, id);
    writeUint32(batch.own, at + HEADER_SIZE, CODE_REFUSED);
  }
}
