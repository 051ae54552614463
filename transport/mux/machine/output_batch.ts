import { HEADER_SIZE } from "./frame.ts";

/** Most frames of a batch. */
const MAX_FRAMES = 256;
/** Most pieces of a batch: headers and parts of what applications have written. */
const MAX_PIECES = 1024;
/** Bytes for headers and for the payload of control frames. */
const OWN_BYTES = MAX_FRAMES * 2 * HEADER_SIZE;

/** What a batch tells when its bytes are not needed any more. */
export interface FrameOwner {
  /** Bytes of a data frame were taken by the connection below. */
  release(length: number): void;
}

/**
 * Frames on their way to the connection below: pieces of memory to be written one after another.
 *
 * Headers lie in the batch. Payload lies where applications have written it, uncopied. So all of it
 * must be written, or copied, before {@linkcode MuxMachine.release} is called.
 *
 * @example
 * ```ts
 * import { MuxMachine, OutputBatch } from "@lowlatency/kcp/mux";
 *
 * const machine = new MuxMachine({ client: true }, 0);
 * machine.open();
 * const batch = new OutputBatch();
 * machine.output(batch, 65_536, 0);
 * const frames = new Uint8Array(batch.bytes);
 * batch.copyTo(frames, 0);
 * machine.release(batch);
 * ```
 */
export class OutputBatch {
  /** Bytes of all pieces. */
  bytes = 0;
  /** Frames. */
  frames = 0;
  /** Pieces. */
  count = 0;
  readonly #pieces: (Uint8Array | null)[] = new Array(MAX_PIECES).fill(null);
  readonly #starts = new Int32Array(MAX_PIECES);
  readonly #ends = new Int32Array(MAX_PIECES);
  readonly #own = new Uint8Array(OWN_BYTES);
  #ownUsed = 0;
  /** Owners of the data frames, and their payload bytes. */
  readonly #owners: (FrameOwner | null)[] = new Array(MAX_FRAMES).fill(null);
  readonly #lengths = new Int32Array(MAX_FRAMES);
  #owned = 0;

  /** The memory of a piece; the piece is its bytes from `start` to before `end`. */
  memory(index: number): Uint8Array {
    return this.#pieces[index]!;
  }

  /** Where a piece begins in its memory. */
  start(index: number): number {
    return this.#starts[index];
  }

  /** Where a piece ends in its memory. */
  end(index: number): number {
    return this.#ends[index];
  }

  /** The pieces as views. It allocates: for writers that take nothing else. */
  views(): Uint8Array[] {
    const views: Uint8Array[] = [];
    for (let i = 0; i < this.count; i++) {
      const piece = this.#pieces[i]!;
      const start = this.#starts[i], end = this.#ends[i];
      views.push(start === 0 && end === piece.length ? piece : piece.subarray(start, end));
    }
    return views;
  }

  /** Copies all pieces, one after another, to `at` of `target`, which has room for them. */
  copyTo(target: Uint8Array, at: number): void {
    for (let i = 0; i < this.count; i++) {
      const piece = this.#pieces[i]!;
      const start = this.#starts[i], end = this.#ends[i];
      if (end - start <= 48) {
        for (let j = start; j < end; j++) target[at + j - start] = piece[j];
      } else {
        target.set(start === 0 && end === piece.length ? piece : piece.subarray(start, end), at);
      }
      at += end - start;
    }
  }

  /** Whether so many more frames fit. */
  fits(frames: number): boolean {
    return this.frames + frames <= MAX_FRAMES && this.count + 2 <= MAX_PIECES;
  }

  /** Whether one more piece fits. */
  get hasPieceRoom(): boolean {
    return this.count < MAX_PIECES;
  }

  /**
   * Begins a frame with bytes of the batch itself, a header and perhaps the payload of a control
   * frame; or several frames that need nothing else.
   *
   * @returns The offset of the bytes in {@linkcode OutputBatch.own}.
   */
  begin(length: number, frames = 1): number {
    const at = this.#ownUsed;
    this.#ownUsed += length;
    this.frames += frames;
    this.add(this.#own, at, at + length);
    return at;
  }

  /** The bytes of the batch itself. */
  get own(): Uint8Array {
    return this.#own;
  }

  /** Adds a piece. */
  add(memory: Uint8Array, start: number, end: number): void {
    const index = this.count++;
    this.#pieces[index] = memory;
    this.#starts[index] = start;
    this.#ends[index] = end;
    this.bytes += end - start;
  }

  /** Notes whose data the frame holds. */
  setOwner(owner: FrameOwner, length: number): void {
    const index = this.#owned++;
    this.#owners[index] = owner;
    this.#lengths[index] = length;
  }

  /** Tells the owners that their bytes are free again, and empties the batch. */
  clear(): void {
    for (let i = 0; i < this.#owned; i++) {
      const owner = this.#owners[i]!;
      this.#owners[i] = null;
      owner.release(this.#lengths[i]);
    }
    this.#pieces.fill(null, 0, this.count);
    this.#owned =
      this.count =
      this.frames =
      this.bytes =
      this.#ownUsed =
        0;
  }
}
