import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { turbo } from "../../../kcp/mod.ts";
import { type FakeTimersOptions, SimulatedNetwork } from "../../../transport/simulated.ts";
import { outcome, settle } from "../harness.ts";

/** Runs `body` while the timers of this process are on the time of a network. */
async function withTimers(
  body: (network: SimulatedNetwork) => Promise<void> | void,
  options?: FakeTimersOptions,
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "timers", link: { latency: 20 } });
  using _timers = network.fakeTimers(options);
  await network.run(() => body(network));
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

Deno.test("fakeTimers: setTimeout fires on the network's time, with its arguments", async () => {
  await withTimers(async (network) => {
    const seen: unknown[] = [];
    setTimeout((...args: unknown[]) => seen.push(network.now, ...args), 5000, "a", 2);
    setTimeout(() => seen.push(network.now), 30);
    await sleep(6000);
    assertEquals([seen, network.now], [[30, 5000, "a", 2], 6000]);
  });
});

Deno.test("fakeTimers: a timer that is cleared does not fire; unknown ones may be cleared", async () => {
  await withTimers(async () => {
    let fired = 0;
    const timer = setTimeout(() => fired++, 10);
    const interval = setInterval(() => fired++, 10);
    clearTimeout(timer);
    clearTimeout(timer);
    // As with the runtime's timers, either function clears both kinds.
    clearTimeout(interval);
    clearTimeout(undefined);
    clearInterval(123_456_789);
    await sleep(100);
    assertEquals(fired, 0);
  });
});

Deno.test("fakeTimers: setInterval repeats until it is cleared, also by its callback", async () => {
  await withTimers(async (network) => {
    const times: number[] = [];
    const interval = setInterval(() => {
      if (times.push(network.now) === 3) clearInterval(interval);
    }, 250);
    await sleep(10_000);
    assertEquals(times, [250, 500, 750]);
  });
});

Deno.test("fakeTimers: delays are at least 1 ms, as in Node.js, so that a loop moves the time", async () => {
  await withTimers(async (network) => {
    for (const delay of [0, -5, NaN, 2 ** 31, undefined]) {
      const before = network.now;
      await sleep(delay as number);
      assertEquals(network.now, before + 1, `${delay}`);
    }
    assertThrows(() => setTimeout("code" as unknown as () => void, 1), TypeError, "code");
  });
});

Deno.test("fakeTimers: Date and performance.now show the network's time", async () => {
  const date = new Date("2026-01-01T00:00:00Z");
  const RealDate = Date;
  await withTimers(async (network) => {
    await sleep(1500);
    assertEquals([Date.now() - date.getTime(), performance.now()], [1500, network.now]);
    assertEquals(new Date().toISOString(), "2026-01-01T00:00:01.500Z");
    assertEquals(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assertEquals(Date.UTC(1970, 0, 1), 0);
    assertEquals(new RealDate(Date() as unknown as string).getTime(), date.getTime() + 1000);
    assert(new Date() instanceof Date && date instanceof Date && new Date() instanceof RealDate);
    class Stamp extends Date {}
    assert(new Stamp() instanceof Stamp && new Stamp().getTime() === Date.now());
  }, { date });
  await withTimers(() => assertEquals(Date.now(), 0));
  assert(Math.abs(Date.now() - new RealDate().getTime()) < 1000);
});

Deno.test("fakeTimers: AbortSignal.timeout aborts an operation of a connection", async () => {
  await withTimers(async (network) => {
    network.listen({ hostname: "10.0.0.1", port: 80, ...turbo });
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo });
    const signal = AbortSignal.timeout(60_000);
    const error = await client.read(new Uint8Array(1), { signal }).catch((error) => error);
    assertEquals([error.name, network.now, signal.aborted], ["TimeoutError", 60_000, true]);
    assertThrows(() => AbortSignal.timeout(-1), RangeError, "-1");
  });
});

