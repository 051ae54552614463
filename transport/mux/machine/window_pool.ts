import { INITIAL_WINDOW } from "./frame.ts";
import type { ReceiveWindow } from "./receive_window.ts";

/**
 * What the windows of all streams may have beyond the smallest, as a multiple of the receive
 * buffer; and up to which multiple they grow. The rest is for new streams.
 */
const OVERCOMMITMENT = 3;
const GROWTH = 2;
/** Largest window, as a part of the receive buffer, if the setting is not larger. */
const LARGEST = 3 / 4;
/** When little is left to grant, a window that begins gets at most this part of it. */
const PART_OF_REST = 1 / 4;
/** Window in bytes from the first read on, if that part of the rest is not less. */
const LARGE_START = 2 ** 20;
/** Smallest window in bytes, if the setting is not smaller. */
const SMALLEST = 1024;
/** A window that was not moved for this time, in ms, and for this many round trips, is shrunk. */
const IDLE_TIME = 1000;
const IDLE_ROUNDS = 8;
/** The round trip in ms, as long as it is unknown. */
const UNKNOWN_RTT = 100;

/**
 * Decides how large the receive windows of a session are.
 *
 * In version 2, a session that takes nothing from the connection below takes no window updates
 * either: two sides that wait for each other's updates would wait for ever. So what peers may send
 * must fit the memory. Every new sender assumes 262144 bytes. If that is too much for all together,
 * it is told less at once. Apart from 1 KiB each, all windows together stay below three times the
 * receive buffer, as few streams use theirs; and they grow up to twice the buffer, so that
 * something is left for new streams.
 *
 * A window of which half was read within two round trips holds its sender back: it is doubled. (So
 * do QUIC implementations, after Chromium's flow controller.) If nothing is left to grant, windows
 * that nobody uses are shrunk, and those with more than an equal share lose half at their next
 * update.
 */
export class WindowPool {
  /** Round trip to the peer in ms; 0 if unknown. */
  rtt = 0;
  /** Bytes of data that were not read yet: above the receive buffer, windows shrink. */
  used = 0;
  readonly #base: number;
  readonly #buffer: number;
  readonly #limit: number;
  readonly #growthLimit: number;
  readonly #smallest: number;
  readonly #largest: number;
  readonly #autoTune: boolean;
  /** What all windows have beyond the smallest one, in bytes. */
  #granted = 0;
  /** Windows that can be shrunk. The one that was moved last is at the end. */
  readonly #shrinkable = new Set<ReceiveWindow>();
  /** Windows that are larger than the setting, or want to be larger; and the bytes of them all. */
  readonly #busy = new Set<ReceiveWindow>();
  #busyBytes = 0;
  /** Windows that got less than they wanted. */
  readonly #hungry = new Set<ReceiveWindow>();

  /**
   * @param base Window of a stream, in bytes.
   * @param buffer Receive buffer of the session, in bytes.
   * @param autoTune Whether windows grow.
   */
  constructor(base: number, buffer: number, autoTune: boolean) {
    this.#base = base;
    this.#buffer = buffer;
    this.#limit = OVERCOMMITMENT * buffer;
    this.#growthLimit = GROWTH * buffer;
    this.#smallest = Math.min(base, SMALLEST);
    this.#largest = Math.max(base, Math.floor(LARGEST * buffer));
    this.#autoTune = autoTune;
  }

  /** What all windows have beyond the smallest one, in bytes. */
  get granted(): number {
    return this.#granted;
  }

