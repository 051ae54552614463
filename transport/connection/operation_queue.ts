import { ConnectionError } from "../session/errors.ts";

/** Limits of one read or write. */
export interface OperationOptions {
  /**
   * Rejects the operation with the signal's reason when the signal is aborted. No data is lost.
   * Default: no signal.
   */
  signal?: AbortSignal;
  /**
   * How long (ms) the operation may wait, 0 to `Infinity`. After that it rejects with a
   * {@linkcode ConnectionError} of kind `timeout`. Default: the connection's `readTimeout` or
   * `writeTimeout`.
   */
  timeout?: number;
}

/** An operation that waits for earlier operations, or until it is possible. */
interface Waiter {
  /** Tries the operation. True when it is done or has failed. */
  attempt(): boolean;
  reject(reason: unknown): void;
}

/** Runs operations of one kind in order, each as soon as it is possible. */
export class OperationQueue {
  readonly #name: string;
  readonly #after: (delay: number, run: () => void) => () => void;
  readonly #diagnosis: () => string;
  readonly #waiting: Waiter[] = [];

  /**
   * @param name The name of an operation in error messages.
   * @param after Calls `run` after `delay` ms. Returns a function that cancels the call.
   * @param diagnosis Text to add to the message of a timeout.
   */
  constructor(
    name: string,
    after: (delay: number, run: () => void) => () => void,
    diagnosis: () => string = () => "",
  ) {
    this.#name = name;
    this.#after = after;
    this.#diagnosis = diagnosis;
  }

  /**
   * Runs an operation now or later.
   *
   * @param attempt Tries the operation. Gives the result, or undefined if the operation must wait.
   */
  // deno-lint-ignore require-await -- an error that is thrown becomes a rejection
  async run<T>(attempt: () => T | undefined, { signal, timeout }: OperationOptions): Promise<T> {
    signal?.throwIfAborted();
    if (typeof timeout !== "number" || !(timeout >= 0)) {
      throw new RangeError(
        `Cannot ${this.#name} with a timeout of ${timeout}: allowed are 0 to Infinity`,
      );
    }
    if (this.#waiting.length === 0) {
      const result = attempt();
      if (result !== undefined) return result;
    }
    return this.#wait(attempt, timeout, signal);
  }

  #wait<T>(attempt: () => T | undefined, timeout: number, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiter: Waiter = {
        attempt: () => {
          try {
            const result = attempt();
            if (result === undefined) return false;
            stop();
            resolve(result);
          } catch (error) {
            waiter.reject(error);
          }
          return true;
        },
        reject: (reason) => {
          stop();
          reject(reason);
        },
      };
      const withdraw = (reason: unknown) => {
        const index = this.#waiting.indexOf(waiter);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        waiter.reject(reason);
        this.serve();
      };
      const onAbort = () => withdraw(signal!.reason);
      signal?.addEventListener("abort", onAbort);
      const cancel = this.#after(timeout, () => {
        const message =
          `The ${this.#name} was not possible within ${timeout} ms${this.#diagnosis()}`;
        withdraw(new ConnectionError("timeout", message));
      });
      const stop = () => {
        signal?.removeEventListener("abort", onAbort);
        cancel();
      };
      this.#waiting.push(waiter);
    });
  }

  /** Completes the operations that are possible now. */
  serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].attempt()) this.#waiting.shift();
  }

  /** Rejects all waiting operations. */
  fail(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }
}
