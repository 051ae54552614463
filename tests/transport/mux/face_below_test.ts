/**
 * A mux over what is no connection of the library: TCP, and pairs of Web Streams.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Mux, MuxError, type MuxOptions } from "../../../transport/mux.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { errorOf, readAll } from "./face_pair.ts";

/** Two ends of a TCP connection over loopback. */
async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return await Promise.all([Deno.connect({ hostname: "127.0.0.1", port }), listener.accept()]);
}

/** Two ends of a pair of Web Streams. */
function streamPair() {
  const there = new TransformStream<Uint8Array, Uint8Array>();
  const back = new TransformStream<Uint8Array, Uint8Array>();
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ] as const;
}

type Below = ConstructorParameters<typeof Mux>[0];

const PAIRS: Record<string, () => Promise<readonly [Below, Below]>> = {
  "TCP": tcpPair,
  "Web Streams of TCP": async () => {
    const [client, server] = await tcpPair();
    const { readable, writable } = client;
    return [{ readable, writable }, { readable: server.readable, writable: server.writable }];
  },
  // deno-lint-ignore require-await -- the others wait
  "pairs of Web Streams": async () => streamPair(),
  "a stream of another mux": async () => {
    const [client, server] = streamPair();
    const outer = await new Mux(client, { client: true }).createBidirectionalStream();
    return [outer, await new Mux(server, { client: false }).accept()];
  },
};

for (const [name, pair] of Object.entries(PAIRS)) {
  for (const version of [1, 2] as const) {
    Deno.test(`mux over ${name}, version ${version}: echo on many streams, and a close`, async () => {
      const [a, b] = await pair();
      const settings: MuxOptions = { version, linger: 3000 };
      const client = new Mux(a, { ...settings, client: true });
      const server = new Mux(b, { ...settings, client: false });
      const serving = (async () => {
        for await (const { readable, writable } of server) {
          readable.pipeTo(writable).catch(() => {});
        }
      })();
      const sent = pattern(100_000);
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const stream = await client.createBidirectionalStream();
          const writing = stream.writeAll(sent).then(() => stream.closeWrite());
          assertEquals(await readAll(stream), sent);
          await writing;
        }),
      );
      const last = await client.createBidirectionalStream();
      await last.write(new Uint8Array([1]));
      client.close({ closeCode: 4, reason: "done" });
      const info = { closeCode: 4, reason: "done" };
      assertEquals([await server.closed, await client.closed], [info, info]);
      await serving;
      assertEquals([client.maxDatagramSize, client.connection], [0, null]);
      assertEquals((await errorOf(client.sendDatagram(sent))).kind, "unsupported");
      assertEquals((await errorOf(client.readDatagram())).kind, "unsupported");
    });
  }
}

Deno.test("mux over TCP: an end below without a word is a close of code 0", async () => {
  const [a, b] = await tcpPair();
  const client = new Mux(a, { client: true });
  const stream = await client.createBidirectionalStream();
  assertEquals([client.remoteAddr.transport, stream.remoteAddr.hostname], ["tcp", "127.0.0.1"]);
  const reading = errorOf(stream.read(new Uint8Array(1)));
  const accepting = errorOf(client.accept());
  b.close();
  assertEquals(await client.closed, { closeCode: 0, reason: "" });
  assertEquals([(await reading).kind, (await accepting).kind], ["connection", "closed"]);
});

Deno.test("mux over Web Streams: a failure below is the cause of all errors", async () => {
  const failure = new Error("unplugged");
  let fail!: (reason: Error) => void;
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => {
      fail = (reason) => controller.error(reason);
    },
  });
  const client = new Mux({ readable, writable: new WritableStream() }, { client: true });
  const stream = await client.createBidirectionalStream();
  const waiting = [stream.read(new Uint8Array(1)), client.accept(), client.closed, stream.closed];
  const errors = waiting.map((promise) => errorOf(promise));
  fail(failure);
  for (const error of await Promise.all(errors)) {
    assertEquals([error.kind, error.cause], ["connection", failure]);
  }
});

Deno.test("mux over Web Streams: a writable that fails is the cause, too", async () => {
  const failure = new Error("disk full");
  const writable = new WritableStream<Uint8Array>({ write: () => Promise.reject(failure) });
  const client = new Mux({ readable: new ReadableStream(), writable }, { client: true });
  const stream = await client.createBidirectionalStream();
  assertEquals((await errorOf(client.closed)).cause, failure);
  assertEquals((await errorOf(stream.write(new Uint8Array(1)))).cause, failure);
});

Deno.test("mux over Web Streams: its time is that of the clock that it is given", async () => {
  const network = new SimulatedNetwork();
  const [a, b] = streamPair();
  await network.run(async () => {
    const clock = network.clock();
    const client = new Mux(a, { client: true, clock });
    // This side says nothing.
    b.readable.pipeTo(new WritableStream()).catch(() => {});
    const error = await errorOf(client.closed);
    assertEquals([error.kind, network.now], ["unreachable", 30_000]);
  });
});

Deno.test("mux over TCP: keep-alives keep an idle session alive", async () => {
  const [a, b] = await tcpPair();
  const settings = { keepAliveInterval: 20, keepAliveTimeout: 100 };
  const client = new Mux(a, { client: true, ...settings });
  const server = new Mux(b, { client: false, ...settings });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stream = await client.createBidirectionalStream();
  await stream.write(new Uint8Array([1]));
  assertEquals(await (await server.accept()).read(new Uint8Array(1)), 1);
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

Deno.test("mux: what is no connection is refused", () => {
  for (const wrong of [null, undefined, 5, "text", {}, { readable: 1 }]) {
    assertThrows(() => new Mux(wrong as unknown as Below, { client: true }), TypeError);
  }
  const [a] = streamPair();
  assertThrows(() => new Mux(a, {} as { client: boolean }), TypeError);
  const pair = streamPair()[0];
  assertThrows(() => new Mux(pair, { client: true, version: 3 as 1 }), RangeError);
  assertThrows(() => new Mux(streamPair()[0], { client: true, linger: -1 }), RangeError);
  const wrongLinger = { client: true, linger: "1" as unknown as number };
  assertThrows(() => new Mux(streamPair()[0], wrongLinger), TypeError);
  assert(MuxError.prototype instanceof Error);
});

for (const reads of [true, false]) {
  Deno.test(`mux over TCP: a close towards a peer that ends nothing, and reads: ${reads}`, async () => {
    const [a, b] = await tcpPair();
    const client = new Mux(a, { client: true, version: 1, linger: 200 });
    const stream = await client.createBidirectionalStream();
    // Without a reader, the system takes only a part of it.
    const writing = errorOf(stream.writeAll(new Uint8Array(50_000_000)));
    if (reads) stream.close();
    else await new Promise((resolve) => setTimeout(resolve, 100));
    let arrived = 0;
    const reading = reads && (async () => {
      for await (const chunk of b.readable) arrived += chunk.length;
    })();
    client.close();
    if (reads) {
      assertEquals(await client.closed, { closeCode: 0, reason: "" });
      await reading;
      assert(arrived > 0);
    } else {
      assertEquals((await errorOf(client.closed)).kind, "timeout");
      b.close();
    }
    await writing;
  });
}
