import { ConnectionError } from "../session/errors.ts";
import { shown } from "../session/shown.ts";

/** Limits of one operation that may wait, such as a read or a write. */
export interface OperationOptions {
  /**
   * Rejects the operation with the signal's reason when the signal is aborted, or was before. No data
   * that arrived is lost. Default: no signal.
   */
  signal?: AbortSignal | undefined;
  /**
   * How long (ms) the operation may take, 0 to `Infinity`. After that it rejects with a
   * {@linkcode ConnectionError} of kind `timeout`, and the connection goes on. With 0, only what is
   * possible at once succeeds. Default: the connection's `readTimeout` or `writeTimeout`.
   */
  timeout?: number | undefined;
}

/** The limits of an operation that is a part of another one. */
export interface PartOptions extends OperationOptions {
  /** The time (ms) that the message of a timeout names: that of the whole. Default: `timeout`. */
  readonly wholeTimeout?: number;
}

/** Calls `run` after `delay` ms. Returns a function that cancels the call. */
type After = (delay: number, run: () => void) => () => void;

/** An operation that waits for earlier operations, or until it is possible. */
class Waiter<T> {
  /** The operation that waits behind it. */
  next: Waiter<unknown> | null = null;
  readonly promise: Promise<T>;
  readonly #attempt: () => T | undefined;
  readonly #undo: (() => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  /** What ends the wait early; null if nothing does. */
  #signal: AbortSignal | null = null;
  #onAbort: (() => void) | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(attempt: () => T | undefined, undo: (() => void) | undefined) {
    this.#attempt = attempt;
    this.#undo = undo;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Calls `withdraw` when the signal is aborted. */
  watch(signal: AbortSignal, withdraw: () => void): void {
    this.#signal = signal;
    this.#onAbort = withdraw;
    signal.addEventListener("abort", withdraw);
  }

  /** Calls `withdraw` after a time. */
  limit(timeout: number, after: After, withdraw: () => void): void {
    this.#cancelTimer = after(timeout, withdraw);
  }

  /** Tries the operation. True when it is done or has failed. */
  attempt(): boolean {
    try {
      const result = this.#attempt();
      if (result === undefined) return false;
      this.#stop();
      this.#resolve(result);
    } catch (error) {
      this.reject(error);
    }
    return true;
  }

  reject(reason: unknown): void {
    this.#stop();
    this.#undo?.();
    this.#reject(reason);
  }

  #stop(): void {
    if (this.#onAbort) this.#signal!.removeEventListener("abort", this.#onAbort);
    this.#cancelTimer?.();
  }
}

/** Runs operations of one kind in order, each as soon as it is possible. */
export class OperationQueue {
  readonly #name: string;
  readonly #after: After;
  readonly #diagnosis: () => string;
  readonly #timeoutError: (message: string) => Error;
  /** The operations that wait form a list. */
  #first: Waiter<unknown> | null = null;
  #last: Waiter<unknown> | null = null;
  #serving = false;

  /**
   * @param name The name of an operation in error messages.
   * @param after Calls `run` after `delay` ms. Returns a function that cancels the call.
   * @param diagnosis Text to add to the message of a timeout.
   * @param timeoutError Makes the error of a timeout.
   */
  constructor(
    name: string,
    after: After,
    diagnosis: () => string = nothing,
    timeoutError: (message: string) => Error = timeoutOfConnection,
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
  run<T>(
    attempt: () => T | undefined,
    { signal, timeout, wholeTimeout }: PartOptions,
    progress?: () => string,
    undo?: () => void,
  ): Promise<T> {
    try {
      const limit = checkLimits(this.#name, signal, timeout);
      if (this.#first === null) {
        const result = attempt();
        if (result !== undefined) return Promise.resolve(result);
      }
      return this.#wait(attempt, limit, wholeTimeout ?? limit, progress, undo, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Whether an operation waits. */
  get busy(): boolean {
    return this.#first !== null;
  }

  #wait<T>(
    attempt: () => T | undefined,
    timeout: number,
    wholeTimeout: number,
    progress: (() => string) | undefined,
    undo: (() => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const waiter = new Waiter(attempt, undo);
    if (signal) waiter.watch(signal, () => this.#withdraw(waiter, signal.reason));
    if (timeout !== Infinity) {
      waiter.limit(timeout, this.#after, () => {
        const tail = (progress?.() ?? "") + this.#diagnosis();
        const message = `The ${this.#name} was not possible within ${wholeTimeout} ms${tail}`;
        this.#withdraw(waiter, this.#timeoutError(message));
      });
    }
    this.#append(waiter as Waiter<unknown>);
    return waiter.promise;
  }

  #append(waiter: Waiter<unknown>): void {
    if (this.#last === null) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
  }

  /** Takes the first operation that waits. */
  #shift(): void {
    this.#first = this.#first!.next;
    if (this.#first === null) this.#last = null;
  }

  /** Ends the wait of an operation with an error. Nothing happens if it does not wait any more. */
  #withdraw<T>(waiter: Waiter<T>, reason: unknown): void {
    let before: Waiter<unknown> | null = null;
    let found = this.#first;
    for (; found !== null && found !== waiter; found = found.next) before = found;
    if (found === null) return;
    if (before === null) this.#first = found.next;
    else before.next = found.next;
    if (this.#last === found) this.#last = before;
    found.reject(reason);
    this.serve();
  }

  /** Completes the operations that are possible now. */
  serve(): void {
    // An attempt may lead to this call. It must not be made twice.
    if (this.#serving) return;
    this.#serving = true;
    for (let waiter; (waiter = this.#first) !== null && waiter.attempt();) {
      // It may have been taken out meanwhile.
      if (this.#first === waiter) this.#shift();
    }
    this.#serving = false;
  }

  /** Rejects all waiting operations. */
  fail(error: unknown): void {
    let waiter = this.#first;
    this.#first = this.#last = null;
    for (; waiter !== null; waiter = waiter.next) waiter.reject(error);
  }
}

/**
 * Checks the time limit of an operation.
 *
 * @param name The name of the operation in the message.
 * @throws {TypeError | RangeError} If it has the wrong type or is out of its range.
 */
export function checkTimeout(name: string, timeout: unknown): asserts timeout is number {
  if (typeof timeout === "number" && timeout >= 0) return;
  const message = `Cannot ${name} with a timeout of ${shown(timeout)}: allowed are 0 to Infinity`;
  throw typeof timeout === "number" ? new RangeError(message) : new TypeError(message);
}

/**
 * Checks the limits of an operation.
 *
 * @param name The name of the operation in error messages.
 * @returns The timeout.
 * @throws The signal's reason, if it is aborted.
 * @throws {TypeError | RangeError} If one of them has the wrong type or is out of its range.
 */
export function checkLimits(
  name: string,
  signal: AbortSignal | undefined,
  timeout: number | undefined,
): number {
  if (signal) checkSignal(signal);
  checkTimeout(name, timeout);
  return timeout;
}

/**
 * Checks the signal of an operation.
 *
 * @throws The signal's reason, if it is aborted.
 * @throws {TypeError} If it is no signal.
 */
export function checkSignal(signal: AbortSignal): void {
  if (typeof signal.throwIfAborted !== "function") {
    throw new TypeError(`Cannot set signal to ${shown(signal)}: it must be an AbortSignal`);
  }
  signal.throwIfAborted();
}

function nothing(): string {
  return "";
}

function timeoutOfConnection(message: string): ConnectionError {
  return new ConnectionError("timeout", message);
}
