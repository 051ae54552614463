/**
 * However a mux ends, no promise is left hanging: each is rejected with the reason.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ConnectionError } from "../../../mod.ts";
import { Mux, MuxError } from "../../../transport/mux.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { type Ends, type PairOptions, withMuxes } from "./face_pair.ts";

/** How a promise has settled: the error, or "done". */
type Outcome = MuxError | "done";

/** Starts every operation that waits, on the client. Each gives how it has settled. */
async function startAll({ client, server }: Ends): Promise<Map<string, Promise<Outcome>>> {
  const outcomes = new Map<string, Promise<Outcome>>();
  const watch = (name: string, promise: Promise<unknown>) => {
    const outcome = promise.then(() => "done" as const, (error: unknown) => {
      assert(error instanceof MuxError, `${name} was rejected with ${error}`);
      return error;
    });
    outcomes.set(name, outcome);
  };
  const streams = [];
  for (let i = 0; i < 10; i++) {
    streams.push(await client.createBidirectionalStream());
    await server.accept();
  }
  const full = pattern(1 << 20);
  watch("accept", client.accept());
  watch("incoming stream", client.incomingBidirectionalStreams.getReader().read());
  watch("incoming unidirectional", client.incomingUnidirectionalStreams.getReader().closed);
  watch("iterator", client[Symbol.asyncIterator]().next());
  watch("readDatagram", client.readDatagram());
  watch("datagrams.readable", client.datagrams.readable.getReader().read());
  watch("mux.closed", client.closed);
  watch("mux.draining", client.draining);
  watch("read", streams[0].read(new Uint8Array(1)));
  watch("second read", streams[0].read(new Uint8Array(1)));
  watch("stream.closed", streams[0].closed);
  watch("writeAll", streams[1].writeAll(full));
  watch("write behind it", streams[1].write(full));
  watch("closeWrite behind it", streams[1].closeWrite());
  watch("writev", streams[2].writev([full, full]));
  const reader = streams[3].readable.getReader();
  watch("reader.read", reader.read());
  watch("reader.closed", reader.closed);
  watch("idle reader.closed", streams[4].readable.getReader().closed);
  const writer = streams[5].writable.getWriter();
  watch("writer.write", writer.write(full));
  watch("writer.closed", writer.closed);
  watch("writer.ready", writer.ready);
  watch("idle writer.closed", streams[6].writable.getWriter().closed);
  const own = streams[7].readable.getReader({ mode: "byob" });
  watch("byob read", own.read(new Uint8Array(10)));
  watch("pipe", streams[8].readable.pipeTo(streams[9].writable));
  return outcomes;
}

/** Waits for all outcomes; the names of those that do not settle within 100 s. */
async function settle(
  { network }: Ends,
  outcomes: Map<string, Promise<Outcome>>,
): Promise<Map<string, Outcome>> {
  const settled = new Map<string, Outcome>();
  for (const [name, outcome] of outcomes) outcome.then((value) => settled.set(name, value));
  for (let i = 0; i < 100 && settled.size < outcomes.size; i++) await network.delay(1000);
  const hanging = [...outcomes.keys()].filter((name) => !settled.has(name));
  assertEquals(hanging, []);
  return settled;
}

/** Those that may end without an error, when the mux was closed. */
const CALM = ["incoming stream", "incoming unidirectional", "iterator", "mux.closed"];

/** A way for a mux to end, and the kind of the errors on the client. */
interface Death {
  readonly act: (ends: Ends) => void;
  readonly kind: string;
  /** Whether it counts as a close: the mux itself does not fail. */
  readonly calm?: boolean;
  /** The kind of the error of the connection below, which must be the cause. */
  readonly cause?: string;
  readonly options?: PairOptions;
}

