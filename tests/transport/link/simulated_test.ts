import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { fast, Kcp, turbo } from "../../../kcp/mod.ts";
import { Endpoint, Session } from "../../../transport/mod.ts";
import {
  linkProfiles,
  SimulatedNetwork,
  type SimulatedNetworkOptions,
} from "../../../transport/simulated.ts";
import { decode, pattern, PUSH } from "../../kcp/harness.ts";
import { drain, outcome, readAll, readExactly, writeAll } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const ROUGH = { latency: 30, jitter: 10, loss: 0.1, reorder: 0.05, duplicate: 0.02, corrupt: 0.01 };

/** Transfers 100 kB over a rough network. Returns the network. */
async function transfer(seed: number | string, options: SimulatedNetworkOptions = {}) {
  const network = new SimulatedNetwork({ seed, link: ROUGH, ...options });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, linger: 60_000 });
    const sending = writeAll(client, pattern(100_000)).then(() => client.close());
    const server = await listener.accept();
    await readAll(server);
    server.close();
    await sending;
    await Promise.allSettled([client.closed, server.closed]);
  });
  return network;
}

Deno.test("network: the same seed gives the same packets at the same times", async () => {
  const [a, b] = [await transfer("x"), await transfer("x")];
  assertEquals(a.hash, b.hash);
  assertEquals([a.now, a.stats], [b.now, b.stats]);
});

Deno.test("network: another seed gives another run", async () => {
  const hashes = new Set<string>();
  for (let seed = 0; seed < 10; seed++) hashes.add((await transfer(seed)).hash);
  assertEquals(hashes.size, 10);
});

Deno.test("network: the hash differs if one byte, one ms or one address differs", () => {
  const run = (conv: number, at: number, port: number) => {
    const network = new SimulatedNetwork({ seed: 1 });
    const kcp = new Kcp(conv, turbo);
    const attached = network.attach(`10.0.0.2:${port}`, kcp, "10.0.0.1:80");
    kcp.send(pattern(10));
    network.schedule(at, () => attached.flush());
    network.elapse(10);
    return network.hash;
  };
  const hash = run(1, 5, 7);
  assertEquals(run(1, 5, 7), hash);
  for (const other of [run(2, 5, 7), run(1, 6, 7), run(1, 5, 8)]) assertNotEquals(other, hash);
});

Deno.test("network: the hash differs if only the time of one arrival differs", () => {
  const run = (latency: number) => {
    const network = new SimulatedNetwork({ link: { latency } });
    const kcp = new Kcp(1, turbo);
    const attached = network.attach("10.0.0.2:1", kcp, "10.0.0.1:80");
    kcp.send(pattern(10));
    attached.flush();
    network.elapse(10);
    return network.hash;
  };
  assertEquals(run(5), run(5));
  assertNotEquals(run(5), run(6));
});

Deno.test("network: recording the trace does not change the run", async () => {
  const [kept, not] = [await transfer(3, { trace: true }), await transfer(3)];
  assertEquals(kept.hash, not.hash);
  assertEquals(not.trace, []);
  const count = (event: string) => kept.trace.filter((entry) => entry.event === event).length;
  const { packets, delivered } = kept.stats;
  assertEquals(count("sent"), packets);
  assertEquals(count("lost"), packets - delivered + kept.stats.duplicated);
  assert(count("arrived") + count("undeliverable") <= delivered);
  assertEquals(count("undeliverable"), kept.undeliverable);
});

Deno.test("network: the trace shows whole packets with time, sender and receiver", () => {
  const network = new SimulatedNetwork({ trace: true, start: 1000, link: { latency: 7 } });
  const kcp = new Kcp(9, turbo);
  const attached = network.attach("10.0.0.2:5", kcp, "10.0.0.1:80");
  kcp.send(pattern(10));
  attached.flush();
  network.elapse(20);
  assertEquals(network.trace.map(({ at, event, from, to }) => [at, event, from, to]), [
    [1000, "sent", "10.0.0.2:5", "10.0.0.1:80"],
    [1007, "undeliverable", "10.0.0.2:5", "10.0.0.1:80"],
  ]);
  const [{ cmd, data }] = decode(network.trace[0].packet);
  assertEquals([cmd, data], [PUSH, pattern(10)]);
});

Deno.test("network: two Kcp machines, and two sessions, exchange data by attach", () => {
  const machines = [
    [new Kcp(1, turbo), new Kcp(1, turbo)],
    [new Session(1, "10.0.0.1:1", 0, turbo), new Session(1, "10.0.0.2:1", 0, turbo)],
  ];
  for (const [a, b] of machines) {
    const network = new SimulatedNetwork({ link: ROUGH });
    const attached = network.attach("10.0.0.2:1", a, "10.0.0.1:1");
    network.attach("10.0.0.1:1", b, "10.0.0.2:1");
    a.write(pattern(20_000));
    attached.flush();
    network.elapse(5000);
    const buffer = new Uint8Array(30_000);
    assertEquals(b.read(buffer), 20_000);
    assertEquals(buffer.subarray(0, 20_000), pattern(20_000));
    assertEquals(network.now, 5000);
  }
});

