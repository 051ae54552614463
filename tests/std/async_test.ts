import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { abortable, deadline, delay, pooledMap } from "@std/async";

const never = () => new Promise<never>(() => {});

async function* count(to: number): AsyncGenerator<number> {
  for (let i = 0; i < to; i++) yield i;
}

Deno.test("delay() resolves, and not too early", async () => {
  const start = performance.now();
  await delay(20);
  // Timers round to whole milliseconds.
  assertStrictEquals(performance.now() - start >= 19, true);
});

Deno.test("delay() rejects with the reason of its signal, and stops its timer", async () => {
  const reason = new Error("stop");
  assertStrictEquals(
    await assertRejects(() => delay(60_000, { signal: AbortSignal.abort(reason) })),
    reason,
  );
  const controller = new AbortController();
  const waiting = assertRejects(() => delay(60_000, { signal: controller.signal }));
  controller.abort(reason);
  assertStrictEquals(await waiting, reason);
});

Deno.test("delay() with persistent: false resolves too", async () => {
  await Promise.all([delay(1, { persistent: false }), delay(5)]);
});

Deno.test("deadline() returns the result or the rejection of the promise", async () => {
  assertStrictEquals(await deadline(Promise.resolve(5), 60_000), 5);
  await assertRejects(() => deadline(Promise.reject(new RangeError("no")), 60_000), RangeError);
});

Deno.test("deadline() rejects with a TimeoutError", async () => {
  const error = await assertRejects(() => deadline(never(), 5), DOMException);
  assertStrictEquals(error.name, "TimeoutError");
});

Deno.test("deadline() rejects with the reason of its signal", async () => {
  const reason = new Error("stop");
  const options = { signal: AbortSignal.abort(reason) };
  assertStrictEquals(await assertRejects(() => deadline(never(), 60_000, options)), reason);
});

Deno.test("abortable() returns the result, or rejects with the reason of the signal", async () => {
  const controller = new AbortController();
  assertStrictEquals(await abortable(Promise.resolve(5), controller.signal), 5);
  const reason = new Error("stop");
  const waiting = assertRejects(() => abortable(never(), controller.signal));
  controller.abort(reason);
  assertStrictEquals(await waiting, reason);
  assertStrictEquals(await assertRejects(() => abortable(never(), controller.signal)), reason);
});

Deno.test("abortable() yields items until the signal aborts", async () => {
  const controller = new AbortController();
  assertEquals(await Array.fromAsync(abortable(count(3), controller.signal)), [0, 1, 2]);
  const reason = new Error("stop");
  const seen: number[] = [];
  const error = await assertRejects(async () => {
    for await (const item of abortable(count(100), controller.signal)) {
      seen.push(item);
      if (item === 2) controller.abort(reason);
    }
  });
  assertStrictEquals(error, reason);
  assertEquals(seen, [0, 1, 2]);
});

Deno.test("pooledMap() yields in the order of the items, not in that of completion", async () => {
  const items = [30, 1, 15, 0, 5];
  const mapped = pooledMap(3, items, async (ms) => {
    await delay(ms);
    return ms * 2;
  });
  assertEquals(await Array.fromAsync(mapped), items.map((ms) => ms * 2));
});

Deno.test("pooledMap() runs as many calls at the same time as the limit allows", async () => {
  let running = 0;
  let most = 0;
  const mapped = pooledMap(2, count(6), async (item) => {
    most = Math.max(most, ++running);
    await delay(2);
    running--;
    return item;
  });
  assertEquals(await Array.fromAsync(mapped), [0, 1, 2, 3, 4, 5]);
  assertStrictEquals(most, 2);
});

Deno.test("pooledMap() ends with the errors of all running calls", async () => {
  const error = await assertRejects(
    () =>
      Array.fromAsync(pooledMap(2, [1, 2, 3, 4], async (item) => {
        await delay(item);
        if (item < 3) throw new RangeError(`item ${item}`);
        return item;
      })),
    AggregateError,
  );
  assertInstanceOf(error.errors[0], RangeError);
});
