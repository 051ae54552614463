import type { Clock } from "./driver.ts";

/** Longest delay that timers take, in ms. */
const MAX_DELAY = 2 ** 31 - 1;

/** The clock of the runtime, whichever it is: `performance.now` and one timer. */
export class SystemClock implements Clock {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #counted = true;

  /** Milliseconds since the process or the page started. */
  now(): number {
    return performance.now();
  }

  /** Calls `callback` once, not before `at`; it replaces the call that was asked for before. */
  wake(at: number, callback: () => void): void {
    this.stop();
    if (at === Infinity) return;
    const delay = Math.min(MAX_DELAY, Math.max(0, Math.ceil(at - performance.now())));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      callback();
    }, delay);
    if (!this.#counted) this.#count(false);
  }

  /** Forgets the call. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Lets the process live while a call is pending. */
  ref(): void {
    this.#counted = true;
    this.#count(true);
  }

  /** Lets the process end although a call is pending. */
  unref(): void {
    this.#counted = false;
    this.#count(false);
  }

  #count(counted: boolean): void {
    const timer = this.#timer;
    if (timer === undefined) return;
    if (typeof timer === "object") {
      if (counted) timer.ref();
      else timer.unref();
    } else if (typeof Deno !== "undefined") {
      if (counted) Deno.refTimer(timer);
      else Deno.unrefTimer(timer);
    }
    // Elsewhere nothing keeps a page or a worker alive.
  }
}

/** Fills bytes with randomness of the runtime, as nonces need it. */
export function systemEntropy(target: Uint8Array<ArrayBuffer>): void {
  crypto.getRandomValues(target);
}
