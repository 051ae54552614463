import { checkBytes } from "../../../kcp/options.ts";
import type { Core } from "./core.ts";
import { MuxError } from "./errors.ts";
import { checkInteger } from "./options.ts";
import type { FrameOwner, OutputBatch } from "./output_batch.ts";
import {
  DEFAULT_WEIGHT,
  MAX_WEIGHT,
  type Sender,
  type SenderList,
  type SendLevel,
} from "./scheduler.ts";
import type { SendQueue } from "./send_queue.ts";
import { SendWindow } from "./send_window.ts";

/** What one direction of a stream may be. */
export const Way = {
  Open: 0,
  /** What waits is to be sent, and then the end. */
  Ending: 1,
  /** The end was sent, or has arrived. */
  Ended: 2,
  /** It ended before its end: reset, stopped, or dead with the session. */
  Broken: 3,
};

/**
 * The direction of a stream in which this side sends. It is a base class, not an object of its own,
 * so that an idle stream takes less memory.
 */
export abstract class SendingHalf implements Sender, FrameOwner {
  readonly core: Core;
  readonly sendGroup: unknown;
  writeError: MuxError | null = null;
  sent = 0;

  /** For the scheduler. */
  weight = DEFAULT_WEIGHT;
  level: SendLevel | null = null;
  list: SenderList | null = null;
  previous: Sender | null = null;
  next: Sender | null = null;
  deficit = 0;

  /** Null while nothing waits. */
  #queue: SendQueue | null = null;
  /** Version 2 only. */
  readonly #window: SendWindow | null;
  #order: number;
  #state = Way.Open;

  constructor(core: Core, group: unknown, order: number) {
    this.core = core;
    this.sendGroup = group;
    this.#order = order;
    this.#window = core.options.version === 2 ? new SendWindow() : null;
    core.scheduler.join(this, group, order);
  }

  /** The handler should know that `sent` has grown, or that the direction has ended. */
  protected abstract notifyWritable(): void;

  /** The end of the direction is to be sent. */
  protected abstract queueEnd(): void;

  get queued(): number {
    return this.#queue === null ? 0 : this.#queue.length;
  }

  get credit(): number {
    return this.#window ? this.#window.room : Infinity;
  }

  get writable(): boolean {
    return this.#state === Way.Open && !this.core.closing;
  }

  get sendable(): boolean {
    return this.#queue !== null && (this.#window === null || this.#window.room > 0);
  }

  get sendOrder(): number {
    return this.#order;
  }

  set sendOrder(order: number) {
    if (!Number.isFinite(order)) {
      throw new RangeError(`Cannot set sendOrder to ${order}: it must be a finite number`);
    }
    this.#order = order;
    this.core.scheduler.setOrder(this, order);
  }

  setWeight(weight: number): void {
    checkInteger("weight", weight, 1, MAX_WEIGHT);
    this.weight = weight;
  }

  write(bytes: Uint8Array): void {
    checkBytes(bytes);
    this.#checkWritable();
    this.#push(bytes);
    this.core.flush();
  }

  writev(pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) checkBytes(piece);
    this.#checkWritable();
    for (const piece of pieces) this.#push(piece);
    this.core.flush();
  }

  #checkWritable(): void {
    if (this.writeError) throw this.writeError;
    if (this.#state !== Way.Open) {
      throw new MuxError("closed", "Cannot write: the end of the stream was written");
    }
    if (this.core.closing) throw new MuxError("closed", "Cannot write: the session is closing");
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue ??= this.core.sendQueues.take();
    this.#queue.push(bytes);
    if (this.sendable) this.core.scheduler.ready(this);
  }

  withdraw(): number {
    const length = this.queued;
    this.#dropQueued();
    if (this.#state === Way.Ending) this.queueEnd();
    this.core.flush();
    return length;
  }

  closeWrite(): void {
    if (this.#state !== Way.Open) return;
    this.#state = Way.Ending;
    if (this.#queue === null) this.queueEnd();
    this.core.flush();
  }

  /** Moves data into a frame, the header of which is in the batch. Returns how much. */
  moveTo(batch: OutputBatch, length: number): number {
    const queue = this.#queue!;
    const moved = queue.moveTo(batch, length);
    this.#window?.send(moved);
    batch.setOwner(this, moved);
    if (queue.length === 0) {
      this.#dropQueued();
      if (this.#state === Way.Ending) this.queueEnd();
    }
    return moved;
  }

  #dropQueued(): void {
    if (this.#queue === null) return;
    this.#queue.clear();
    this.core.sendQueues.give(this.#queue);
    this.#queue = null;
  }

  release(length: number): void {
    this.sent += length;
    this.notifyWritable();
  }

  /** Version 2: the peer has consumed bytes, and told its window. False if it cannot be so. */
  update(consumed: number, size: number): boolean {
    if (!this.#window!.update(consumed, size)) return false;
    if (this.sendable) this.core.scheduler.ready(this);
    return true;
  }

  /** Whether nothing more will be sent. */
  get sendingOver(): boolean {
    return this.#state === Way.Ended || this.#state === Way.Broken;
  }

  /** The FIN, or the note that stands for it, was sent. */
  endSent(): void {
    if (this.#state === Way.Ending) this.#state = Way.Ended;
    this.notifyWritable();
  }

  /** Ends the direction, unless its end was sent. What waits is dropped. */
  protected breakSending(error: MuxError): void {
    if (this.#state === Way.Ended) return;
    this.#state = Way.Broken;
    this.writeError ??= error;
    this.#dropQueued();
    this.notifyWritable();
  }
}
