import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { happyEyeballs, interleaveFamilies } from "../../../transport/connection/happy_eyeballs.ts";
import { FakeClock, outcome, settle } from "../harness.ts";

/** Attempts that a test settles by hand. */
class Attempts {
  readonly clock = new FakeClock();
  /** When each address was tried. */
  readonly started: [address: string, at: number][] = [];
  /** The addresses whose attempt was cancelled. */
  readonly cancelled: string[] = [];
  readonly discarded: string[] = [];
  readonly #settle = new Map<string, PromiseWithResolvers<string>>();

  run(addresses: string[], options: { delay?: number; signal?: AbortSignal } = {}) {
    return happyEyeballs(addresses, (address, signal) => {
      this.started.push([address, this.clock.time]);
      signal.addEventListener("abort", () => this.cancelled.push(address));
      const settling = Promise.withResolvers<string>();
      this.#settle.set(address, settling);
      return settling.promise;
    }, { clock: this.clock, discard: (late: string) => this.discarded.push(late), ...options });
  }

  async answer(address: string): Promise<void> {
    this.#settle.get(address)!.resolve(`from ${address}`);
    await settle();
  }

  async refuse(address: string): Promise<void> {
    this.#settle.get(address)!.reject(new Error(`no ${address}`));
    await settle();
  }
}

Deno.test("happy eyeballs: families take turns, the first one stays first", () => {
  for (
    const [given, order] of [
      [["::1", "::2", "::3", "1.1.1.1"], ["::1", "1.1.1.1", "::2", "::3"]],
      [["1.1.1.1", "2.2.2.2", "::1"], ["1.1.1.1", "::1", "2.2.2.2"]],
      [["::1", "1.1.1.1", "::2", "2.2.2.2"], ["::1", "1.1.1.1", "::2", "2.2.2.2"]],
      [["::1", "::1", "1.1.1.1"], ["::1", "1.1.1.1"]],
      [["1.1.1.1"], ["1.1.1.1"]],
      [[], []],
    ]
  ) assertEquals(interleaveFamilies(given), order, given.join(" "));
});

Deno.test("happy eyeballs: one address is tried alone, without a timer", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a"]);
  await attempts.answer("a");
  assertEquals(await result, "from a");
  assertEquals([attempts.clock.asked, attempts.cancelled], [0, []]);
});

Deno.test("happy eyeballs: its only error is given as it is", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a"]);
  const checked = assertRejects(() => result, Error, "no a");
  await attempts.refuse("a");
  await checked;
});

Deno.test("happy eyeballs: the next address starts after 250 ms, the first answer wins", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a", "b", "c", "d"]);
  await attempts.clock.advance(249);
  assertEquals(attempts.started, [["a", 0]]);
  await attempts.clock.advance(251 + 100);
  assertEquals(attempts.started, [["a", 0], ["b", 250], ["c", 500]]);
  await attempts.answer("a");
  assertEquals(await result, "from a");
  assertEquals([attempts.cancelled, attempts.clock.pendingAt], [["b", "c"], Infinity]);
  await attempts.clock.advance(1000);
  assertEquals(attempts.started.length, 3);
});

Deno.test("happy eyeballs: the next address starts at once when the newest attempt fails", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a", "b", "c"]);
  await attempts.clock.advance(10);
  await attempts.refuse("a");
  assertEquals(attempts.started, [["a", 0], ["b", 10]]);
  // The delay counts from the newest start.
  await attempts.clock.advance(249);
  assertEquals(attempts.started.length, 2);
  await attempts.clock.advance(1);
  assertEquals(attempts.started[2], ["c", 260]);
  // An older attempt that fails changes nothing.
  await attempts.refuse("b");
  await attempts.answer("c");
  assertEquals(await result, "from c");
});

Deno.test("happy eyeballs: a delay may be given", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a", "b"], { delay: 10 });
  await attempts.clock.advance(10);
  await attempts.answer("b");
  assertEquals(await result, "from b");
  assertEquals(attempts.cancelled, ["a"]);
});

Deno.test("happy eyeballs: a loser that succeeds later is discarded, one that fails is ignored", async () => {
  const attempts = new Attempts();
  const result = attempts.run(["a", "b", "c"]);
  await attempts.clock.advance(600);
  await attempts.answer("b");
  await attempts.answer("a");
  await attempts.refuse("c");
  assertEquals([await result, attempts.discarded], ["from b", ["from a"]]);
});

Deno.test("happy eyeballs: when all fail, the error has each error in the order of addresses", async () => {
  const attempts = new Attempts();
  const result = outcome(attempts.run(["a", "b", "c"]));
  await attempts.clock.advance(300);
  await attempts.refuse("b");
  await attempts.refuse("c");
  assertEquals(result.state, "pending");
  await attempts.refuse("a");
  assertInstanceOf(result.state, AggregateError);
  assertEquals(result.state.errors.map(({ message }) => message), ["no a", "no b", "no c"]);
  assert(result.state.message.includes("3 addresses"));
  assertEquals(attempts.clock.pendingAt, Infinity);
});

Deno.test("happy eyeballs: an attempt that throws is one that fails", async () => {
  const clock = new FakeClock();
  const tried: number[] = [];
  const result = await happyEyeballs([1, 2], (n) => {
    tried.push(n);
    if (n === 1) throw new Error("no route");
    return Promise.resolve(n);
  }, { clock });
  assertEquals([result, tried], [2, [1, 2]]);
});

Deno.test("happy eyeballs: a signal ends all attempts with its reason", async () => {
  const attempts = new Attempts();
  const controller = new AbortController();
  const result = outcome(attempts.run(["a", "b", "c"], { signal: controller.signal }));
  await attempts.clock.advance(300);
  const reason = new Error("enough");
  controller.abort(reason);
  await settle();
  assertEquals([result.state, attempts.cancelled], [reason, ["a", "b"]]);
  assertEquals(attempts.clock.pendingAt, Infinity);
  await attempts.answer("a");
  assertEquals(attempts.discarded, ["from a"]);

  const late = new Attempts();
  const refused = outcome(late.run(["a"], { signal: controller.signal }));
  await settle();
  assertEquals([refused.state, late.started], [reason, []]);
});

Deno.test("happy eyeballs: without an address it is a TypeError", async () => {
  await assertRejects(() => happyEyeballs([], () => Promise.resolve(1)), TypeError, "no address");
});
