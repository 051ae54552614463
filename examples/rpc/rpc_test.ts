/**
 * The RPC over streams in memory, and over a mux.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Mux, MuxListener } from "@lowlatency/kcp/mux";
import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
import { connectRpc } from "./client.ts";
import { encode, Kind, RpcError, type StreamConnection, type StreamPair } from "./messages.ts";
import { type CallContext, type Handlers, serveRpc } from "./server.ts";

interface Api {
  add(a: number, b: number): number;
  fail(text: string): void;
  count(from: number, to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): number;
  double(numbers: AsyncIterable<number>): AsyncIterable<number>;
  wait(): string;
  timeLeft(): number | null;
  first(numbers: AsyncIterable<number>): number;
}

/** The methods, and what they have seen. */
function service() {
  const seen = { aborted: 0, ended: 0, counted: 0 };
  const handlers: Handlers<Api> = {
    add: (_, a, b) => a + b,
    fail: (_, text) => {
      throw new RangeError(text);
    },
    async *count(_, from, to) {
      try {
        for (let n = from; n < to; n++) {
          seen.counted++;
          yield n;
          await Promise.resolve();
        }
      } finally {
        seen.ended++;
      }
    },
    async sum(_, numbers) {
      let sum = 0;
      for await (const n of numbers) sum += n;
      return sum;
    },
    async *double(_, numbers) {
      for await (const n of numbers) yield 2 * n;
    },
    wait: (context: CallContext) =>
      new Promise<string>((_, reject) => {
        context.signal.addEventListener("abort", () => {
          seen.aborted++;
          reject(context.signal.reason);
        });
      }),
    timeLeft: ({ timeout }) => timeout ?? null,
    async first(_, numbers) {
      for await (const n of numbers) return n;
      return -1;
    },
  };
  return { handlers, seen };
}

/** Two ends, and what the server's methods have seen. */
function open(maxCalls?: number) {
  const { ends: [near, far], close } = pair();
  const { handlers, seen } = service();
  const served = serveRpc<Api>(far, handlers, { maxCalls });
  return { api: connectRpc<Api>(near), near, seen, close, served };
}

/** A connection in memory. */
function pair(): { ends: [StreamConnection, StreamConnection]; close(): void } {
  const queues: ReadableStreamDefaultController<StreamPair>[] = [];
  const incoming = [0, 1].map((i) =>
    new ReadableStream<StreamPair>({ start: (queue) => void (queues[i] = queue) })
  );
  const end = (i: number): StreamConnection => ({
    incomingBidirectionalStreams: incoming[i],
    createBidirectionalStream: () => {
      const there = new TransformStream<Uint8Array, Uint8Array>();
      const back = new TransformStream<Uint8Array, Uint8Array>();
      queues[1 - i].enqueue({ readable: there.readable, writable: back.writable });
      return Promise.resolve({ readable: back.readable, writable: there.writable });
    },
  });
  return { ends: [end(0), end(1)], close: () => queues.forEach((queue) => queue.close()) };
}

async function* numbers(from: number, to: number): AsyncGenerator<number> {
  for (let n = from; n < to; n++) yield await Promise.resolve(n);
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found = [];
  for await (const value of values) found.push(value);
  return found;
}