Deno.test("network: endpoints exchange data by attach, and a detached machine gets nothing", () => {
  const network = new SimulatedNetwork({ link: { latency: 10 } });
  const server = new Endpoint(turbo, true);
  const client = new Endpoint(turbo);
  network.attach("10.0.0.1:80", server);
  const attached = network.attach("[::2]:9", client);
  const session = client.open("10.0.0.1:80", 5, 0);
  session.write(pattern(3000));
  attached.flush();
  network.elapse(100);
  const accepted = server.accept()!;
  assertEquals([accepted.peer, drain(accepted)], ["[::2]:9", pattern(3000)]);
  attached.detach();
  session.write(pattern(1));
  network.elapse(1000);
  assertEquals(accepted.kcp.readable, 0);
  // The address is free again.
  network.attach("[::2]:9", new Endpoint(turbo)).detach();
});

Deno.test("network: a minute of traffic takes few packets, an idle hour takes none", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...fast, idleTimeout: Infinity });
  await network.run(async () => {
    const client = network.connect({
      ...SERVER,
      ...fast,
      idleTimeout: Infinity,
      keepAlive: Infinity,
    });
    await client.write(pattern(1));
    const server = await listener.accept();
    for (let second = 0; second < 60; second++) {
      await writeAll(client, pattern(20_000));
      await network.delay(1000);
      await readExactly(server, 20_000 + (second === 0 ? 1 : 0));
    }
    assertLess(network.now, 70_000);
    // 15 data segments per second, and at most 30 further packets for acknowledgments.
    assertLess(network.stats.packets, 60 * 45);
    await network.delay(10_000);
    const { packets } = network.stats;
    await network.delay(3_600_000);
    assertEquals(network.stats.packets, packets);
  }, Infinity);
});

Deno.test("network: links change while packets are in flight", async () => {
  const network = new SimulatedNetwork({ seed: 2, link: { latency: 10 } });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo });
    const rtts: number[] = [];
    let server;
    for (const latency of [10, 100, 10]) {
      network.configure({ latency });
      for (let i = 0; i < 40; i++) {
        await client.write(pattern(100));
        server ??= await listener.accept();
        await readExactly(server, 100);
        await network.delay(50);
      }
      rtts.push(client.rtt);
    }
    assert(rtts[0] < 50 && rtts[1] > 150 && rtts[2] < 60, `round trips of ${rtts} ms`);
    network.link("10.0.0.2", "10.0.0.1").configure({ loss: 1 });
    const { lost } = network.stats;
    await client.write(pattern(1));
    await network.delay(1000);
    assertGreater(network.stats.lost, lost);
    assertEquals(network.link("10.0.0.1", "10.0.0.2").stats.lost, 0);
  });
});

Deno.test("network: a blackout stops both directions for its duration", async () => {
  const blackouts = [[1000, 4000]] as const;
  const network = new SimulatedNetwork({ trace: true, link: { latency: 10, blackouts } });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo });
    await client.write(pattern(10));
    const server = await listener.accept();
    for (let i = 1; i < 60; i++) {
      await network.delay(100);
      await client.write(pattern(10));
    }
    await readExactly(server, 600);
  });
  const arrivals = network.trace.filter(({ event }) => event === "arrived").map(({ at }) => at);
  assertEquals(arrivals.filter((at) => at >= 1010 && at < 4010), []);
  assert(
    arrivals.some((at) => at > 900 && at < 1010) && arrivals.some((at) => at < 4400 && at > 4010),
  );
  assertGreater(network.stats.blackedOut, 10);
});

Deno.test("network: a scheduled partition cuts two hosts and no others", async () => {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 10 } });
  const listener = network.listen({ ...SERVER, ...turbo });
  network.schedule(500, () => network.partition("10.0.0.1", "10.0.0.2"));
  network.schedule(5000, () => network.partition("10.0.0.1", "10.0.0.2", false));
  await network.run(async () => {
    const cut = network.connect({ ...SERVER, ...turbo });
    const other = network.connect({ ...SERVER, ...turbo, localHostname: "10.0.0.3" });
    await cut.write(pattern(1));
    const cutServer = await listener.accept();
    await other.write(pattern(1));
    const otherServer = await listener.accept();
    await network.delay(1000);
    await Promise.all([cut.write(pattern(10)), other.write(pattern(10))]);
    const { blackedOut } = network.link("10.0.0.1", "10.0.0.2").stats;
    await cutServer.write(pattern(1));
    await network.delay(50);
    assertGreater(network.link("10.0.0.1", "10.0.0.2").stats.blackedOut, blackedOut);
    assertGreater(network.link("10.0.0.2", "10.0.0.1").stats.blackedOut, 0);
    await readExactly(otherServer, 11);
    assertLess(network.now, 1150);
    await readExactly(cutServer, 11);
    assertGreater(network.now, 5000);
  });
});

