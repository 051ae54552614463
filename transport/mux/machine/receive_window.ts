import { INITIAL_WINDOW } from "./frame.ts";
import type { WindowPool } from "./window_pool.ts";

/**
 * How far a peer may go beyond what it was told. Several writers of one stream of smux check the
 * window one after another, and then all send.
 */
const SLACK = INITIAL_WINDOW;

/** What a window needs of its stream. */
export interface WindowOwner {
  /** A window update should be sent. */
  requestUpdate(): void;
}

/** Version 2: what the peer may send on a stream. Positions are modulo 2^32. */
export class ReceiveWindow {
  /** Bytes; 0 when the window is closed. */
  size: number;
  /** When it was told last, or the stream was opened, in ms. */
  toldAt: number;
  readonly #owner: WindowOwner;
  readonly #pool: WindowPool;
  #arrived = 0;
  #consumed = 0;
  /** What the peer knows to be consumed. */
  #told = 0;
  /** The farthest position up to which the peer was ever allowed to send. */
  #promised = INITIAL_WINDOW;
  /** Whether something was read. */
  #started = false;

  constructor(owner: WindowOwner, pool: WindowPool, now: number) {
    this.#owner = owner;
    this.#pool = pool;
    this.toldAt = now;
    this.size = pool.open(this);
    if (this.size !== INITIAL_WINDOW) owner.requestUpdate();
  }

  /** Bytes that were read, modulo 2^32. */
  get consumed(): number {
    return this.#consumed;
  }

  /** Data arrived. False if it is more than the peer may send. */
  arrive(length: number): boolean {
    this.#arrived = (this.#arrived + length) | 0;
    return ((this.#arrived - this.#promised) | 0) <= SLACK;
  }

  /**
   * Data was read. After the first time, and then after each half of the window, the peer is told.
   */
  consume(length: number, now: number): void {
    // Behind the end, nothing is told.
    if (this.size === 0) return;
    this.#consumed = (this.#consumed + length) | 0;
    const news = (this.#consumed - this.#told) | 0;
    if (this.#started && 2 * news < this.size) return;
    const elapsed = this.#started ? now - this.toldAt : -1;
    this.#started = true;
    this.toldAt = now;
    this.#pool.tune(this, elapsed, now);
    this.#told = this.#consumed;
    this.#owner.requestUpdate();
  }

  /** The size has changed, and the peer should know. */
  tellLater(now: number): void {
    this.toldAt = now;
    this.#owner.requestUpdate();
  }

  /** An update is sent now. */
  told(): void {
    this.#told = this.#consumed;
    const limit = (this.#consumed + this.size) | 0;
    if (((limit - this.#promised) | 0) > 0) this.#promised = limit;
  }

  /** The window is not needed any more. */
  close(): void {
    this.#pool.close(this);
  }
}
