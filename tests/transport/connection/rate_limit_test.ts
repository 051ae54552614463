/**
 * A limit for several connections together.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { type Connection, RateLimit, turbo } from "../../../mod.ts";
import { RateQueue } from "../../../transport/connection/rate_limit.ts";
import { connectVia, listenOn } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, readExactly } from "../harness.ts";

const HERE = { hostname: "10.0.0.1", port: 80 } as const;

/** A network whose listener reads everything. Each client has a host of its own. */
function reading(seed = 1) {
  const network = new SimulatedNetwork({ seed, link: { latency: 10 } });
  const listener = network.listen({ ...HERE, ...turbo });
  (async () => {
    for await (const conn of listener) conn.readable.pipeTo(new WritableStream()).catch(() => {});
  })();
  let clients = 0;
  const dial = (rateLimit?: RateLimit) => {
    const localHostname = `10.0.1.${clients++}`;
    return network.connect({ ...HERE, ...turbo, localHostname, rateLimit });
  };
  return { network, listener, dial };
}

/** Writes without end. */
async function flood(conn: Connection): Promise<void> {
  try {
    for (const bytes = pattern(10_000);;) await conn.write(bytes);
  } catch {
    // The test has ended it.
  }
}

// --- the queue, with numbers worked out by hand ---

/** A queue, and waiters that note when they are woken. */
function queue(rate: number) {
  const woken: [string, number][] = [];
  const waiter = (name: string) => ({ wake: (at: number) => void woken.push([name, at]) });
  return { turns: new RateQueue(rate), woken, a: waiter("a"), b: waiter("b"), c: waiter("c") };
}

Deno.test("rate queue: bytes above the rate delay the next packet by bytes / rate", () => {
  // 1,000,000 bytes per second are 1000 per ms: 5 ms catch up on 5000 bytes, 3 packets of 1500.
  const { turns, woken, a } = queue(1_000_000);
  assertEquals(turns.ask(a, 0), 3);
  turns.spend(4500);
  assertEquals(turns.ask(a, 0), 1, "500 bytes are left, and one packet may make a debt");
  turns.spend(1500);
  // 1000 bytes of debt are 1 ms.
  assertEquals([turns.ask(a, 0), turns.ask(a, 0.5)], [0, 0]);
  assertEquals(woken, [["a", 1], ["a", 1]]);
  assertEquals(turns.ask(a, 1), 1);
});

Deno.test("rate queue: those who wait get turns in their order, and rejoin at the end", () => {
  const { turns, woken, a, b, c } = queue(1_000_000);
  turns.ask(a, 0);
  turns.spend(7000);
  for (const waiter of [a, b, c]) assertEquals(turns.ask(waiter, 0), 0);
  assertEquals(woken.splice(0), [["a", 2]], "only the first has a time");
  assertEquals([turns.ask(b, 2), turns.ask(a, 2)], [0, 1]);
  turns.spend(1000);
  assertEquals(woken.splice(0), [["b", 3]]);
  assertEquals([turns.ask(a, 3), turns.ask(c, 3), turns.ask(b, 3)], [0, 0, 1]);
  turns.spend(1000);
  // The next one gives its turn up.
  turns.leave(c);
  assertEquals(woken.splice(0), [["c", 4], ["a", 4]]);
  assertEquals(turns.ask(a, 4), 1);
});

Deno.test("rate queue: another rate holds at once", () => {
  const { turns, woken, a } = queue(1);
  turns.ask(a, 0);
  turns.spend(1_003_000);
  assertEquals(turns.ask(a, 0), 0);
  assertEquals(woken.splice(0), [["a", 1_000_000_000]]);
  turns.rate = 1_000_000;
  assertEquals(woken.splice(0), [["a", -Infinity]]);
  assertEquals([turns.ask(a, 1), turns.ask(a, 1000)], [0, 1]);
  turns.rate = Infinity;
  turns.spend(1e12);
  assertEquals(turns.ask(a, 1000), Infinity);
});