const DEATHS: Record<string, Death> = {
  "the peer closes it": { act: ({ server }) => server.close(), kind: "reset", calm: true },
  "the peer aborts it": {
    act: ({ server }) => server.abort("no more", 5),
    kind: "reset",
    calm: true,
  },
  // The peer does not read, so that not everything is delivered.
  "this side closes it": { act: ({ client }) => client.close(), kind: "closed" },
  "this side aborts it": { act: ({ client }) => client.abort("no more"), kind: "closed" },
  "the peer aborts the connection below": {
    act: ({ below }) => below.server.abort("no more"),
    kind: "connection",
    cause: "reset",
  },
  "this side aborts the connection below": {
    act: ({ below }) => below.client.abort("no more"),
    kind: "connection",
    cause: "closed",
  },
  "the path is cut": {
    act: ({ network }) => network.configure({ loss: 1 }),
    kind: "unreachable",
  },
  "the path is cut, and only the connection below notices it": {
    act: ({ network }) => network.configure({ loss: 1 }),
    kind: "connection",
    cause: "unreachable",
    options: { keepAliveInterval: Infinity },
  },
};

for (const [name, { act, kind, calm = false, cause, options }] of Object.entries(DEATHS)) {
  Deno.test(`mux: nothing is left hanging when ${name}`, async () => {
    await withMuxes(async (ends) => {
      const outcomes = await startAll(ends);
      await ends.network.delay(500);
      act(ends);
      const settled = await settle(ends, outcomes);
      for (const [operation, outcome] of settled) {
        if (operation === "mux.draining" || operation === "writer.ready" && outcome === "done") {
          assertEquals(outcome, "done");
        } else if (kind === "closed" && operation === "mux.closed") {
          assert(outcome !== "done" && ["closed", "timeout"].includes(outcome.kind));
        } else if (outcome === "done" && kind === "closed" && CALM.includes(operation)) {
          continue;
        } else if (calm && CALM.includes(operation)) {
          assertEquals(outcome, "done", operation);
        } else if (outcome === "done") {
          // A close delivers what was handed over, if the peer reads it: it does not.
          throw new Error(`${operation} succeeded`);
        } else {
          const kinds = [kind, calm ? "closed" : kind];
          if (kind === "closed") kinds.push("timeout");
          assert(kinds.includes(outcome.kind), `${operation}: ${outcome.kind}: ${outcome.message}`);
          if (cause) {
            assert(outcome.cause instanceof ConnectionError, `${operation} has no cause`);
            assertEquals(outcome.cause.kind, cause);
          }
        }
      }
      assertEquals(ends.client.state, "closed");
      const after = await ends.client.createBidirectionalStream().catch((error) => error);
      assert(after instanceof MuxError);
    }, options);
  });
}

Deno.test("mux: a peer that breaks the protocol ends it, with the reason", async () => {
  const network = new SimulatedNetwork({ link: { latency: 20 } });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80 });
  await network.run(async () => {
    const conn = network.connect({ hostname: "10.0.0.1", port: 80 });
    const client = new Mux(conn, { client: true });
    const stream = await client.createBidirectionalStream();
    const reading = stream.read(new Uint8Array(1)).catch((error) => error);
    const server = await listener.accept();
    await server.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const error = await client.closed.catch((error) => error);
    assert(error instanceof MuxError);
    assertEquals([error.kind, (await reading).kind], ["protocol", "protocol"]);
    await conn.closed;
  }, 60_000);
});

Deno.test("mux: a peer of which nothing is heard is unreachable", async () => {
  // KCP of the other side answers; what runs over it says nothing.
  const network = new SimulatedNetwork({ link: { latency: 20 } });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80 });
  await network.run(async () => {
    const conn = network.connect({ hostname: "10.0.0.1", port: 80 });
    const client = new Mux(conn, { client: true, keepAliveInterval: 1000, keepAliveTimeout: 3000 });
    const start = network.now;
    const accepting = client.accept().catch((error) => error);
    await listener.accept();
    const error = await client.closed.catch((error) => error);
    assert(error instanceof MuxError);
    assertEquals([error.kind, (await accepting).kind], ["unreachable", "unreachable"]);
    assert(network.now - start >= 3000 && network.now - start < 3100, `${network.now - start} ms`);
  }, 60_000);
});
