import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { pattern } from "../../kcp/harness.ts";
import { fill, outcome, readAll, readExactly, settle } from "../harness.ts";
import { errorOf, withPair } from "./pair.ts";

const MIB = 1 << 20;

Deno.test("writeAll: 1 MB arrives, where write takes what the queue has room for", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(4 * MIB);
    const taken = await client.write(sent);
    assert(taken < sent.length, "the test proves nothing");
    const writing = client.writeAll(sent.subarray(taken));
    assertEquals(await readExactly(server, sent.length), sent);
    await writing;
  });
});

Deno.test("writeAll: what is written meanwhile comes after it, and so does the end", async () => {
  await withPair(async (client, server) => {
    const sent = pattern(4 * MIB + 1000);
    const tasks = [
      client.writeAll(sent.subarray(0, 4 * MIB)),
      client.write(sent.subarray(4 * MIB)),
      client.closeWrite(),
    ];
    assertEquals(await readAll(server), sent);
    await Promise.all(tasks);
  });
});

Deno.test("writeAll: its timeout counts for all of it, and tells how much was written", async () => {
  await withPair(async (client, server, network) => {
    const filled = await fill(client);
    const before = network.now;
    const error = await errorOf(client.writeAll(pattern(MIB, filled), { timeout: 300 }));
    assertEquals([error.kind, error.code, network.now], ["timeout", "ETIMEDOUT", before + 300]);
    assertStringIncludes(error.message, `0 of ${MIB} bytes were written`);
    // The connection goes on behind the bytes that were written.
    await readExactly(server, filled);
    await client.writeAll(pattern(5));
    assertEquals(await readExactly(server, 5), pattern(5));
  });
});

Deno.test("writeAll: a timeout of 0 takes what there is room for at once, or rejects", async () => {
  await withPair(async (client, server) => {
    await client.writeAll(pattern(1000), { timeout: 0 });
    assertEquals(await readExactly(server, 1000), pattern(1000));
    const error = await errorOf(client.writeAll(new Uint8Array(64 * MIB), { timeout: 0 }));
    assertEquals(error.kind, "timeout");
    const [, count] = error.message.match(/(\d+) of 67108864 bytes/)!;
    assertEquals((await readExactly(server, Number(count))).length, Number(count));
  });
});

Deno.test("writeAll: an aborted signal ends it; one aborted before writes nothing", async () => {
  await withPair(async (client, server) => {
    const controller = new AbortController();
    const { signal } = controller;
    const writing = outcome(client.writeAll(new Uint8Array(64 * MIB), { signal }));
    await settle();
    assertEquals(writing.state, "pending");
    const reason = new Error("enough");
    controller.abort(reason);
    await settle();
    assertEquals(writing.state, reason);
    const before = client.stats.bytesHeld;
    assertEquals(await client.writeAll(pattern(9), { signal }).catch((error) => error), reason);
    assertEquals(client.stats.bytesHeld, before);
    server.abort();
  });
});

Deno.test("writeAll: a close while it waits rejects it with kind closed", async () => {
  await withPair(async (client) => {
    const writing = outcome(client.writeAll(new Uint8Array(64 * MIB)));
    await settle();
    client.close();
    await settle();
    assertInstanceOf(writing.state, Error);
    assertEquals((await errorOf(client.writeAll(pattern(1)))).kind, "closed");
  }, { linger: 10 });
});

Deno.test("writev: the pieces arrive one after the other, empty ones too", async () => {
  await withPair(async (client, server) => {
    const all = pattern(10_000);
    const pieces = [
      all.subarray(0, 4),
      new Uint8Array(),
      all.subarray(4, 9000),
      all.subarray(9000),
    ];
    await Promise.all([client.writev(pieces), client.writev([]), client.write(pattern(7))]);
    assertEquals(await readExactly(server, 10_000), all);
    assertEquals(await readExactly(server, 7), pattern(7));
  });
});

Deno.test("writev: a header and a small body share one packet", async () => {
  await withPair(async (client, server) => {
    const { packetsOut } = client.stats;
    await client.writev([pattern(4), pattern(100)]);
    await readExactly(server, 104);
    assertEquals(client.stats.packetsOut, packetsOut + 1);
  });
});

Deno.test("writev: a wrong piece is a TypeError before anything is written", async () => {
  await withPair(async (client, _, network) => {
    const { packets } = network.stats;
    for (const wrong of [[pattern(5), "text"], "text", null, pattern(5)]) {
      const error = await client.writev(wrong as Uint8Array[]).catch((error) => error);
      assertInstanceOf(error, TypeError, `${wrong} was taken`);
    }
    await network.delay(100);
    assertEquals(network.stats.packets, packets);
  });
});

Deno.test("write after the end: the code is EPIPE", async () => {
  await withPair(async (client) => {
    await client.closeWrite();
    for (
      const write of [
        () => client.write(pattern(1)),
        () => client.writeAll(pattern(1)),
        () => client.sendMessage(pattern(1)),
      ]
    ) {
      const error = await errorOf(write());
      assertEquals([error.kind, error.code], ["closed", "EPIPE"]);
    }
  });
});
