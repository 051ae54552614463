/**
 * Runs many combinations at once.
 *
 * @module
 */
import { AssertionError } from "@std/assert";

/** Something to try, by a name that tells which it is. */
export interface Trial {
  name: string;
  run(): Promise<void>;
}

/**
 * Runs all trials as steps of a test, so many at once.
 *
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
        fn: () => inTime(run, deadline),
        // What several steps open at once is not told apart; the whole test looks after it.
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
      });
    }
  }));
}

async function inTime(run: () => Promise<void>, deadline: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AssertionError(`Not done after ${deadline} ms`)),
    deadline,
  );
  try {
    await Promise.race([run(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