/** Lets everything happen that needs no time. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

async function rejectsAs(run: () => unknown, code: string): Promise<void> {
  const error = await assertRejects(async () => await run(), RpcError);
  assertEquals(error.code, code);
}

Deno.test("rpc: a call has a result, or fails with the text of the error", async () => {
  const { api, close, served } = open();
  assertEquals(await api.add(1, 2), 3);
  const error = await assertRejects(async () => await api.fail("no such thing"), RpcError);
  assertEquals([error.code, error.message], ["failed", "no such thing"]);
  assertEquals(await Promise.all([api.add(1, 1), api.add(2, 2), api.add(3, 3)]), [2, 4, 6]);
  close();
  await served;
});

Deno.test("rpc: results and arguments can be streams", async () => {
  const { api } = open();
  assertEquals(await all(api.count(3, 6)), [3, 4, 5]);
  assertEquals(await api.sum(numbers(0, 1000)), 499_500);
  assertEquals(await all(api.double(numbers(1, 4))), [2, 4, 6]);
  assertEquals(await api.first(numbers(7, 1_000_000_000)), 7);
});

Deno.test("rpc: a loop that is left ends the method", async () => {
  const { api, seen } = open();
  for await (const n of api.count(0, 1e9)) if (n === 10) break;
  await settle();
  assertEquals(seen.ended, 1);
});

Deno.test("rpc: a reader that is slow holds the method back", async () => {
  const { api, seen } = open();
  for await (const n of api.count(0, 50)) {
    await settle();
    assert(seen.counted <= n + 8, `${seen.counted} values are made when ${n} is read`);
  }
});

Deno.test("rpc: a signal cancels the call at both ends", async () => {
  const { api, seen } = open();
  const control = new AbortController();
  const waiting = api.with({ signal: control.signal }).wait();
  const rejected = rejectsAs(() => waiting, "cancelled");
  await settle();
  control.abort();
  await rejected;
  await settle();
  assertEquals(seen.aborted, 1);
  await rejectsAs(() => api.with({ signal: control.signal }).add(1, 1), "cancelled");
});

Deno.test("rpc: a deadline ends the call at both ends", async () => {
  const { api, seen } = open();
  assertEquals(await api.timeLeft(), null);
  assertEquals(await api.with({ timeout: 5000 }).timeLeft(), 5000);
  await rejectsAs(() => api.with({ timeout: 10 }).wait(), "deadline-exceeded");
  await settle();
  assertEquals(seen.aborted, 1);
});

Deno.test("rpc: an argument that fails ends the call", async () => {
  const { api } = open();
  async function* broken() {
    yield 1;
    await settle();
    throw new Error("no more numbers");
  }
  const error = await assertRejects(async () => await api.sum(broken()), RpcError);
  assertEquals([error.code, error.message], ["failed", "an argument: no more numbers"]);
});

Deno.test("rpc: only the server's own methods can be called, and only so many at once", async () => {
  const { api, near } = open(2);
  const any = connectRpc<Record<string, () => void>>(near);
  await rejectsAs(() => any.nothing(), "unknown-method");
  await rejectsAs(() => any.toString(), "unknown-method");
  await rejectsAs(() => any.constructor(), "unknown-method");
  await settle();
  const control = new AbortController();
  const waiting = [1, 2].map(() => api.with({ signal: control.signal }).wait());
  const rejected = waiting.map((call) => rejectsAs(() => call, "cancelled"));
  await settle();
  await rejectsAs(() => api.add(1, 1), "busy");
  control.abort();
  await Promise.all(rejected);
  await settle();
  assertEquals(await api.add(1, 1), 2);
});

Deno.test("rpc: what is not a call is refused", async () => {
  const { near } = open();
  for (
    const bytes of [
      Uint8Array.of(255, 255, 255, 255, 0),
      Uint8Array.of(0, 0, 0, 0, 0),
      Uint8Array.of(3, 0, 0, 0, Kind.call, 123, 45),
      encode(Kind.item, 1),
      encode(Kind.call, { method: 1, args: [] }),
      encode(Kind.call, { method: "sum", args: [], stream: 0 }),
      encode(Kind.call, { method: "add", args: [], timeout: -1 }),
    ]
  ) {
    const { readable, writable } = await near.createBidirectionalStream();
    const writer = writable.getWriter();
    writer.write(bytes).catch(() => {});
    const answer = await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).text();
    assert(answer.includes("bad-message"), answer);
  }
});

Deno.test("rpc: a connection that ends fails the calls", async () => {
  const control = new AbortController();
  const dead: StreamConnection = {
    incomingBidirectionalStreams: new ReadableStream(),
    createBidirectionalStream: () =>
      Promise.resolve({
        readable: new ReadableStream({
          start: (queue) =>
            control.signal.addEventListener("abort", () => queue.error(new Error("gone"))),
        }),
        writable: new WritableStream(),
      }),
  };
  const waiting = connectRpc<Api>(dead).wait();
  const rejected = rejectsAs(() => waiting, "disconnected");
  await settle();
  control.abort();
  await rejected;
});

Deno.test("rpc: the same over a mux, in a network that loses packets", async () => {
  for (let seed = 0; seed < 5; seed++) {
    const network = new SimulatedNetwork({ seed, link: { latency: 30, loss: 0.05 } });
    await network.run(async () => {
      const { handlers, seen } = service();
      const listener = new MuxListener(network.listen({ hostname: "server", port: 1 }));
      const mux = new Mux(network.connect({ hostname: "server", port: 1 }), { client: true });
      const api = connectRpc<Api>(mux);
      const served = listener.accept().then((accepted) => serveRpc<Api>(accepted, handlers));
      const sums = await Promise.all([10, 1000, 1].map((to) => api.sum(numbers(0, to))));
      assertEquals(sums, [45, 499_500, 0]);
      assertEquals(await all(api.double(numbers(1, 4))), [2, 4, 6]);
      await rejectsAs(() => api.fail("on purpose"), "failed");

      // A loop that is left, and a call that is given up, end their methods at the other end.
      for await (const n of api.count(0, 1e9)) if (n === 5) break;
      const control = new AbortController();
      const waiting = api.with({ signal: control.signal }).wait();
      const rejected = rejectsAs(() => waiting, "cancelled");
      await network.delay(500);
      control.abort();
      await rejected;
      await network.delay(1000);
      assertEquals([seen.ended, seen.aborted], [1, 1]);
      assertEquals(mux.stats.streams, 0);

      const last = api.wait();
      const lost = rejectsAs(() => last, "disconnected");
      mux.close();
      await lost;
      await mux.closed;
      await served;
      listener.close();
    });
  }
});
