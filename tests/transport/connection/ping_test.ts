/** Round trips: asked for by the application, and kept fresh. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { ConnectionError, fast } from "../../../mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { outcome, readExactly } from "../harness.ts";
import { CLIENT, errorOf, SERVER, withPair } from "./pair.ts";

Deno.test("ping: the round trip of now, on a path that has changed, from both ends", async () => {
  await withPair(async (client, server, network) => {
    for (const conn of [client, server]) {
      for (const latency of [20, 200, 5, 1.25]) {
        network.configure({ latency });
        const before = network.now;
        const rtt = await conn.ping();
        assert(Math.abs(rtt - 2 * latency) < 0.01, `${rtt} ms at a latency of ${latency} ms`);
        assertEquals(conn.rtt, rtt);
        assert(Math.abs(network.now - before - rtt) < 0.01);
        await network.delay(5000);
      }
    }
  });
});

Deno.test("ping: it costs a packet of 24 bytes and an answer", async () => {
  await withPair(async (client, _, network) => {
    const { packets } = network.stats;
    const { bytesOut, bytesIn } = client.stats;
    await client.ping();
    const { stats } = client;
    assertEquals([stats.bytesOut - bytesOut, stats.bytesIn - bytesIn], [24, 24]);
    await network.delay(10_000);
    assertEquals(network.stats.packets - packets, 2);
  });
});

Deno.test("ping: a lost question is repeated, and is not part of the result", async () => {
  await withPair(async (client, _, network) => {
    network.partition(SERVER, CLIENT);
    const before = network.now;
    const ping = client.ping();
    await network.delay(500);
    network.partition(SERVER, CLIENT, false);
    assertEquals(Math.round(await ping), 40);
    const took = network.now - before;
    assert(took > 540 && took < 2000, `${took} ms`);
  });
});

Deno.test("ping: while data is in flight both ways", async () => {
  await withPair(
    async (client, server, network) => {
      const writing = [client, server].map((conn) =>
        outcome(conn.writeAll(new Uint8Array(1 << 24)))
      );
      for (const conn of [client, server]) {
        conn.readable.pipeTo(new WritableStream()).catch(() => {});
      }
      for (let n = 0; n < 10; n++) {
        for (const conn of [client, server]) {
          const rtt = await conn.ping();
          assert(rtt >= 40 && rtt < 300, `${rtt} ms`);
        }
      }
      assertEquals(writing.map(({ state }) => state), ["pending", "pending"], "it proves nothing");
      await network.delay(1);
    },
    {},
    { latency: 20, bandwidth: 2e6 },
  );
});

Deno.test("ping: many at once all get an answer, for few packets", async () => {
  await withPair(async (client, _, network) => {
    network.configure({ latency: 400 });
    const { packetsOut } = client.stats;
    const pings: Promise<number>[] = [];
    for (let n = 0; n < 400; n++) {
      pings.push(client.ping());
      await network.delay(1);
    }
    for (const rtt of await Promise.all(pings)) assert(Math.abs(rtt - 800) < 1, `${rtt} ms`);
    assertLess(client.stats.packetsOut - packetsOut, 150);
    await network.delay(5000);
    const { packets } = network.stats;
    await network.delay(5000);
    assertEquals(network.stats.packets, packets, "it goes on asking");
  });
});

Deno.test("ping: it opens a connection on which nothing was sent", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ hostname: SERVER, port: 80 });
  await network.run(async () => {
    const client = network.connect({ hostname: SERVER, port: 80 });
    assertEquals([client.state, client.lastHeard, client.rtt], ["connecting", Infinity, -1]);
    assertEquals(Math.round(await client.ping()), 40);
    const server = await listener.accept();
    assertEquals([client.state, server.state], ["open", "open"]);
    assertEquals(Math.round(await server.ping()), 40);
    client.abort();
  });
});

Deno.test("ping: a peer without the extensions answers, too", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ hostname: SERVER, port: 80, extensions: false });
  await network.run(async () => {
    const client = network.connect({ hostname: SERVER, port: 80 });
    await client.write(pattern(1));
    const server = await listener.accept();
    await network.delay(500);
    for (const conn of [client, server, client]) {
      const before = network.now;
      assertEquals(Math.round(await conn.ping()), 40);
      assertLess(network.now - before, 100);
    }
    client.abort();
    server.abort();
  });
});

Deno.test("ping: it rejects when the peer is gone, and when the connection has ended", async () => {
  await withPair(async (client, _, network) => {
    network.partition(SERVER, CLIENT);
    const before = network.now;
    const error = await errorOf(client.ping());
    assertEquals([error.kind, error.code], ["unreachable", "ETIMEDOUT"]);
    assert(Math.abs(network.now - before - 3000) <= 1, `after ${network.now - before} ms`);
    assertEquals((await errorOf(client.ping())).kind, "unreachable");
  }, { deadLinkTime: 3000 });
  await withPair(async (client, server, network) => {
    await Promise.all([client.closeWrite(), server.closeWrite()]);
    await network.delay(500);
    assertEquals((await errorOf(client.ping())).kind, "closed");
    server.close();
    await assertRejects(() => server.ping(), ConnectionError, "closed on this side");
  });
});

Deno.test("rtt: an end that only receives knows the path, and learns that it has become slow", async () => {
  await withPair(async (client, server, network) => {
    client.readable.pipeTo(new WritableStream()).catch(() => {});
    const write = async (ms: number) => {
      for (const end = network.now + ms; network.now < end;) {
        await server.write(pattern(1000));
        await network.delay(50);
      }
    };
    await write(2000);
    assertEquals(Math.round(client.rtt), 40);
    network.configure({ latency: 200 });
    await write(15_000);
    assert(client.rtt > 390 && client.rtt < 410, `${client.rtt} ms`);
    assertLess(client.stats.rttAge, 7000);
    network.configure({ latency: 10 });
    await write(15_000);
    assert(client.rtt > 19 && client.rtt < 25, `${client.rtt} ms`);
  });
});

Deno.test("rtt: an end that never sends data knows it from the opening, and asks each 5 s while data arrives", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ hostname: SERVER, port: 80, ...fast });
  await network.run(async () => {
    const client = network.connect({ hostname: SERVER, port: 80, ...fast });
    await client.opened;
    assertEquals(Math.round(client.rtt), 40);
    const server = await listener.accept();
    const { segmentsOut } = client.stats;
    const buffer = new Uint8Array(1000);
    for (let n = 0; n < 600; n++) {
      await server.write(pattern(100));
      await client.read(buffer);
      await network.delay(100);
    }
    assertEquals(Math.round(client.rtt), 40);
    assertLess(client.stats.rttAge, 5200);
    const { stats } = client;
    // One acknowledgment for each write, and few questions.
    assertLess(stats.segmentsOut - segmentsOut, 600 + 15);
    client.abort();
  });
});

Deno.test("rtt: the next keep-alive probe shows that the path has become slow", async () => {
  await withPair(async (client, server, network) => {
    await network.delay(60_000);
    assertEquals(Math.round(client.rtt), 40);
    network.configure({ latency: 200 });
    await network.delay(16_000);
    assertEquals(Math.round(client.rtt), 400);
    // Data follows, which is sampled and smoothed.
    for (let n = 0; n < 5; n++) {
      await client.write(pattern(1));
      await network.delay(1000);
      assert(Math.abs(client.rtt - 400) < 40, `${client.rtt} ms after write ${n}`);
    }
    await readExactly(server, 5);
    assertLess(client.stats.rttAge, 15_500);
  }, { keepAlive: 15_000 });
});

Deno.test("rtt: its age is in the stats, and an idle connection is not asked for it", async () => {
  await withPair(async (client, server, network) => {
    await client.ping();
    await network.delay(100_000);
    assertEquals(Math.round(client.stats.rttAge), 100_000);
    assertEquals(Math.round(client.lastHeard), 100_000);
    await client.ping();
    assertEquals([client.stats.rttAge, client.lastHeard], [0, 0]);
    // The server has heard the question.
    assertEquals(Math.round(server.lastHeard), 20);
  }, { keepAlive: Infinity });
});