Deno.test("rate limit: wrong rates are refused", () => {
  for (const [rate, kind] of [[0, RangeError], [NaN, RangeError], ["1", TypeError]] as const) {
    assertThrows(() => new RateLimit(rate as number), kind, "bytesPerSecond");
    const limit = new RateLimit(1);
    assertThrows(() => limit.bytesPerSecond = rate as number, kind, "bytesPerSecond");
  }
  const wrong = { rateLimit: 5 as unknown as RateLimit };
  assertThrows(() => listenOn(new FakeSocket(), new FakeClock(), wrong), TypeError, "a RateLimit");
});

// --- connections ---

Deno.test("rate limit: the sum of several connections is limited, and each gets its share", async () => {
  for (const count of [1, 2, 5]) {
    const { network, dial } = reading();
    const rate = 200_000;
    const limit = new RateLimit(rate);
    await network.run(async () => {
      const conns = Array.from({ length: count }, () => dial(limit));
      for (const conn of conns) flood(conn);
      await network.delay(2000);
      const before = conns.map(({ stats }) => stats.bytesOut);
      await network.delay(10_000);
      const sent = conns.map(({ stats }, i) => stats.bytesOut - before[i]);
      const sum = sent.reduce((a, b) => a + b);
      assertLess(Math.abs(sum - 10 * rate), 0.01 * 10 * rate, `${count} sent ${sent}`);
      for (const each of sent) {
        assertLess(Math.abs(each - sum / count), 0.1 * sum / count, `${count} sent ${sent}`);
      }
      for (const conn of conns) conn.abort();
    });
  }
});

Deno.test("rate limit: one that sends little waits for a turn, not for the data of the others", async () => {
  const { network, dial } = reading();
  const limit = new RateLimit(200_000);
  await network.run(async () => {
    const heavy = [dial(limit), dial(limit), dial(limit)];
    for (const conn of heavy) flood(conn);
    const light = dial(limit);
    await network.delay(1000);
    let slowest = 0;
    for (let i = 0; i < 50; i++) {
      const start = network.now;
      await light.write(pattern(100));
      await light.drained();
      slowest = Math.max(slowest, network.now - start);
      await network.delay(37);
    }
    // A round trip is 20 ms. A turn of each of the others is a packet of 1400 bytes: 7 ms.
    assertLess(slowest, 20 + 3 * 8 + 10);
    for (const conn of [...heavy, light]) conn.abort();
  });
});

Deno.test("rate limit: a listener and connections share one limit", async () => {
  const network = new SimulatedNetwork({ seed: 3, link: { latency: 10 } });
  const limit = new RateLimit(100_000);
  const listener = network.listen({ ...HERE, ...turbo, rateLimit: limit });
  const sink = network.listen({ hostname: "10.0.0.9", port: 80, ...turbo });
  const read = (conn: Connection) => {
    conn.readable.pipeTo(new WritableStream()).catch(() => {});
  };
  await network.run(async () => {
    const peer = network.connect({ ...HERE, ...turbo });
    await peer.write(pattern(1));
    const server = await listener.accept();
    const via = connectVia(listener, "10.0.0.9:80", 5, { ...turbo, rateLimit: limit });
    const local = { ...turbo, hostname: "10.0.0.9", port: 80, localHostname: "10.0.0.1" };
    const own = network.connect({ ...local, rateLimit: limit });
    const conns = [server, via, own];
    for (const conn of conns) flood(conn);
    read(peer);
    read(await sink.accept());
    read(await sink.accept());
    await network.delay(1000);
    const before = conns.map(({ stats }) => stats.bytesOut);
    await network.delay(10_000);
    const sent = conns.map(({ stats }, i) => stats.bytesOut - before[i]);
    assertLess(Math.abs(sent[0] + sent[1] + sent[2] - 1_000_000), 10_000, String(sent));
    // The two connections of the listener's socket share its turns.
    assertLess(Math.abs(sent[0] + sent[1] - sent[2]), 50_000, String(sent));
    assertThrows(
      () => connectVia(listener, "10.0.0.9:80", 6, { rateLimit: new RateLimit(1) }),
      TypeError,
      "another rateLimit",
    );
    for (const conn of conns) conn.abort();
  });
});

