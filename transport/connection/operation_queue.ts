import { ConnectionError } from "../session/errors.ts";

/** Limits of one operation that may wait, such as a read or a write. */
export interface OperationOptions {
  /**
   * Rejects the operation with the signal's reason when the signal is aborted, or was before. No data
   * that arrived is lost. Default: no signal.
   */
  signal?: AbortSignal;
  /**
   * How long (ms) the operation may take, 0 to `Infinity`. After that it rejects with a
   * {@linkcode ConnectionError} of kind `timeout`, and the connection goes on. With 0, only what is
   * possible at once succeeds. Default: the connection's `readTimeout` or `writeTimeout`.
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
  readonly #timeoutError: (message: string) => Error;
  readonly #waiting: Waiter[] = [];
  #serving = false;

  /**
   * @param name The name of an operation in error messages.
   * @param after Calls `run` after `delay` ms. Returns a function that cancels the call.
   * @param diagnosis Text to add to the message of a timeout.
   * @param timeoutError Makes the error of a timeout.
   */
  constructor(
    name: string,
    after: (delay: number, run: () => void) => () => void,
    diagnosis: () => string = () => "",
    timeoutError: (message: string) => Error = (message) => new ConnectionError("timeout", message),
  ) {
    this.#name = name;
    this.#after = after;
    this.#diagnosis = diagnosis;
    this.#timeoutError = timeoutError;
  }

  /**
   * Runs an operation now or later.
   *
   * @param attempt Tries the operation. Gives the result, or undefined if the operation must wait. It
   * may do a part of its work each time.
   * @param progress Text for the message of a timeout: what the operation has done so far.
   * @param undo Is called when the operation ends with an error while it waits.
   */
  // deno-lint-ignore require-await -- an error that is thrown becomes a rejection
  async run<T>(
    attempt: () => T | undefined,
    { signal, timeout }: OperationOptions,
    progress: () => string = () => "",
    undo: () => void = () => {},
  ): Promise<T> {
    const limit = checkLimits(this.#name, signal, timeout);
    if (this.#waiting.length === 0) {
      const result = attempt();
      if (result !== undefined) return result;
    }
    return this.#wait(attempt, limit, progress, undo, signal);
  }

  /** Whether an operation waits. */
  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  #wait<T>(
    attempt: () => T | undefined,
    timeout: number,
    progress: () => string,
    undo: () => void,
    signal?: AbortSignal,
  ): Promise<T> {
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
          undo();
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
        const tail = progress() + this.#diagnosis();
        const message = `The ${this.#name} was not possible within ${timeout} ms${tail}`;
        withdraw(this.#timeoutError(message));
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
    // An attempt may lead to this call. It must not be made twice.
    if (this.#serving) return;
    this.#serving = true;
    while (this.#waiting.length > 0 && this.#waiting[0].attempt()) this.#waiting.shift();
    this.#serving = false;
  }

  /** Rejects all waiting operations. */
  fail(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }
}

/**
 * Checks the limits of an operation.
 *
 * @param name The name of the operation in error messages.
 * @returns The timeout.
 * @throws The signal's reason, if it is aborted.
 * @throws {RangeError} If the timeout is out of its range.
 */
export function checkLimits(
  name: string,
  signal: AbortSignal | undefined,
  timeout: number | undefined,
): number {
  signal?.throwIfAborted();
  if (typeof timeout !== "number" || !(timeout >= 0)) {
    throw new RangeError(`Cannot ${name} with a timeout of ${timeout}: allowed are 0 to Infinity`);
  }
  return timeout;
}
