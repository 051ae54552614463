import type { Random } from "../../../transport/link/random.ts";
import { type MuxMachine, OutputBatch } from "../../../transport/mux/machine/mod.ts";

/** How the connection below treats one direction. */
export interface PipeOptions {
  /** Ms that a byte is on its way. */
  readonly latency: number;
  /** Bytes per ms. */
  readonly rate: number;
  /** Most bytes that were sent and not taken by the other end. */
  readonly capacity: number;
  /** How long a write may take, in ms: the memory of its frames is in use so long. */
  readonly writeTime: number;
  /** Most bytes that arrive at the same time. */
  readonly packet: number;
}

/** A write that is under way. */
interface Write {
  readonly batch: OutputBatch;
  readonly doneAt: number;
}

/** Bytes on their way. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/**
 * One direction of the connection below: bytes keep their order, are late, and are cut anywhere.
 */
export class Pipe {
  /** Bytes that were moved in. */
  bytes = 0;
  /** Whether everything is lost from now on. */
  cut = false;
  readonly #from: MuxMachine;
  readonly #to: MuxMachine;
  readonly #options: PipeOptions;
  readonly #random: Random;
  readonly #writes: Write[] = [];
  readonly #free: OutputBatch[] = [new OutputBatch(), new OutputBatch()];
  readonly #pieces: Piece[] = [];
  #inFlight = 0;
  #sentAt = 0;
  /** Whether the far end takes nothing. */
  #refused = false;

  constructor(from: MuxMachine, to: MuxMachine, options: PipeOptions, random: Random) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#random = random;
  }

  /** Whether nothing is on its way. */
  get empty(): boolean {
    return this.#writes.length === 0 && this.#pieces.length === 0;
  }

  /** When something happens next. */
  get deadline(): number {
    const write = this.#writes.length > 0 ? this.#writes[0].doneAt : Infinity;
    const piece = this.#pieces.length > 0 && (!this.#refused || this.#to.receptive)
      ? this.#pieces[0].at
      : Infinity;
    return Math.min(write, piece);
  }

  /** Does what is due, and takes what the machine has to send. */
  run(now: number): void {
    while (this.#writes.length > 0 && this.#writes[0].doneAt <= now) this.#written(now);
    this.#deliver(now);
    this.#fill(now);
  }

  #fill(now: number): void {
    const { capacity, writeTime } = this.#options;
    while (this.#free.length > 0) {
      const room = capacity - this.#inFlight;
      // Sometimes less than there is: frames must not depend on where the room ends.
      const part = this.#random.chance(0.2) ? this.#random.below(room + 1) : room;
      const batch = this.#free[this.#free.length - 1];
      const added = this.#from.output(batch, part, now);
      if (added > part) throw new Error(`${added} bytes came out, there was room for ${part}`);
      if (added === 0) return;
      this.#free.pop();
      this.#inFlight += added;
      this.bytes += added;
      const last = this.#writes.length > 0 ? this.#writes[this.#writes.length - 1].doneAt : now;
      const time = this.#random.chance(0.5) ? 0 : writeTime * this.#random.next();
      this.#writes.push({ batch, doneAt: Math.max(last, now + time) });
      if (time === 0 && this.#writes.length === 1) this.#written(now);
    }
  }

  /** A write is done: only now are its bytes looked at, and its memory given back. */
  #written(now: number): void {
    const { batch } = this.#writes.shift()!;
    const { latency, rate } = this.#options;
    const bytes = new Uint8Array(batch.bytes);
    if (this.#random.chance(0.5)) {
      batch.copyTo(bytes, 0);
    } else {
      let at = 0;
      for (const view of batch.views()) {
        bytes.set(view, at);
        at += view.length;
      }
    }
    if (this.cut) {
      this.#inFlight -= bytes.length;
    } else {
      for (let at = 0; at < bytes.length;) {
        const count = this.#cutAt(bytes.length - at);
        this.#sentAt = Math.max(now, this.#sentAt) + count / rate;
        this.#pieces.push({ bytes: bytes.subarray(at, at + count), at: this.#sentAt + latency });
        at += count;
      }
    }
    this.#free.push(batch);
    this.#from.release(batch);
  }

  #cutAt(length: number): number {
    const random = this.#random;
    length = Math.min(length, this.#options.packet);
    if (random.chance(0.3)) return length;
    return Math.min(length, random.chance(0.3) ? 1 + random.below(12) : 1 + random.below(8000));
  }

  #deliver(now: number): void {
    while (this.#pieces.length > 0 && this.#pieces[0].at <= now && this.#to.receptive) {
      const { bytes, at } = this.#pieces[0];
      const taken = this.cut ? bytes.length : this.#to.input(bytes, now);
      this.#inFlight -= taken;
      this.#refused = taken < bytes.length;
      if (taken === bytes.length) this.#pieces.shift();
      else this.#pieces[0] = { bytes: bytes.subarray(taken), at };
      if (this.#refused && taken === 0) return;
    }
  }
}
