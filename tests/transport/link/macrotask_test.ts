import { assertEquals } from "@std/assert";
import type { macrotask } from "../../../transport/link/macrotask.ts";

interface Runtime {
  setImmediate?: unknown;
  MessageChannel?: unknown;
  setTimeout?: unknown;
}

/** A channel. Deno's own is of no use here: a microtask may deliver its messages. */
class Channel {
  readonly deliver: (callback: () => void) => void = setImmediate;
  port1: { onmessage: (() => void) | null; close(): void } = { onmessage: null, close: () => {} };
  port2 = { postMessage: () => this.deliver(() => this.port1.onmessage?.()) };
}

/** A channel as that of Cloudflare Workers. */
class HastyChannel extends Channel {
  override readonly deliver = queueMicrotask;
}

let loaded = 0;

/** Loads the module as on a runtime that has only the given functions. */
async function loadWith(runtime: Runtime): Promise<typeof macrotask> {
  const scope = globalThis as Runtime;
  const { setImmediate, MessageChannel, setTimeout } = scope;
  Object.assign(scope, { setImmediate: undefined, MessageChannel: undefined }, runtime);
  try {
    const url = new URL("../../../transport/link/macrotask.ts", import.meta.url);
    url.search = String(++loaded);
    return (await import(url.href)).macrotask;
  } finally {
    Object.assign(scope, { setImmediate, MessageChannel, setTimeout });
  }
}

/** Counts the calls of `setTimeout`. */
function counted(): { setTimeout: typeof setTimeout; calls: number } {
  const real = setTimeout;
  const counter = {
    calls: 0,
    setTimeout: ((callback: () => void, ms: number) => {
      counter.calls++;
      return real(callback, ms);
    }) as typeof setTimeout,
  };
  return counter;
}

/** How many of 1000 microtasks in a row have run when the macrotask runs. */
async function microtasksBefore(wait: () => Promise<void>): Promise<number> {
  let count = 0;
  const chain = (async () => {
    while (count < 1000) {
      await null;
      count++;
    }
  })();
  await wait();
  const before = count;
  await chain;
  return before;
}

const RUNTIMES: [name: string, runtime: Runtime, timeouts: number][] = [
  ["with setImmediate", { setImmediate, MessageChannel: HastyChannel }, 0],
  ["with messages only", { MessageChannel: Channel }, 0],
  ["where a microtask delivers messages", { MessageChannel: HastyChannel }, 3],
  ["with timers only", {}, 3],
];

for (const [name, runtime, timeouts] of RUNTIMES) {
  Deno.test(`macrotask: on a runtime ${name}, all microtasks run before it`, async () => {
    const timer = counted();
    const wait = await loadWith({ ...runtime, setTimeout: timer.setTimeout });
    for (let i = 0; i < 3; i++) assertEquals(await microtasksBefore(wait), 1000);
    assertEquals(timer.calls, timeouts);
  });

  Deno.test(`macrotask: on a runtime ${name}, several wait at once and go on in order`, async () => {
    const wait = await loadWith(runtime);
    for (let round = 0; round < 2; round++) {
      const order: number[] = [];
      await Promise.all([1, 2, 3].map((i) => wait().then(() => order.push(i))));
      assertEquals(order, [1, 2, 3]);
    }
  });
}
