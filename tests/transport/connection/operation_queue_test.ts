import { assertEquals, assertRejects } from "@std/assert";
import { OperationQueue } from "../../../transport/connection/operation_queue.ts";

Deno.test("operation queue: an attempt that leads to another round is not made twice", async () => {
  const queue = new OperationQueue("test", () => () => {});
  let possible = false, attempts = 0;
  const attempt = () => {
    if (!possible) return undefined;
    attempts++;
    queue.serve();
    return attempts;
  };
  const results = [1, 2, 3].map(() => queue.run(attempt, { timeout: Infinity }));
  possible = true;
  queue.serve();
  assertEquals(await Promise.all(results), [1, 2, 3]);
  assertEquals(queue.busy, false);
});

Deno.test("operation queue: what an operation has begun is undone when it ends while it waits", async () => {
  const timers: (() => void)[] = [];
  const after = (_delay: number, run: () => void) => {
    timers.push(run);
    return () => {};
  };
  const queue = new OperationQueue("test", after, () => "", (message) => new RangeError(message));
  const undone: string[] = [];
  const start = (name: string, options: { timeout: number; signal?: AbortSignal }) =>
    queue.run(() => undefined, options, () => "", () => undone.push(name));
  const controller = new AbortController();
  const late = assertRejects(() => start("late", { timeout: 5 }), RangeError, "within 5 ms");
  const { signal } = controller;
  const aborted = assertRejects(
    () => start("aborted", { timeout: Infinity, signal }),
    Error,
    "gone",
  );
  const failed = assertRejects(() => start("failed", { timeout: Infinity }), Error, "over");
  timers[0]();
  controller.abort(new Error("gone"));
  queue.fail(new Error("over"));
  await Promise.all([late, aborted, failed]);
  assertEquals(undone, ["late", "aborted", "failed"]);
});

Deno.test("operation queue: an attempt that leads to the end of all rejects the others once", async () => {
  const queue = new OperationQueue("test", () => () => {});
  let possible = false;
  const first = queue.run(() => {
    if (!possible) return undefined;
    queue.fail(new Error("over"));
    return 1;
  }, { timeout: Infinity });
  const second = assertRejects(
    () => queue.run(() => undefined, { timeout: Infinity }),
    Error,
    "over",
  );
  possible = true;
  queue.serve();
  await assertRejects(() => first, Error, "over");
  await second;
  assertEquals([queue.busy, await queue.run(() => 3, { timeout: 0 })], [false, 3]);
});

Deno.test("operation queue: operations end in any order, and the others keep theirs", async () => {
  const queue = new OperationQueue("test", () => () => {});
  const controllers = Array.from({ length: 6 }, () => new AbortController());
  let possible = false;
  const done: number[] = [];
  const results = controllers.map(({ signal }, i) =>
    queue.run(() => possible ? done.push(i) : undefined, { timeout: Infinity, signal })
      .catch((reason) => reason)
  );
  for (const i of [5, 0, 3]) controllers[i].abort(`aborted ${i}`);
  results.push(queue.run(() => possible ? done.push(6) : undefined, { timeout: Infinity }));
  possible = true;
  queue.serve();
  await Promise.all(results);
  assertEquals(done, [1, 2, 4, 6]);
  assertEquals([await results[0], await results[3]], ["aborted 0", "aborted 3"]);
});
