/** Calls an application soon, and once for several reasons. */
export class Notice {
  /** The application's function; null after {@linkcode Notice.cancel}. */
  callback: (() => void) | null;
  #scheduled = false;
  #armed = false;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  /** Calls the application. It must not run in the middle of the work of a machine. */
  call(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.callback?.();
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
