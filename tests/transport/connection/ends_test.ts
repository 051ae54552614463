/** The ends of the two streams, and what a closed or cancelled half leaves of a connection. */
import { assert, assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { ConnectionError } from "../../../mod.ts";
import { pattern } from "../../kcp/harness.ts";
import { fill, outcome, readAll, readExactly, settle } from "../harness.ts";
import { CLIENT, errorOf, SERVER, withPair } from "./pair.ts";

Deno.test("closeWrite: a request of 4 MB to an echo server comes back, one step after the other", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(4_000_000);
    const echoing = server.readable.pipeTo(server.writable);
    // Neither window nor queue holds all of it, so that the reading begins before the writing ends.
    const received = readExactly(client, 3_000_000);
    await client.writeAll(sent);
    await client.closeWrite();
    assertEquals(await received, sent.subarray(0, 3_000_000));
    assertEquals(await readAll(client), sent.subarray(3_000_000));
    await echoing;
    await Promise.all([client.closed, server.closed]);
  });
});

Deno.test("closeWrite: it does not wait for an echo that nobody reads yet", async () => {
  await withPair(async (client, server, network) => {
    server.readable.pipeTo(server.writable).catch(() => {});
    const written = await fill(client);
    await network.delay(10_000);
    const more = await fill(client);
    const before = network.now;
    await client.closeWrite();
    assertEquals(network.now, before);
    assertEquals((await readAll(client)).length, written + more);
  });
});

Deno.test("closeWrite: a write that waits is done first; the limits count for that wait", async () => {
  await withPair(async (client, server, network) => {
    const filled = await fill(client);
    const rest = pattern(3, filled);
    const writing = client.writeAll(rest);
    const before = network.now;
    const late = await errorOf(client.closeWrite({ timeout: 50 }));
    assertEquals([late.kind, network.now - before], ["timeout", 50]);
    const controller = new AbortController();
    const ending = outcome(client.closeWrite({ signal: controller.signal }));
    const refused = client.closeWrite({ signal: AbortSignal.abort("before") });
    assertEquals(await refused.catch((error) => error), "before");
    controller.abort("enough");
    await settle();
    assertEquals(ending.state, "enough");
    const ended = client.closeWrite();
    assertEquals((await readAll(server)).length, filled + 3);
    await Promise.all([writing, ended]);
  });
});

Deno.test("closeWrite: again, and after a close, it resolves; after a failure it rejects", async () => {
  await withPair(async (client, server, network) => {
    await client.closeWrite();
    await client.closeWrite({ timeout: 0 });
    server.close();
    await server.closeWrite();
    await network.delay(1000);
  });
  await withPair(async (client) => {
    client.abort("enough");
    assertEquals((await errorOf(client.closeWrite())).message, "enough");
  });
});

Deno.test("open, drained, writes, reads, ping: each takes a timeout and a signal", async () => {
  await withPair(async (client, server, network) => {
    await fill(client);
    network.partition(SERVER, CLIENT);
    const stranger = network.connect({ hostname: "10.0.0.9", port: 1 });
    const calls = [
      (options = {}) => stranger.open(options),
      (options = {}) => client.drained(options),
      (options = {}) => client.write(pattern(1), options),
      (options = {}) => client.writeAll(pattern(1), options),
      (options = {}) => client.writev([pattern(1)], options),
      (options = {}) => client.sendMessage(pattern(1), options),
      (options = {}) => server.read(new Uint8Array(1 << 24), options),
      (options = {}) => client.receiveMessage(options),
      (options = {}) => client.receiveDatagram(options),
      (options = {}) => client.ping(options),
    ];
    await server.read(new Uint8Array(1 << 24));
    for (const [index, call] of calls.entries()) {
      for (const timeout of [0, 70]) {
        const before = network.now;
        const error = await errorOf(call({ timeout }));
        assertEquals([error.kind, network.now - before], ["timeout", timeout], `call ${index}`);
      }
      const before = await call({ signal: AbortSignal.abort("before") }).catch((error) => error);
      assertEquals(before, "before", `call ${index}`);
      const controller = new AbortController();
      const waiting = outcome(call({ signal: controller.signal, timeout: 1000 }));
      await settle();
      assertEquals(waiting.state, "pending", `call ${index}`);
      controller.abort("meanwhile");
      await settle();
      assertEquals(waiting.state, "meanwhile", `call ${index}`);
      const wrong = await call({ timeout: -1 }).catch((error: unknown) => error);
      assertInstanceOf(wrong, RangeError);
    }
    const last = [outcome(stranger.open()), outcome(client.ping())];
    stranger.close();
    client.close();
    await settle();
    for (const { state } of last) {
      assertInstanceOf(state, ConnectionError);
      assertEquals([state.kind, state.code], ["closed", "ECONNABORTED"]);
    }
  }, { linger: 1 });
});

Deno.test("closed: it settles when both ends are ended and delivered, unread too", async () => {
  await withPair(async (client, server, network) => {
    await client.writeAll(pattern(50_000));
    await client.closeWrite();
    await server.writeAll(pattern(100));
    await server.closeWrite();
    const closed = [outcome(client.closed), outcome(server.closed)];
    await network.delay(1000);
    assertEquals(closed.map(({ state }) => state), ["resolved", "resolved"]);
    assertEquals([client.state, server.state], ["closed", "closed"]);
    // What has arrived is read later, up to the end, after TIME-WAIT too.
    assertEquals(await readExactly(server, 20_000), pattern(20_000));
    await network.delay(60_000);
    assertEquals(await readAll(server), pattern(30_000, 20_000));
    assertEquals(await readAll(client), pattern(100));
    assertEquals(await server.read(new Uint8Array(1)), null);
  });
});

