import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { type Connection, ConnectionError, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import type { Listener } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { Session } from "../../../transport/mod.ts";
import {
  drain,
  fill,
  outcome,
  readAll,
  readExactly,
  Runner,
  settle,
  writeAll,
} from "../harness.ts";

interface Ends {
  client: Connection;
  server: Connection;
  network: SimulatedNetwork;
  listener: Listener;
}

/** Runs `body` with two ends of a connection; `body` closes them. */
async function withEnds(
  body: (ends: Ends) => Promise<void>,
  options = {},
  link: LinkOptions = { latency: 20 },
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "close", link });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo, ...options });
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo, ...options });
    await client.write(new Uint8Array([1]));
    const server = await listener.accept();
    await readExactly(server, 1);
    await network.delay(200);
    await body({ client, server, network, listener });
  });
}

async function kindOf(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, ConnectionError)).kind;
}

for (const loss of [0, 0.3]) {
  Deno.test(`close: the written data arrives, then the end, at a loss of ${loss}`, async () => {
    await withEnds(
      async ({ client, server, listener }) => {
        await writeAll(client, pattern(200_000));
        client.close();
        assertEquals(await readAll(server), pattern(200_000));
        server.close();
        await Promise.all([client.closed, server.closed]);
        listener.close();
        await listener.closed;
      },
      { linger: 60_000 },
      { latency: 20, loss },
    );
  });
}

Deno.test("close: a close to an absent peer rejects `closed` after `linger`", async () => {
  await withEnds(async ({ client, network }) => {
    network.partition("10.0.0.1", "10.0.0.2");
    await client.write(pattern(100));
    const before = network.now;
    client.close();
    assertEquals(await kindOf(client.closed), "closed");
    assertEquals(network.now - before, 3000);
  }, { linger: 3000 });
});

Deno.test("close: with a linger of 0, queued data is sent once", async () => {
  await withEnds(async ({ client, server, network }) => {
    await client.write(pattern(100));
    const before = network.now;
    client.close();
    await client.closed.catch(() => {});
    assertEquals(network.now - before, 1);
    assertEquals(await readExactly(server, 100), pattern(100));
  }, { linger: 0 });
});

Deno.test("close: reads and writes reject with kind closed; closing again is fine", async () => {
  await withEnds(async ({ client }) => {
    const pending = [client.read(new Uint8Array(1)), client.receiveMessage()].map(outcome);
    client.close();
    client.close();
    await settle();
    for (const { state } of pending) {
      assertInstanceOf(state, ConnectionError);
      assertEquals(state.kind, "closed");
    }
    assertEquals(await kindOf(client.read(new Uint8Array(1))), "closed");
    assertEquals(await kindOf(client.write(new Uint8Array(1))), "closed");
    assertEquals(await kindOf(client.sendMessage(new Uint8Array(1))), "closed");
    await client.closed;
  });
});

Deno.test("close: a write that waits for room rejects with kind closed", async () => {
  await withEnds(async ({ client }) => {
    await fill(client);
    const pending = outcome(client.write(new Uint8Array(1)));
    await settle();
    assertEquals(pending.state, "pending");
    client.close();
    await settle();
    assertInstanceOf(pending.state, ConnectionError);
    assertEquals(pending.state.kind, "closed");
  }, { linger: 10 });
});

Deno.test("close: two ends that close at once are over soon and without error", async () => {
  await withEnds(async ({ client, server, network }) => {
    await client.write(pattern(10));
    await server.write(pattern(10));
    const before = network.now;
    client.close();
    server.close();
    await Promise.all([client.closed, server.closed]);
    assertLess(network.now - before, 500);
  });
});

Deno.test("close: the end that closes first is over even if the other does not close", async () => {
  await withEnds(async ({ client, server, network }) => {
    const before = network.now;
    client.close();
    await client.closed;
    assertLess(network.now - before, 500);
    assertEquals(await server.read(new Uint8Array(1)), null);
    // The peer is gone, and lacks only the end of our stream.
    server.close();
    await server.closed;
    assertLess(network.now - before, 2000);
  });
});

Deno.test("close: the peer may read the delivered data much later", async () => {
  await withEnds(async ({ client, server, network }) => {
    await writeAll(client, pattern(50_000));
    client.close();
    await client.closed;
    await network.delay(60_000);
    assertEquals(await readAll(server), pattern(50_000));
    server.close();
  });
});

Deno.test("closeWrite: half-close: the peer reads to the end, and can still answer", async () => {
  await withEnds(async ({ client, server }) => {
    await writeAll(client, pattern(30_000));
    const ended = client.closeWrite();
    assertEquals(await kindOf(client.write(pattern(1))), "closed");
    assertEquals(await readAll(server), pattern(30_000));
    await ended;
    await writeAll(server, pattern(40_000));
    server.close();
    assertEquals(await readAll(client), pattern(40_000));
    client.close();
    await Promise.all([client.closed, server.closed]);
  });
});

