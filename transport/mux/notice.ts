import { MuxError } from "./machine/errors.ts";
import type { MuxMachineStream } from "./machine/stream_face.ts";

/** Calls an application soon, and once for several reasons. */
export class Notice {
  /** The application's function; null after {@linkcode Notice.cancel}. */
  callback: (() => void) | null;
  #scheduled = false;
  #armed = false;

  readonly #stream: MuxMachineStream;

  constructor(callback: () => void, stream: MuxMachineStream) {
    this.callback = callback;
    this.#stream = stream;
  }

  /** Calls the application. It must not run in the middle of the work of a machine. */
  call(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      try {
        this.callback?.();
      } catch (error) {
        // The read or write that it made told it that the stream has ended. `closed` tells it, too.
        const { readError, writeError } = this.#stream;
        if (error instanceof MuxError && (readError ?? writeError)) return;
        throw error;
      }
    });
  }

  /** Calls nobody any more. */
  cancel(): void {
    this.callback = null;
  }

  /** Lets the next {@linkcode Notice.callArmed} call the application. */
  arm(): void {
    this.#armed = true;
  }

  /** Calls the application if it wants to be called. */
  callArmed(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.call();
  }
}
