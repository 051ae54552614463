import { ConnectionError } from "../session/errors.ts";

/** Bounds of one read or write. */
export interface OperationOptions {
  /** Rejects the operation with the signal's reason when it is aborted; nothing is lost. */
  signal?: AbortSignal;
  /** Rejects the operation with a `timeout` {@linkcode ConnectionError} after so many ms. */
  timeout?: number;
}

/** An operation that waits for its turn, or until it is possible. */
interface Waiter {
  /** Tries; true when the operation is done or has failed. */
  attempt(): boolean;
  reject(reason: unknown): void;
}

/** Operations of one kind that are done one after the other, each as soon as it is possible. */
export class OperationQueue {
  readonly #name: string;
  readonly #after: (delay: number, run: () => void) => () => void;
  readonly #hint: () => string;
  readonly #waiting: Waiter[] = [];

  /**
   * @param name What an operation is called in messages.
   * @param after Calls `run` after `delay` ms, and returns what takes that back.
   * @param hint What else there is to say when an operation took too long.
   */
  constructor(
    name: string,
    after: (delay: number, run: () => void) => () => void,
    hint: () => string = () => "",
  ) {
    this.#name = name;
    this.#after = after;
    this.#hint = hint;
  }

  /**
   * Runs an operation now or later.
   *
   * @param attempt Does it and gives the result, or undefined when it has to wait, or throws.
   */
  // deno-lint-ignore require-await -- what is thrown rejects
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
        const message = `The ${this.#name} was not possible within ${timeout} ms${this.#hint()}`;
        withdraw(new ConnectionError("timeout", message));
      });
      const stop = () => {
        signal?.removeEventListener("abort", onAbort);
        cancel();
      };
      this.#waiting.push(waiter);
    });
  }

  /** Lets those go on that are possible now. */
  serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].attempt()) this.#waiting.shift();
  }

  /** Rejects all that wait. */
  fail(error: unknown): void {
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }
}