Deno.test("closeWrite: it settles at once; drained waits for the acknowledgment of the end", async () => {
  await withEnds(async ({ client, server, network }) => {
    network.partition("10.0.0.2", "10.0.0.1");
    await client.write(pattern(10));
    const before = network.now;
    await client.closeWrite();
    assertEquals(network.now, before);
    const drained = outcome(client.drained());
    await network.delay(300);
    assertEquals(drained.state, "pending");
    network.partition("10.0.0.2", "10.0.0.1", false);
    await network.delay(1000);
    assertEquals(drained.state, "resolved");
    assertEquals(await readAll(server), pattern(10));
    client.abort();
    server.abort();
  });
});

Deno.test("dead peer: reads, writes and `closed` reject with kind unreachable", async () => {
  await withEnds(async ({ client, network }) => {
    network.partition("10.0.0.1", "10.0.0.2");
    const read = outcome(client.read(new Uint8Array(1)));
    await fill(client);
    // The pacer lets more leave after a while, which makes room in the queue.
    await network.delay(1000);
    await fill(client);
    const write = outcome(client.write(new Uint8Array(1)));
    assertEquals(await kindOf(client.closed), "unreachable");
    for (const { state } of [read, write]) {
      assertInstanceOf(state, ConnectionError);
      assertEquals(state.kind, "unreachable");
    }
    assertEquals(await kindOf(client.write(new Uint8Array(1))), "unreachable");
    assertEquals(await kindOf(client.read(new Uint8Array(1))), "unreachable");
    assertEquals(await kindOf(client.drained()), "unreachable");
    assertLess(network.now, 31_000);
  });
});

Deno.test("dead peer: an address without a peer is unreachable after deadLinkTime", async () => {
  const network = new SimulatedNetwork({ link: { latency: 5 } });
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 1, deadLinkTime: 4000 });
    await client.write(pattern(1));
    assertEquals(await kindOf(client.read(new Uint8Array(1))), "unreachable");
    assertEquals(network.now, 4000);
  });
});

Deno.test("bad link: a connection survives an outage shorter than deadLinkTime", async () => {
  await withEnds(async ({ client, server, network }) => {
    network.partition("10.0.0.1", "10.0.0.2");
    await client.write(pattern(1000));
    await network.delay(15_000);
    network.partition("10.0.0.1", "10.0.0.2", false);
    assertEquals(await readExactly(server, 1000), pattern(1000));
    client.abort();
    server.abort();
  }, {});
});

Deno.test("idle: after idleTimeout of silence pending reads reject with kind idle", async () => {
  await withEnds(async ({ client, server }) => {
    const reads = [client, server].map((conn) => outcome(conn.read(new Uint8Array(1))));
    await Promise.allSettled([client.closed, server.closed]);
    for (const { state } of reads) {
      assertInstanceOf(state, ConnectionError);
      assertEquals(state.kind, "idle");
    }
  }, { idleTimeout: 10_000 });
});

Deno.test("idle: keepAlive on either end keeps both alive for an hour", async () => {
  await withEnds(async ({ client, server, network }) => {
    await network.delay(3_000_000);
    await client.write(pattern(1));
    assertEquals(await readExactly(server, 1), pattern(1));
    client.abort();
    server.abort();
  }, { idleTimeout: 10_000, keepAlive: 4000 });
});

Deno.test("errors: data that arrived before the error is read first", async () => {
  await withEnds(async ({ client, server, network }) => {
    await client.write(pattern(100));
    await network.delay(100);
    network.partition("10.0.0.1", "10.0.0.2");
    assertEquals(await kindOf(server.closed), "idle");
    assertEquals(await readExactly(server, 100), pattern(100));
    assertEquals(await kindOf(server.read(new Uint8Array(1))), "idle");
    client.abort();
  }, { idleTimeout: 5000 });
});

Deno.test("abort: the connection ends at once with the reason; the peer is told", async () => {
  await withEnds(async ({ client, server, network }) => {
    const before = network.now;
    await client.write(pattern(1));
    client.abort("no more");
    const error = await assertRejects(() => client.closed, ConnectionError, "no more");
    assertEquals([error.kind, network.now], ["closed", before]);
    assertEquals(await kindOf(client.read(new Uint8Array(1))), "closed");
    const told = await assertRejects(() => server.closed, ConnectionError, "no more");
    assertEquals([told.kind, told.reason, told.closeCode], ["reset", "no more", 0]);
    assertEquals(network.now - before, 20, "half a round trip");
  }, { idleTimeout: 5000 });
});

Deno.test("dispose: `using` closes; `await using` also waits for the end", async () => {
  await withEnds(async ({ client, server }) => {
    {
      using _ = client;
    }
    assertEquals(await kindOf(client.write(pattern(1))), "closed");
    {
      await using conn = server;
      await conn.write(pattern(3));
    }
    const over = outcome(server.closed);
    await settle();
    assertEquals(over.state, "resolved");
    await client.closed;
  });
});