for (const loss of [0.1, 0.3]) {
  Deno.test(`closed: unread ends with lost packets (${loss}) lose nothing`, async () => {
    await withPair(
      async (client, server, network) => {
        await client.writeAll(pattern(50_000));
        await Promise.all([client.closeWrite(), server.writeAll(pattern(9)), server.closeWrite()]);
        await Promise.all([client.closed, server.closed]);
        await network.delay(10_000);
        assertEquals(await readAll(server), pattern(50_000));
        assertEquals(await readAll(client), pattern(9));
      },
      {},
      { latency: 20, loss },
    );
  });
}

Deno.test("closed: it waits while the peer's end is behind data that the window has no room for", async () => {
  await withPair(async (client, server, network) => {
    const writing = client.writeAll(pattern(200_000));
    const ending = client.closeWrite();
    await server.closeWrite();
    const closed = outcome(server.closed);
    await network.delay(5000);
    assertEquals(closed.state, "pending");
    assertEquals(await readAll(server), pattern(200_000));
    await Promise.all([writing, ending]);
    await network.delay(1000);
    assertEquals(closed.state, "resolved");
  }, { rcvWnd: 32 });
});

Deno.test("closed: a close after both ends frees what is unread", async () => {
  await withPair(async (client, server, network) => {
    await client.writeAll(pattern(50_000));
    await Promise.all([client.closeWrite(), server.closeWrite()]);
    await network.delay(500);
    assert(server.stats.bytesHeld > 0);
    server.close();
    assertEquals(server.stats.bytesHeld, 0);
    assertEquals((await errorOf(server.read(new Uint8Array(1)))).kind, "closed");
    await server.closed;
  });
});

Deno.test("readable: cancel after closeWrite closes the connection, and the writer is told", async () => {
  await withPair(async (client, server, network) => {
    await client.closeWrite();
    const reader = client.readable.getReader();
    const writing = outcome(server.writeAll(new Uint8Array(1 << 26)));
    await reader.read();
    const { payloadIn } = client.stats;
    await reader.cancel("enough");
    await network.delay(1000);
    assertInstanceOf(writing.state, ConnectionError);
    assertEquals([writing.state.kind, writing.state.code], ["reset", "ECONNRESET"]);
    await client.closed;
    // What was in flight arrives: a window at most.
    assertLess(client.stats.payloadIn - payloadIn, 2048 * 1376, "it read on");
  });
});

Deno.test("readable: cancel leaves the writing open, and reads nothing more", async () => {
  await withPair(async (client, server, network) => {
    const filling = fill(server);
    await client.readable.cancel();
    const filled = await filling;
    await network.delay(10_000);
    const { payloadIn } = client.stats;
    assertEquals((await errorOf(server.write(pattern(1), { timeout: 5000 }))).kind, "timeout");
    assertEquals(client.stats.payloadIn, payloadIn, "it read on");
    assertLess(payloadIn, filled);
    const error = await errorOf(client.read(new Uint8Array(1)));
    assertEquals([error.kind, error.message.includes("cancelled")], ["closed", true]);
    // The answer still arrives. With its end, nothing is open.
    await client.writeAll(pattern(5000));
    assertEquals(client.state, "open");
    await client.closeWrite();
    assertEquals(await readAll(server), pattern(5000));
    await client.closed;
  });
});

Deno.test("readable: leaving a loop over it cancels it; a read that waits rejects", async () => {
  await withPair(async (client, server) => {
    await server.write(pattern(3));
    for await (const chunk of client.readable) {
      assertEquals(chunk, pattern(3));
      break;
    }
    assertEquals((await errorOf(client.read(new Uint8Array(1)))).kind, "closed");
    await client.write(pattern(4));
    assertEquals(await readExactly(server, 4), pattern(4));
    const waiting = outcome(server.read(new Uint8Array(1)));
    await server.readable.cancel();
    await settle();
    assertInstanceOf(waiting.state, ConnectionError);
  });
});

Deno.test("writable: abort ends the connection, and its error is the cause", async () => {
  await withPair(async (client, server) => {
    const cause = new Error("the file is gone");
    await client.writable.abort(cause);
    const error = await errorOf(client.closed);
    assertEquals([error.kind, error.cause], ["closed", cause]);
    const told = await errorOf(server.closed);
    assertEquals([told.kind, told.code], ["reset", "ECONNRESET"]);
    assert(told.reason.includes("the file is gone"), told.reason);
  });
});

Deno.test("pipeTo: a close delivers what the pipe has written, though the pipe fails", async () => {
  await withPair(async (client, server, network) => {
    const piping = outcome(server.readable.pipeTo(server.writable));
    const sent = pattern(50_000);
    await client.writeAll(sent);
    // The echo is on its way, and not acknowledged.
    await network.delay(30);
    server.close();
    assertEquals(await readAll(client), sent);
    await client.closeWrite();
    await Promise.all([client.closed, server.closed]);
    assertInstanceOf(piping.state, ConnectionError);
    assertEquals(piping.state.kind, "closed");
  });
});

Deno.test("writable: an abort for another reason ends the connection at once, after a close, too", async () => {
  await withPair(async (client, server) => {
    const writer = server.writable.getWriter();
    await writer.write(pattern(10));
    server.close();
    await writer.abort(new Error("no more"));
    assertEquals((await errorOf(client.closed)).reason, "The writable stream was aborted: no more");
  });
});