Deno.test("rate limit: who ends gives the turn to the others", async () => {
  const { network, dial } = reading();
  const limit = new RateLimit(50_000);
  await network.run(async () => {
    const conns = Array.from({ length: 6 }, () => dial(limit));
    for (const conn of conns) flood(conn);
    await network.delay(500);
    for (const conn of conns.slice(0, 5)) {
      conn.abort();
      await network.delay(13);
    }
    await network.delay(2000);
    const before = conns[5].stats.bytesOut;
    await network.delay(4000);
    assertLess(Math.abs(conns[5].stats.bytesOut - before - 200_000), 6000);
    conns[5].abort();
  });
});

Deno.test("rate limit: a higher rate holds at once, and Infinity changes no packet", async () => {
  const hashes: string[] = [];
  for (const limit of [undefined, new RateLimit(Infinity)]) {
    const { network, listener, dial } = reading();
    await network.run(async () => {
      const conns = [dial(limit), dial(limit)];
      for (const conn of conns) await conn.write(pattern(50_000));
      for (const conn of conns) await conn.drained();
      listener.close({ connections: "abort" });
      await listener.closed;
    });
    hashes.push(network.hash);
  }
  assertEquals(hashes[1], hashes[0]);
  const { network, dial } = reading();
  const limit = new RateLimit(1);
  await network.run(async () => {
    const conn = dial(limit);
    await conn.write(pattern(30_000));
    await network.delay(3000);
    assert(conn.stats.bytesOut < 6000, `${conn.stats.bytesOut} bytes at 1 byte per second`);
    limit.bytesPerSecond = 10_000_000;
    const start = network.now;
    await conn.drained();
    assertLess(network.now - start, 100);
    conn.abort();
  });
});

Deno.test("rate limit: the same seed gives the same run", async () => {
  const hashes = [];
  for (let i = 0; i < 2; i++) {
    const { network, dial } = reading(9);
    const limit = new RateLimit(100_000);
    await network.run(async () => {
      const conns = [dial(limit), dial(limit), dial(limit)];
      for (const conn of conns) flood(conn);
      await network.delay(3000);
      for (const conn of conns) conn.abort();
      await network.delay(100);
    });
    hashes.push(network.hash);
  }
  assertEquals(hashes[0], hashes[1]);
});

Deno.test("rate limit: encryption and error correction stay within it", async () => {
  const network = new SimulatedNetwork({ seed: 4, link: { latency: 10, loss: 0.02 } });
  const crypt = createCipher("chacha20-poly1305", pattern(32));
  const options = { ...turbo, fec: { dataShards: 4, parityShards: 2 }, crypt };
  const listener = network.listen({ ...HERE, ...options });
  const rateLimit = new RateLimit(100_000);
  await network.run(async () => {
    const client = network.connect({ ...HERE, ...options, rateLimit });
    await client.write(pattern(1));
    const server = await listener.accept();
    flood(client);
    server.readable.pipeTo(new WritableStream()).catch(() => {});
    await network.delay(1000);
    const before = network.link("10.0.0.2", "10.0.0.1").stats.bytes;
    await network.delay(10_000);
    const sent = network.link("10.0.0.2", "10.0.0.1").stats.bytes - before;
    assertLess(Math.abs(sent - 1_000_000), 10_000);
    client.abort();
  });
});

Deno.test("rate limit: a limited transfer is whole", async () => {
  const network = new SimulatedNetwork({ seed: 5, link: { latency: 30, loss: 0.1 } });
  const listener = network.listen({ ...HERE, ...turbo });
  const rateLimit = new RateLimit(50_000);
  await network.run(async () => {
    const client = network.connect({ ...HERE, ...turbo, rateLimit });
    const writing = (async () => {
      for (let at = 0; at < 200_000;) at += await client.write(pattern(200_000).subarray(at));
    })();
    const server = await listener.accept();
    assertEquals(await readExactly(server, 200_000), pattern(200_000));
    await writing;
    client.abort();
  });
});
