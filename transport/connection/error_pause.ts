import { SystemClock } from "./system_clock.ts";

/** The longest pause, in ms. */
const MAX_PAUSE = 1_000;

/**
 * Pauses between errors of a socket. The first one is as short as a turn of the event loop. Each
 * further one is longer: 1 ms, 2 ms, and so on up to a second. So an error that repeats does not
 * keep the processor busy.
 */
export class ErrorPause {
  readonly #clock = new SystemClock();
  #next = 0;
  #end: (() => void) | null = null;
  #ended = false;
  /** Errors so far. */
  count = 0;

  /** Waits. One caller at a time. */
  async wait(): Promise<void> {
    this.count++;
    if (this.#ended) return;
    const pause = this.#next;
    this.#next = Math.min(MAX_PAUSE, Math.max(1, 2 * pause));
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      this.#clock.wake(this.#clock.now() + pause, resolve);
    });
    this.#end = null;
  }

  /** Makes the next pause short again, because the socket works. */
  reset(): void {
    this.#next = 0;
  }

  /** Ends the present pause and all later ones, because the socket is closed. */
  end(): void {
    this.#ended = true;
    this.#clock.stop();
    this.#end?.();
  }

  /** Keeps the process alive during a pause. This is the initial state. */
  ref(): void {
    this.#clock.ref();
  }

  /** Lets the process end during a pause. */
  unref(): void {
    this.#clock.unref();
  }
}

/** Whether the `code` of a system's error says that its descriptor is not a socket, or closed. */
export function isClosedCode(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return code === "EBADF" || code === "ENOTSOCK";
}
