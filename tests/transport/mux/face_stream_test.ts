/**
 * The operations of a stream: their order, limits, and what the two ends of a direction see.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MuxError, type MuxStream } from "../../../transport/mux.ts";
import { pattern } from "../../kcp/harness.ts";
import { readExactly } from "../harness.ts";
import { errorOf, readAll, streamOf, withMuxes } from "./face_pair.ts";

const MIB = 1 << 20;

Deno.test("stream: a read or write that takes too long is rejected, and the stream goes on", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const { network } = ends;
    const start = network.now;
    assertEquals((await errorOf(client.read(new Uint8Array(1), { timeout: 100 }))).kind, "timeout");
    assertEquals(network.now - start, 100);
    client.readTimeout = 50;
    assertEquals((await errorOf(client.read(new Uint8Array(1)))).kind, "timeout");
    assertEquals(network.now - start, 150);
    assertEquals((await errorOf(client.read(new Uint8Array(1), { timeout: 0 }))).kind, "timeout");

    // The window is 262,144 bytes: the rest of these can't be sent.
    const sent = pattern(MIB);
    const error = await errorOf(client.writeAll(sent, { timeout: 1000 }));
    const [, written] = error.message.match(/: (\d+) of 1048576 bytes were written/)!;
    assertEquals(Number(written), 262_144);
    assertEquals(client.unsentBytes, 0);
    client.writeTimeout = 10;
    // What was taken back must not be sent, and what follows comes right behind what was sent.
    assertEquals(await client.write(new Uint8Array([1, 2, 3])), 3);
    assertEquals((await errorOf(client.writeAll(sent))).kind, "timeout");
    assertEquals(await readExactly(server, 262_144), sent.subarray(0, 262_144));
    assertEquals(await readExactly(server, 3), new Uint8Array([1, 2, 3]));
    for (const wrong of [-1, NaN]) {
      await assertRejects(() => client.read(new Uint8Array(1), { timeout: wrong }), RangeError);
      await assertRejects(() => client.write(new Uint8Array(1), { timeout: wrong }), RangeError);
    }
  });
});

Deno.test("stream: a signal ends an operation with its reason, and the next one begins", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const gone = AbortSignal.abort(new Error("gone"));
    for (
      const run of [
        () => client.read(new Uint8Array(1), { signal: gone }),
        () => client.write(new Uint8Array(1), { signal: gone }),
        () => client.writev([new Uint8Array(1)], { signal: gone }),
        () => client.closeWrite({ signal: gone }),
        () => ends.client.accept({ signal: gone }),
        () => ends.client.createBidirectionalStream({ signal: gone }),
      ]
    ) {
      await assertRejects(run, Error, "gone");
    }
    const controller = new AbortController();
    const { signal } = controller;
    const reading = assertRejects(() => client.read(new Uint8Array(1), { signal }), Error, "stop");
    const next = client.read(new Uint8Array(10));
    const accepting = assertRejects(() => ends.client.accept({ signal }), Error, "stop");
    const sent = pattern(MIB);
    const writing = assertRejects(() => client.writeAll(sent, { signal }), Error, "stop");
    const behind = client.writeAll(new Uint8Array([7]));
    await ends.network.delay(200);
    controller.abort(new Error("stop"));
    await Promise.all([reading, accepting, writing]);
    await server.write(new Uint8Array([1, 2]));
    assertEquals(await next, 2);
    const read = await readExactly(server, 262_145);
    await behind;
    assertEquals(read.subarray(0, 262_144), sent.subarray(0, 262_144));
    assertEquals(read[262_144], 7);
  });
});

Deno.test("stream: reads and writes are done in order; try* does not overtake them", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(600_000);
    const writes = [
      client.writeAll(sent.subarray(0, 300_000)),
      client.writev([sent.subarray(300_000, 400_000), sent.subarray(400_000, 500_000)]),
      client.writeAll(sent.subarray(500_000)),
    ];
    const ending = client.closeWrite();
    assertEquals(client.tryWrite(new Uint8Array([1])), 0);
    const first = new Uint8Array(10), second = new Uint8Array(10);
    const reads = [server.read(first), server.read(second)];
    assertEquals(server.tryRead(new Uint8Array(1)), 0);
    assertEquals(await Promise.all(reads), [10, 10]);
    const rest = await readAll(server);
    assertEquals(new Uint8Array([...first, ...second, ...rest]), sent);
    await Promise.all([...writes, ending]);
    assertEquals((await errorOf(client.write(new Uint8Array(1)))).code, "EPIPE");
    assertThrows(() => client.tryWrite(new Uint8Array(1)), MuxError);
    await client.closeWrite();
  });
});

Deno.test("stream: the memory of a write is free when its promise has settled", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(400_000);
    const memory = new Uint8Array(1000);
    const sending = (async () => {
      for (let at = 0; at < sent.length; at += 1000) {
        memory.set(sent.subarray(at, at + 1000));
        if (at % 3000 === 0) await client.writeAll(memory);
        else if (at % 3000 === 1000) {
          await client.writev([memory.subarray(0, 1), memory.subarray(1)]);
        } else for (let done = 0; done < 1000;) done += await client.write(memory.subarray(done));
        memory.fill(0);
      }
      await client.closeWrite();
    })();
    // It is read late, so that writes wait.
    await ends.network.delay(500);
    assertEquals(await readAll(server), sent);
    await sending;
  }, { link: { latency: 20, bandwidth: 1e6 } });
});

Deno.test("stream: tryRead, tryWrite and their callbacks move everything without promises", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(MIB);
    const got = new Uint8Array(MIB);
    let at = 0, done = 0, calls = 0, ended = false;
    client.onWritable = () => {
      calls++;
      while (at < sent.length) {
        const count = client.tryWrite(sent.subarray(at, at + 50_000));
        if (count === 0) return;
        at += count;
      }
      client.onWritable = null;
      client.closeWrite();
    };
    server.onReadable = () => {
      const buffer = new Uint8Array(10_000);
      let count;
      while ((count = server.tryRead(buffer))) {
        got.set(buffer.subarray(0, count), done);
        done += count;
      }
      if (count === null) ended = true;
    };
    await ends.network.delay(3000);
    assertEquals([at, done, ended], [MIB, MIB, true]);
    assertEquals(got, sent);
    assert(calls > 4, `onWritable was called ${calls} times`);
    assertEquals([client.onWritable, typeof server.onReadable], [null, "function"]);
    // It tells at once what is there already.
    let told = 0;
    server.onReadable = () => told++;
    await ends.network.delay(1);
    assertEquals(told, 1);
  });
});

Deno.test("stream: one direction ends, the other one goes on", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    await client.closeWrite();
    assertEquals(await server.read(new Uint8Array(1)), null);
    assertEquals(await server.read(new Uint8Array(1)), null);
    assertEquals(server.tryRead(new Uint8Array(1)), null);
    assertEquals([client.state, server.state], ["open", "open"]);
    await server.writeAll(pattern(100_000));
    await server.closeWrite();
    assertEquals(await readAll(client), pattern(100_000));
    await Promise.all([client.closed, server.closed]);
    assertEquals(ends.client.stats.streams, 0);
  });
});

Deno.test("stream: an abort ends both directions, and the peer learns the code", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const cause = new Error("no more");
    const reading = errorOf(client.read(new Uint8Array(1)));
    const theirs = errorOf(server.read(new Uint8Array(1)));
    client.abort(cause, 77);
    for (const error of [await reading, await errorOf(client.write(new Uint8Array(1)))]) {
      assertEquals([error.kind, error.message, error.cause], ["closed", "no more", cause]);
    }
    assertEquals((await errorOf(client.closed)).cause, cause);
    const error = await theirs;
    assertEquals([error.kind, error.closeCode], ["reset", 77]);
    assertEquals((await errorOf(server.write(new Uint8Array(1)))).closeCode, 77);
    assertEquals((await errorOf(server.closed)).closeCode, 77);
    assertThrows(() => server.abort("", -1), RangeError);
    assertThrows(() => server.abort("", 2 ** 32), RangeError);
    assertThrows(() => server.abort(5 as unknown as string), TypeError);
    // Others go on.
    const [other, peer] = await streamOf(ends);
    await other.write(new Uint8Array([1]));
    assertEquals(await peer.read(new Uint8Array(1)), 1);
  });
});

Deno.test("stream: cancelling the readable stops the peer's writes, aborting the writable its reads", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const writing = errorOf(server.writeAll(pattern(MIB)));
    await client.readable.cancel({ closeCode: 9 });
    assertEquals([(await writing).kind, (await writing).closeCode], ["reset", 9]);
    assertEquals((await errorOf(client.read(new Uint8Array(1)))).kind, "closed");
    // The other direction goes on.
    await client.writeAll(new Uint8Array([1, 2, 3]));
    assertEquals(await readExactly(server, 3), new Uint8Array([1, 2, 3]));
    const reading = errorOf(server.read(new Uint8Array(1)));
    await client.writable.abort(12);
    assertEquals([(await reading).kind, (await reading).closeCode], ["reset", 12]);
    assertEquals((await errorOf(client.write(new Uint8Array(1)))).kind, "closed");
    assertEquals(ends.client.stats.streams, 0);
  });
});

Deno.test("stream: a close sends what was written; operations that wait are rejected", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const sent = pattern(60_000);
    const reading = errorOf(client.read(new Uint8Array(1)));
    assertEquals(await client.write(sent), 60_000);
    client.close();
    client.close();
    assertEquals((await reading).kind, "closed");
    assertEquals((await errorOf(client.write(sent))).kind, "closed");
    assertEquals(await readAll(server), sent);
    await client.closed;
    assertEquals(client.state, "closed");
    const [disposed, peer] = await streamOf(ends);
    await disposed.write(sent);
    await disposed[Symbol.asyncDispose]();
    assertEquals([disposed.state, await readAll(peer)], ["closed", sent]);
  }, { link: { latency: 20, bandwidth: 1e5 } });
});

Deno.test("stream: what is no memory, and what is no number, is refused", async () => {
  await withMuxes(async (ends) => {
    const [client] = await streamOf(ends);
    const wrong = "text" as unknown as Uint8Array;
    await assertRejects(() => client.read(wrong), TypeError);
    await assertRejects(() => client.write(wrong), TypeError);
    await assertRejects(() => client.writeAll(wrong), TypeError);
    await assertRejects(() => client.writev([wrong]), TypeError);
    await assertRejects(() => client.writev(new Uint8Array(3) as unknown as []), TypeError);
    assertThrows(() => client.tryRead(wrong), TypeError);
    assertThrows(() => client.tryWrite(wrong), TypeError);
    assertThrows(() => client.sendOrder = NaN, RangeError);
    assertThrows(() => client.weight = 0, RangeError);
    await assertRejects(() => ends.client.createBidirectionalStream({ weight: 257 }), RangeError);
    const infinite = { sendOrder: Infinity };
    await assertRejects(() => ends.client.createBidirectionalStream(infinite), RangeError);
    assertEquals((await errorOf(ends.client.createUnidirectionalStream())).kind, "unsupported");
    assertEquals(await client.read(new Uint8Array()), 0);
    assertEquals(await client.write(new Uint8Array()), 0);
  });
});

Deno.test("stream: settings and addresses are told", async () => {
  await withMuxes(async (ends) => {
    const group = ends.client.createSendGroup();
    const options = { sendOrder: 3, sendGroup: group, weight: 7 };
    const stream = await ends.client.createBidirectionalStream(options);
    const show = ({ sendOrder, sendGroup, weight }: MuxStream) => ({
      sendOrder,
      sendGroup,
      weight,
    });
    assertEquals(show(stream), options);
    stream.writable.sendOrder = -2;
    stream.weight = 9;
    assertEquals([stream.sendOrder, stream.writable.sendOrder, stream.weight], [-2, -2, 9]);
    assertEquals(stream.writable.sendGroup, group);
    assertEquals([stream.id, stream.readable.id, stream.writable.id], [3, 3n, 3n]);
    const incoming = await ends.server.createBidirectionalStream();
    assertEquals(incoming.id, 2);
    assertEquals(stream.remoteAddr, { transport: "udp", hostname: "10.0.0.1", port: 80 });
    assertEquals(stream.localAddr.hostname, "10.0.0.2");
    assertEquals(ends.client.remoteAddr, stream.remoteAddr);
    assertEquals(ends.client.connection, ends.below.client);
    assertEquals(ends.client.sessions, 1);
  });
});

Deno.test("stream: counters of both directions, and of a group", async () => {
  await withMuxes(async (ends) => {
    const group = ends.client.createSendGroup();
    const open = () => ends.client.createBidirectionalStream({ sendGroup: group });
    const [first, second] = [await open(), await open()];
    const [server] = [await ends.server.accept(), await ends.server.accept()];
    assertEquals(first.writable.sendGroup, group);
    // The window is 262,144 bytes.
    const writing = first.writeAll(pattern(300_000));
    await second.writeAll(pattern(1000));
    await ends.network.delay(500);
    const sent = { bytesWritten: 300_000, bytesSent: 262_144, bytesAcknowledged: 0 };
    assertEquals(await first.writable.getStats(), sent);
    const all = { bytesWritten: 301_000, bytesSent: 263_144, bytesAcknowledged: 0 };
    assertEquals(await group.getStats(), all);
    await readExactly(server, 1000);
    const { bytesReceived, bytesRead } = await server.readable.getStats();
    assertEquals([bytesReceived, bytesRead], [262_144, 1000]);
    second.abort();
    assertEquals(await group.getStats(), all);
    await readExactly(server, 299_000);
    await writing;
    assertEquals((await group.getStats()).bytesSent, 301_000);
  });
});

Deno.test("stream: atomicWrite writes all or nothing", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    const writer = client.writable.getWriter();
    await writer.atomicWrite(pattern(200_000));
    const error = await assertRejects(() => writer.atomicWrite(pattern(100_000)), DOMException);
    assertEquals(error.name, "AbortError");
    await writer.atomicWrite(pattern(62_144));
    const waiting = writer.write(pattern(10));
    await assertRejects(() => writer.atomicWrite(new Uint8Array(1)), DOMException);
    const got = await readExactly(server, 262_154);
    assertEquals(got.subarray(200_000, 262_144), pattern(62_144));
    await waiting;
    await writer.close();
    assertEquals(await server.read(new Uint8Array(1)), null);
  });
});

Deno.test("stream: a callback that reads or writes after the end breaks nothing", async () => {
  await withMuxes(async (ends) => {
    const [client, server] = await streamOf(ends);
    let calls = 0;
    server.onReadable = () => {
      calls++;
      while (server.tryRead(new Uint8Array(100)));
    };
    await client.write(new Uint8Array(10));
    await ends.network.delay(100);
    client.abort();
    await ends.network.delay(100);
    assertEquals([calls, server.state], [2, "closed"]);
  });
});