Deno.test("dispose: `await using` ends even if the peer is gone", async () => {
  await withEnds(async ({ client, network }) => {
    network.partition("10.0.0.1", "10.0.0.2");
    const before = network.now;
    let took = 0;
    client.closed.catch(() => took = network.now - before);
    {
      await using conn = client;
      await conn.write(pattern(3));
    }
    assert(took > 0 && took <= 5000, `it took ${took} ms`);
    // The socket stays open for a second, to tell the peer.
    assert(network.now - before <= 6000, `the socket was closed after ${network.now - before} ms`);
  });
});

Deno.test("close: an end that finds no peer is no error if all data was delivered", async () => {
  const failed: string[] = [];
  for (let seed = 0; seed < 20; seed++) {
    const network = new SimulatedNetwork({ seed, link: { latency: 20, loss: 0.2 } });
    const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo });
    await network.run(async () => {
      const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo });
      await client.write(pattern(100));
      const server = await listener.accept();
      const echoing = server.readable.pipeTo(server.writable);
      await readExactly(client, 100);
      client.close();
      await echoing.catch((error) => failed.push(`seed ${seed}: ${error.message}`));
    });
  }
  assertEquals(failed, []);
});

Deno.test("memory: after all connections have closed, both endpoints are empty", async () => {
  const network = new SimulatedNetwork({ seed: 5, link: { latency: 10, loss: 0.05 } });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo });
  await network.run(async () => {
    for (let round = 0; round < 30; round++) {
      const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo });
      await writeAll(client, pattern(20_000));
      client.close();
      await using server = await listener.accept();
      assertEquals((await readAll(server)).length, 20_000);
      await client.closed;
    }
    await network.delay(10_000);
    assertEquals(listener.stats.sessions, 0);
    listener.close();
    await listener.closed;
  });
});

Deno.test("close: after a long silence, a close, an abort and an end last as long as ever", async () => {
  const options = { keepAlive: Infinity, linger: 500 };
  for (const how of ["close", "closeWrite", "abort", "listener"] as const) {
    await withEnds(async ({ client, server, network, listener }) => {
      // The sessions know no later time than that of the last packet.
      await network.delay(10_000);
      const startedAt = network.now;
      const read = server.read(new Uint8Array(10), { timeout: 1000 });
      if (how === "abort") {
        client.abort("enough");
        assertEquals(await kindOf(read), "reset");
      } else if (how === "listener") {
        listener.close();
        client.close();
        assertEquals(await read, null);
      } else {
        if (how === "close") client.close();
        else client.closeWrite().catch(() => {});
        assertEquals(await read, null);
      }
      assertEquals(network.now - startedAt, 20, how);
      server.close();
      client.close();
      await client.closed.catch(() => {});
      await server.closed.catch(() => {});
      if (how !== "abort") await client.closed;
    }, options);
  }
});

Deno.test("close: what has arrived can be read after both ends gave up, and told each other", async () => {
  await withEnds(async ({ client, server, network }) => {
    await client.write(pattern(10));
    await network.delay(10_000);
    assertEquals([await kindOf(client.closed), await kindOf(server.closed)], ["idle", "idle"]);
    assertEquals(await readExactly(server, 10), pattern(10));
    assertEquals(await kindOf(server.read(new Uint8Array(1))), "idle");
  }, { idleTimeout: 1000, keepAlive: Infinity });
});

Deno.test("close: a process that was blocked in TIME-WAIT still answers what waits in its socket", () => {
  const options = { nodelay: 1, interval: 10, resend: 2, nc: true } as const;
  for (const blocked of [0, 1500, 20_000]) {
    const a = new Runner(new Session(1, "b", 0, options));
    const b = new Runner(new Session(1, "a", 0, options));
    const carry = (from: Runner<Session>, to: Runner<Session>, now: number) => {
      for (const { packet } of from.sent(now)) to.machine.input(packet, now);
    };
    a.machine.write(pattern(10));
    a.machine.close();
    for (let now = 0; now < 100; now += 10) {
      carry(a, b, now);
      carry(b, a, now);
    }
    assertEquals([drain(b.machine).length, b.machine.remoteEnded], [10, true]);
    assertEquals([a.machine.state, a.machine.over], ["closed", false], "it is in TIME-WAIT");
    // The end of the other side waits in the socket while the first one does not run.
    b.machine.close();
    const waiting = b.sent(100).map(({ packet }) => packet);
    const now = 100 + blocked;
    a.machine.tick(now);
    for (const packet of waiting) a.machine.input(packet, now);
    carry(a, b, now);
    assertEquals([b.machine.state, b.machine.error], ["closed", null], `${blocked} ms`);
  }
});