Deno.test("fakeTimers: what is restored is the runtime's, and fake timers never fire then", async () => {
  const before = [setTimeout, setInterval, clearTimeout, clearInterval, Date, performance.now];
  const { timeout } = AbortSignal;
  const network = new SimulatedNetwork();
  const timers = network.fakeTimers();
  let fired = 0;
  setTimeout(() => fired++, 10);
  setInterval(() => fired++, 10);
  assertThrows(() => network.fakeTimers(), Error, "not restored yet");
  assertThrows(() => new SimulatedNetwork().fakeTimers(), Error, "not restored yet");
  timers.restore();
  timers.restore();
  const after = [setTimeout, setInterval, clearTimeout, clearInterval, Date, performance.now];
  assert(before.every((value, i) => value === after[i]) && AbortSignal.timeout === timeout);
  assertEquals(Object.hasOwn(performance, "now"), false);
  await network.advance(1000);
  assertEquals(fired, 0);
  // Those of the runtime fire.
  await sleep(1);
  using _again = network.fakeTimers();
});

Deno.test("fakeTimers: the runtime's functions are not called on another object, as browsers demand", async () => {
  const { clearTimeout, clearInterval } = globalThis;
  const strict = (clear: (id?: number) => void) =>
    function (this: unknown, id?: number): void {
      if (this !== undefined && this !== globalThis) throw new TypeError("Illegal invocation");
      clear(id);
    };
  Object.assign(globalThis, {
    clearTimeout: strict(clearTimeout),
    clearInterval: strict(clearInterval),
  });
  try {
    const real = setTimeout(() => {}, 60_000);
    const network = new SimulatedNetwork();
    using _timers = network.fakeTimers();
    globalThis.clearTimeout(real);
    globalThis.clearInterval(real);
    await network.run(() => new Promise((resolve) => setTimeout(resolve, 5)));
    assertEquals(network.now, 5);
  } finally {
    Object.assign(globalThis, { clearTimeout, clearInterval });
  }
});

Deno.test("fakeTimers: a wrong date is refused, and nothing is replaced then", () => {
  const network = new SimulatedNetwork();
  for (const date of [NaN, Infinity, new Date("never")]) {
    assertThrows(() => network.fakeTimers({ date }), RangeError, "date");
  }
  network.fakeTimers().restore();
});

Deno.test("fakeTimers: an exception of a callback rejects run", async () => {
  const network = new SimulatedNetwork();
  using _timers = network.fakeTimers();
  const running = network.run(async () => {
    setTimeout(() => {
      throw new Error("from a timer");
    }, 5);
    await sleep(10);
  });
  await assertRejects(() => running, Error, "from a timer");
});

Deno.test("run: without fake timers, its error names them", async () => {
  const network = new SimulatedNetwork();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waiting = network.run(() => new Promise((resolve) => timer = setTimeout(resolve, 60_000)));
  await assertRejects(() => waiting, Error, "fakeTimers()");
  clearTimeout(timer);
});

Deno.test("run: it goes on although another tool has replaced setImmediate", async () => {
  const scope = globalThis as { setImmediate?: unknown };
  const before = scope.setImmediate;
  scope.setImmediate = () => {};
  try {
    const network = new SimulatedNetwork();
    const running = outcome(network.run(() => network.delay(10)));
    await settle();
    await settle();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(running.state, "resolved");
  } finally {
    scope.setImmediate = before;
  }
});

Deno.test("delay and schedule: a signal takes them back", async () => {
  const network = new SimulatedNetwork();
  await network.run(async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const delayed = network.delay(5000, { signal }).then(() => "over", (reason) => reason);
    let called = 0;
    network.schedule(5000, () => called++, { signal });
    network.schedule(100, () => called += 10, { signal });
    network.schedule(1000, () => stop.abort("enough"));
    assertEquals([await delayed, network.now], ["enough", 1000]);
    await network.delay(9000);
    assertEquals(called, 10);
    assertEquals(await network.delay(5, { signal }).catch((reason) => reason), "enough");
    network.schedule(0, () => called++, { signal });
    await network.delay(5);
    assertEquals([called, network.now], [10, 10_005]);
  });
});
