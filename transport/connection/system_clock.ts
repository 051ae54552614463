import type { Clock } from "./driver.ts";

/** Longest delay of a timer, in ms. */
const MAX_DELAY = 2 ** 31 - 1;

/** The clock of any runtime: `performance.now` and one timer. */
export class SystemClock implements Clock {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #referenced = true;

  /** Milliseconds since the process or the page started. */
  now(): number {
    return performance.now();
  }

  /** Calls `callback` once, not before the time `at` (ms). This replaces the pending call. */
  wake(at: number, callback: () => void): void {
    this.stop();
    if (at === Infinity) return;
    const delay = Math.min(MAX_DELAY, Math.max(0, Math.ceil(at - performance.now())));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      callback();
    }, delay);
    if (!this.#referenced) this.#setReferenced(false);
  }

  /** Cancels the pending call. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Keeps the process alive while a call is pending. This is the initial state. */
  ref(): void {
    this.#referenced = true;
    this.#setReferenced(true);
  }

  /** Lets the process end while a call is pending. */
  unref(): void {
    this.#referenced = false;
    this.#setReferenced(false);
  }

  #setReferenced(referenced: boolean): void {
    const timer = this.#timer;
    if (timer === undefined) return;
    if (typeof timer === "object") {
      if (referenced) timer.ref();
      else timer.unref();
    } else if (typeof Deno !== "undefined") {
      if (referenced) Deno.refTimer(timer);
      else Deno.unrefTimer(timer);
    }
    // In a browser, a timer does not keep a page or worker alive.
  }
}

/** Fills bytes with secure random numbers of the runtime, for nonces. */
export function systemEntropy(target: Uint8Array<ArrayBuffer>): void {
  crypto.getRandomValues(target);
}
