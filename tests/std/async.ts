/**
 * Stand-ins for the functions of `@std/async` that this project uses, for machines where JSR does
 * not answer. Names, signatures and behaviour are the same.
 *
 * @module
 */

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the delay early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether the timer keeps the process alive. Default: true. */
  persistent?: boolean;
}

/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Resolves after `ms` milliseconds. */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    function abort() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener("abort", abort, { once: true });
    if (!persistent) Deno.unrefTimer(timer);
  });
}

/**
 * Returns the result of `p`, if `p` settles within `ms` milliseconds.
 *
 * @throws {DOMException} With the name TimeoutError, if `p` does not settle in time.
 */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  const timeout = new AbortController();
  // setTimeout treats a delay above 2^31 - 1 as 0.
  const timer = ms < 2 ** 31
    ? setTimeout(() => timeout.abort(new DOMException("Signal timed out.", "TimeoutError")), ms)
    : undefined;
  const signals = options.signal ? [timeout.signal, options.signal] : [timeout.signal];
  try {
    return await abortable(p, AbortSignal.any(signals));
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the result of `p`. Rejects with the reason of `signal` if it aborts first. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/** Returns the items of `p`. Throws the reason of `signal` when it aborts. */
export function abortable<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncGenerator<T> {
  return p instanceof Promise ? abortablePromise(p, signal) : abortableItems(p, signal);
}

async function abortablePromise<T>(p: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted.promise, p]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function* abortableItems<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  signal.throwIfAborted();
  const iterator = p[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (true) {
      const { done, value } = await abortablePromise(Promise.resolve(iterator.next()), signal);
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    // Not awaited, because return() of a generator waits until its pending next() has ended.
    if (!ended) Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/**
 * Returns the results of `iteratorFn` for each item, in the order of the items. At most `poolLimit`
 * calls run at the same time.
 *
 * @throws {AggregateError} While iterating, if a call failed: with the errors of all running calls.
 */
export function pooledMap<T, R>(
  poolLimit: number,
  array: Iterable<T> | AsyncIterable<T>,
  iteratorFn: (data: T) => Promise<R>,
): AsyncIterableIterator<R> {
  const results: Promise<R>[] = [];
  const errors: unknown[] = [];
  let finished = false;
  let stopped = false;
  let wake = () => {};

  async function start(): Promise<void> {
    const running = new Set<Promise<unknown>>();
    try {
      for await (const item of array) {
        if (stopped || errors.length > 0) break;
        const result = Promise.resolve().then(() => iteratorFn(item));
        results.push(result);
        wake();
        const settled: Promise<unknown> = result
          .catch((error) => errors.push(error))
          .finally(() => running.delete(settled));
        running.add(settled);
        if (running.size >= poolLimit) await Promise.race(running);
      }
    } catch (error) {
      errors.push(error);
    }
    await Promise.all(running);
    finished = true;
    wake();
  }

  async function* ordered(): AsyncGenerator<R> {
    try {
      for (let index = 0;; index++) {
        while (index === results.length && !finished) {
          await new Promise<void>((resolve) => wake = resolve);
        }
        if (index === results.length) break;
        const result = await results[index].then((value) => ({ value }), () => undefined);
        if (result === undefined) break;
        yield result.value;
      }
    } finally {
      stopped = true;
    }
    await started;
    if (errors.length > 0) {
      throw new AggregateError(
        errors,
        "Cannot complete the mapping as an error was thrown from an item",
      );
    }
  }

  const started = start();
  return ordered();
}
