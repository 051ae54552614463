import { INITIAL_WINDOW } from "./frame.ts";
import type { ReceiveWindow } from "./receive_window.ts";

/** What all windows may be larger than the setting together, as a part of the receive buffer. */
const SHARE = 3 / 4;
/** A window that was not moved for this time, in ms, and for this many round trips, is shrunk. */
const IDLE_TIME = 10_000;
const IDLE_ROUNDS = 8;
/** The round trip in ms, as long as it is unknown. */
const UNKNOWN_RTT = 100;

/**
 * Grants the windows of a session what they may have beyond the setting.
 *
 * A window of which half was read within two round trips holds its sender back: it is doubled. (So do
 * QUIC implementations, after Chromium's flow controller.) If nothing is left to grant, windows that
 * nobody uses lose all they have beyond the setting, and those with more than an equal share of it lose
 * half, at their next update.
 */
export class WindowPool {
  /** Round trip to the peer in ms; 0 if unknown. */
  rtt = 0;
  /** Window of a stream without a grant, in bytes. */
  readonly base: number;
  readonly #limit: number;
  readonly #autoTune: boolean;
  /** Bytes that are granted. */
  #granted = 0;
  /** Windows that have wanted a grant. The one that was moved last is at the end. */
  readonly #users = new Set<ReceiveWindow>();
  /** Those of them that got less than they wanted. */
  readonly #hungry = new Set<ReceiveWindow>();

  /**
   * @param base Window of a stream, in bytes.
   * @param buffer Receive buffer of the session, in bytes.
   * @param autoTune Whether windows grow.
   */
  constructor(base: number, buffer: number, autoTune: boolean) {
    this.base = base;
    this.#limit = Math.floor(SHARE * buffer);
    this.#autoTune = autoTune;
  }

  /** Bytes that windows have beyond the setting. */
  get granted(): number {
    return this.#granted;
  }

  /**
   * Changes the size of a window that is about to be told to the peer.
   *
   * @param elapsed Ms since it was told before; -1 if it never was.
   */
  tune(window: ReceiveWindow, elapsed: number, now: number): void {
    if (!this.#autoTune) return;
    // The sender uses the first window anyway.
    if (elapsed < 0) this.#grow(window, INITIAL_WINDOW, now);
    else if (elapsed <= 2 * (this.rtt || UNKNOWN_RTT)) this.#grow(window, 2 * window.size, now);
    else this.#hungry.delete(window);
    if (!this.#users.delete(window)) return;
    this.#users.add(window);
    if (this.#hungry.size > 0) this.#share(window, now);
  }

  /** Takes back what a window has beyond the setting. It is not used any more. */
  take(window: ReceiveWindow): void {
    this.#hungry.delete(window);
    this.#users.delete(window);
    this.#set(window, this.base);
  }

  #grow(window: ReceiveWindow, wanted: number, now: number): void {
    if (wanted <= window.size) return;
    this.#users.add(window);
    if (this.#limit - this.#granted < wanted - window.size) this.#takeFromIdle(now);
    const left = this.#limit - this.#granted;
    if (left > 0) this.#set(window, Math.min(wanted, window.size + left));
    if (window.size < wanted) this.#hungry.add(window);
    else this.#hungry.delete(window);
  }

  /** Takes from a window half of what it has beyond the setting, if that is more than an equal share. */
  #share(window: ReceiveWindow, now: number): void {
    this.#takeFromIdle(now);
    const extra = window.size - this.base;
    const fair = Math.floor(this.#limit / this.#users.size);
    if (extra > fair) this.#set(window, this.base + Math.max(fair, extra >>> 1));
  }

  #takeFromIdle(now: number): void {
    const idle = now - Math.max(IDLE_TIME, IDLE_ROUNDS * this.rtt);
    for (const window of this.#users) {
      if (window.toldAt >= idle) return;
      this.take(window);
      window.tellLater();
    }
  }

  #set(window: ReceiveWindow, size: number): void {
    this.#granted += size - window.size;
    window.size = size;
  }
}
