/**
 * Waits that end at a time.
 *
 * @module
 */
import { ConnectionError } from "../session/errors.ts";
import type { OperationOptions } from "./operation_queue.ts";
import { SystemClock } from "./system_clock.ts";

/**
 * Waits until a transport is ready, but no longer than the options of a `connect` allow.
 *
 * @throws {ConnectionError} With the kind `timeout` when the time has passed. When the signal is aborted,
 * its reason is thrown.
 */
export async function inTime(
  ready: Promise<void>,
  { timeout, signal }: OperationOptions,
): Promise<void> {
  if (timeout === undefined && signal === undefined) return await ready;
  // It may fail after the wait.
  ready.catch(() => {});
  const clock = new SystemClock();
  let onAbort = () => {};
  const ended = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal!.reason);
    signal?.addEventListener("abort", onAbort);
    if (timeout === undefined) return;
    const message = `The transport was not ready within ${timeout} ms`;
    clock.wake(clock.now() + timeout, () => reject(new ConnectionError("timeout", message)));
  });
  try {
    await Promise.race([ready, ended]);
  } finally {
    clock.stop();
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Waits for a promise, but not longer than a time. It never rejects.
 *
 * @param limit The time in ms.
 * @returns Whether the promise has settled.
 */
export function settlesWithin(promise: Promise<unknown>, limit: number): Promise<boolean> {
  return new Promise((resolve) => {
    const clock = new SystemClock();
    clock.wake(clock.now() + limit, () => resolve(false));
    const settled = () => {
      clock.stop();
      resolve(true);
    };
    promise.then(settled, settled);
  });
}
