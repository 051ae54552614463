/**
 * Runs trials as steps of a test.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** One step of a test. */
export interface Trial {
  name: string;
  run(): Promise<void>;
}

/**
 * Runs all trials as steps of a test.
 *
 * @param atOnce How many trials run at the same time.
 * @param deadline ms after which a trial has failed.
 */
export async function runAll(
  t: Deno.TestContext,
  trials: Trial[],
  atOnce: number,
  deadline: number,
): Promise<void> {
  const queue = trials.values();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (const { name, run } of queue) {
      await t.step({
        name,
        fn: () => withDeadline(run, deadline),
        // The sanitizers can't tell steps apart that run at once. They check the whole test.
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
      });
    }
  }));
}

async function withDeadline(run: () => Promise<void>, deadline: number): Promise<void> {
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => expired.reject(new AssertionError(`Not done after ${deadline} ms`)),
    deadline,
  );
  try {
    await Promise.race([run(), expired.promise]);
  } finally {
    clearTimeout(timer);
  }
}