  /**
   * Adds the window of a new stream.
   *
   * @returns Its size. If it is not {@linkcode INITIAL_WINDOW}, the peer must be told at once.
   */
  open(window: ReceiveWindow): number {
    const size = this.#granted + INITIAL_WINDOW <= this.#buffer
      ? INITIAL_WINDOW
      : this.#clamp(Math.min(this.#base, PART_OF_REST * (this.#limit - this.#granted)));
    if (size > this.#smallest) this.#shrinkable.add(window);
    this.#granted += size - this.#smallest;
    return size;
  }

  /** Removes a window: it has no size any more. */
  close(window: ReceiveWindow): void {
    if (window.size === 0) return;
    this.#calm(window);
    this.#set(window, this.#smallest);
    window.size = 0;
  }

  /**
   * Changes the size of a window that is about to be told to the peer.
   *
   * @param elapsed Ms since it was told before; -1 if it was not since the stream was opened.
   */
  tune(window: ReceiveWindow, elapsed: number, now: number): void {
    const { size } = window;
    this.#hungry.delete(window);
    let wanted = size;
    if (!this.#autoTune) wanted = this.#base;
    else if (this.used > this.#buffer) wanted = this.#clamp(size / 2);
    else if (elapsed < 0) wanted = Math.max(size, this.#base, INITIAL_WINDOW, this.#start());
    else if (elapsed <= 2 * (this.rtt || UNKNOWN_RTT)) wanted = Math.max(size, 2 * size);
    wanted = Math.min(wanted, this.#largest);
    if (this.#hungry.size > 0) wanted = Math.min(wanted, this.#shareOf(window));
    if (wanted > size) this.#grow(window, wanted, now);
    else this.#set(window, wanted);
    if (window.size <= this.#base && !this.#hungry.has(window)) this.#calm(window);
    if (this.#shrinkable.delete(window)) this.#shrinkable.add(window);
  }

  /** Window of a stream that begins to be read: it should not hold its sender's start back. */
  #start(): number {
    return Math.min(LARGE_START, Math.floor(PART_OF_REST * (this.#growthLimit - this.#granted)));
  }

  #grow(window: ReceiveWindow, wanted: number, now: number): void {
    if (!this.#busy.has(window)) {
      this.#busy.add(window);
      this.#busyBytes += window.size;
    }
    this.#takeFromIdle(wanted - window.size, now);
    const left = this.#growthLimit - this.#granted;
    if (left > 0) this.#set(window, Math.min(wanted, window.size + left));
    if (window.size < wanted) this.#hungry.add(window);
  }

  /**
   * What a window may have while others want more: an equal share of what it and the busy ones may
   * have. If it has more, it loses half, or what is above the share.
   */
  #shareOf(window: ReceiveWindow): number {
    const other = this.#busy.has(window) ? 0 : 1;
    const all = this.#growthLimit - this.#granted + this.#busyBytes + other * window.size;
    const fair = this.#clamp(all / (this.#busy.size + other));
    return Math.max(fair, window.size >>> 1);
  }

  /** Shrinks windows that nobody uses, until so many bytes are left to grant. */
  #takeFromIdle(needed: number, now: number): void {
    const idle = now - Math.max(IDLE_TIME, IDLE_ROUNDS * this.rtt);
    for (const window of this.#shrinkable) {
      if (this.#growthLimit - this.#granted >= needed || window.toldAt >= idle) return;
      this.#set(window, window.size > this.#base ? this.#base : this.#smallest);
      window.tellLater(now);
      this.#calm(window);
      // It is the one that was moved last.
      if (this.#shrinkable.delete(window)) this.#shrinkable.add(window);
    }
  }

  /** A window is not larger than the setting, and does not want to be. */
  #calm(window: ReceiveWindow): void {
    this.#hungry.delete(window);
    if (this.#busy.delete(window)) this.#busyBytes -= window.size;
  }

  #clamp(size: number): number {
    return Math.max(this.#smallest, Math.floor(size));
  }

  #set(window: ReceiveWindow, size: number): void {
    const change = size - window.size;
    this.#granted += change;
    if (this.#busy.has(window)) this.#busyBytes += change;
    window.size = size;
    if (size > this.#smallest) this.#shrinkable.add(window);
    else this.#shrinkable.delete(window);
  }
}