Deno.test("rebind: with `migrate` a connection survives the change of its address", async () => {
  const network = new SimulatedNetwork({ seed: 4, link: { latency: 20, loss: 0.05 } });
  const listener = network.listen({ ...SERVER, ...turbo, migrate: true });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, localPort: 1000 });
    const total = 300_000;
    await client.write(pattern(1));
    const server = await listener.accept();
    const echoing = server.readable.pipeTo(server.writable);
    const reading = readExactly(client, total + 1);
    await network.delay(100);
    network.rebind("10.0.0.2:1000", "10.7.7.7:2000");
    await writeAll(client, pattern(total, 1));
    assertEquals((await reading).subarray(1), pattern(total, 1));
    assertEquals(server.remoteAddr, { transport: "udp", hostname: "10.7.7.7", port: 2000 });
    assertEquals(client.localAddr, server.remoteAddr);
    assertEquals(listener.stats.migrated, 1);
    await client.closeWrite();
    assertEquals((await readAll(client)).length, 0);
    await echoing;
  });
});

Deno.test("rebind: without `migrate` the listener resets the connection at the next packet", async () => {
  const network = new SimulatedNetwork({ seed: 4, link: { latency: 20 } });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, localPort: 1000 });
    await client.write(pattern(1));
    const server = await listener.accept();
    await server.write(pattern(1));
    await readExactly(client, 1);
    await network.delay(100);
    network.rebind("10.0.0.2:1000", "10.7.7.7:2000");
    const from = network.now;
    await client.write(pattern(1));
    const error = await client.closed.catch((error) => error);
    assertEquals(error.kind, "reset");
    assertLess(network.now - from, 50, "one round trip");
    await network.delay(10);
    // The listener resets the new address only. The session of the old one goes on.
    assertEquals(outcome(server.closed).state, "pending");
    assertEquals(server.remoteAddr.port, 1000);
    assertEquals(listener.stats.migrated, 0);
  });
});

for (const profile of ["fiber", "dsl", "mobile3g", "edge"] as const) {
  Deno.test(`network: 100 kB arrive over ${profile}`, async () => {
    const { up, down } = linkProfiles[profile];
    const network = new SimulatedNetwork({ seed: 6 });
    network.link("10.0.0.2", "10.0.0.1").configure(up);
    network.link("10.0.0.1", "10.0.0.2").configure(down);
    const listener = network.listen({ ...SERVER, ...fast, nc: false });
    await network.run(async () => {
      const client = network.connect({ ...SERVER, ...fast, nc: false });
      const writing = writeAll(client, pattern(100_000));
      const server = await listener.accept();
      assertEquals(await readExactly(server, 100_000), pattern(100_000));
      await writing;
    });
    // The transfer takes at least the time of the link, and less than three times that.
    const least = 100_000 / up.bandwidth! * 1000;
    assertGreater(network.now, least);
    assertLess(network.now, 3 * least + 20 * up.latency!);
  });
}

Deno.test("run: it rejects if nothing is left to happen, or the limit is reached", async () => {
  const network = new SimulatedNetwork();
  await assertRejects(() => network.run(() => new Promise(() => {})), Error, "Nothing is left");
  await assertRejects(() => network.run(() => network.delay(5001), 5000), Error, "5000 ms");
});

Deno.test("run: it rejects with the error of the body", async () => {
  const error = new Error("of the body");
  const result = await new SimulatedNetwork().run(() => {
    throw error;
  }).catch((error) => error);
  assertEquals(result, error);
});

Deno.test("time: it moves only when told to, and delays are fulfilled in order", async () => {
  const network = new SimulatedNetwork({ start: 50 });
  const seen: number[] = [];
  for (const ms of [30, 10, 20]) network.delay(ms).then(() => seen.push(network.now));
  await network.advance(15);
  assertEquals([network.now, seen], [65, [60]]);
  await network.advance(100);
  assertEquals([network.now, seen], [165, [60, 70, 80]]);
  const pending = outcome(network.delay(1));
  network.elapse(0);
  assertEquals(pending.state, "pending");
});

Deno.test("network: misuse throws with the value", () => {
  const network = new SimulatedNetwork();
  network.listen(SERVER);
  assertThrows(() => network.listen(SERVER), TypeError, "10.0.0.1:80");
  assertThrows(() => network.rebind("10.0.0.9:1", "10.0.0.9:2"), TypeError, "10.0.0.9:1");
  network.socket("10.0.0.9", 1);
  assertThrows(() => network.rebind("10.0.0.9:1", "10.0.0.1:80"), TypeError, "10.0.0.1:80");
  assertThrows(() => new SimulatedNetwork({ start: NaN }), RangeError, "NaN");
  assertThrows(() => new SimulatedNetwork({ link: { loss: 2 } }), RangeError, "2");
  assertThrows(() => network.schedule(NaN, () => {}), RangeError, "NaN");
});
