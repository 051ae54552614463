/**
 * Happy Eyeballs: the addresses of a name are tried in turn, until one answers. Source: RFC 8305.
 *
 * @module
 */
import type { Clock } from "./driver.ts";
import { SystemClock } from "./system_clock.ts";

/** How long (ms) an attempt is alone before the next one starts. Source: RFC 8305 §5. */
const ATTEMPT_DELAY = 250;

/** Options of {@linkcode happyEyeballs}. */
export interface HappyEyeballsOptions<T> {
  /** How long an attempt is alone before the next one starts, in ms. Default: 250. */
  delay?: number;
  /** Ends all attempts. */
  signal?: AbortSignal;
  /** The clock for the delay. Default: that of the system. */
  clock?: Clock;
  /** Gives back the result of an attempt that succeeded after another one had. */
  discard?: (late: T) => void;
}

/**
 * The addresses of a name, in the order in which they are tried: IPv6 and IPv4 in turn. The family
 * of the first one stays first. Within a family, the order stays as it is. Source: RFC 8305 §4.
 *
 * @param addresses IP addresses, the best one first. The resolver of the system sorts them so by RFC
 * 6724: IPv6 first, unless this host has no route to it.
 */
export function interleaveFamilies(addresses: readonly string[]): string[] {
  const isV6 = (address: string) => address.includes(":");
  const unique = [...new Set(addresses)];
  const first = unique.filter((address) => isV6(address) === isV6(unique[0]));
  const second = unique.filter((address) => isV6(address) !== isV6(unique[0]));
  const order: string[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    order.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return order;
}

/**
 * Tries addresses until one attempt succeeds, and gives its result. The next attempt starts when
 * the newest one has failed, or after a delay. The earlier attempts go on meanwhile. When one
 * succeeds, the signals of all others are aborted.
 *
 * @param addresses The addresses, the best one first.
 * @param attempt Tries one address. When its signal is aborted, it must free what it holds and
 * reject. A result that comes later is given to `discard`.
 * @throws The error of the attempt when there was only one; an `AggregateError` with all errors, in
 * the order of the addresses, when all of several failed; the signal's reason when it is aborted.
 * @throws {TypeError} When there is no address.
 */
export function happyEyeballs<A, T>(
  addresses: readonly A[],
  attempt: (address: A, signal: AbortSignal) => Promise<T>,
  options: HappyEyeballsOptions<T> = {},
): Promise<T> {
  const { delay = ATTEMPT_DELAY, signal, clock = new SystemClock(), discard } = options;
  if (addresses.length === 0) {
    return Promise.reject(new TypeError("Cannot connect: there is no address"));
  }
  return new Promise<T>((resolve, reject) => {
    const running = new Map<number, AbortController>();
    const errors: unknown[] = [];
    let next = 0, failed = 0, over = false;

    /** Ends all attempts that still run. */
    const finish = (reason: unknown) => {
      over = true;
      clock.stop();
      signal?.removeEventListener("abort", cancel);
      for (const controller of running.values()) controller.abort(reason);
      running.clear();
    };
    const cancel = () => {
      reject(signal!.reason);
      finish(signal!.reason);
    };
    const succeed = (index: number, result: T) => {
      if (over) {
        discard?.(result);
        return;
      }
      running.delete(index);
      resolve(result);
      finish(new DOMException("Another address answered first", "AbortError"));
    };
    const fail = (index: number, error: unknown) => {
      if (over) return;
      running.delete(index);
      errors[index] = error;
      if (++failed === addresses.length) {
        reject(
          addresses.length === 1
            ? error
            : new AggregateError(errors, `None of ${addresses.length} addresses answered`),
        );
        finish(error);
      } else if (index === next - 1) {
        start();
      }
    };
    const start = () => {
      clock.stop();
      const index = next++;
      const controller = new AbortController();
      running.set(index, controller);
      if (next < addresses.length) clock.wake(clock.now() + delay, start);
      // An attempt that throws fails as one that rejects.
      new Promise<T>((settle) => settle(attempt(addresses[index], controller.signal))).then(
        (result) => succeed(index, result),
        (error) => fail(index, error),
      );
    };

    if (signal?.aborted) {
      cancel();
      return;
    }
    signal?.addEventListener("abort", cancel);
    start();
  });
}
