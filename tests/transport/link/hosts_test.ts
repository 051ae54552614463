/**
 * Hosts of the simulated network that crash, or whose processes are suspended.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Arena, Kcp, PacketBatch, turbo } from "../../../kcp/mod.ts";
import type { Connection, Listener } from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { outcome, readExactly } from "../harness.ts";
import { errorOf } from "../connection/pair.ts";

const SERVER = "10.0.0.1";
const CLIENT = "10.0.0.2";
const HERE = { hostname: SERVER, port: 80, ...turbo } as const;

/** Runs `body` with two ends that know each other, 20 ms apart. */
async function withEnds(
  body: (ends: {
    network: SimulatedNetwork;
    listener: Listener;
    client: Connection;
    server: Connection;
  }) => Promise<void>,
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "hosts", link: { latency: 20 }, trace: true });
  const listener = network.listen(HERE);
  await network.run(async () => {
    const client = network.connect(HERE);
    await client.write(pattern(1));
    const server = await listener.accept();
    await readExactly(server, 1);
    await network.delay(200);
    await body({ network, listener, client, server });
  }, Infinity);
}

/** Packets that a host has sent since a time. */
function sentBy(network: SimulatedNetwork, hostname: string, since: number): number {
  const sent = network.trace.filter(({ event, at }) => event === "sent" && at >= since);
  return sent.filter(({ from }) => from.startsWith(hostname)).length;
}

Deno.test("crash: nothing tells the peer, and the ends of the host fail with kind socket", async () => {
  await withEnds(async ({ network, listener, client, server }) => {
    const before = network.now;
    const closed = outcome(listener.closed);
    network.crash(SERVER);
    const error = await errorOf(server.closed);
    assertEquals([error.kind, (error.cause as Error).message], [
      "socket",
      "The host 10.0.0.1 has crashed",
    ]);
    await network.delay(1000);
    assertEquals([sentBy(network, SERVER, before), closed.state], [0, "resolved"]);
    assertEquals(client.state, "open");
    await client.write(pattern(1));
    assertEquals((await errorOf(client.closed)).kind, "unreachable");
  });
});

Deno.test("crash: a new process of the host takes the port, and resets old peers", async () => {
  await withEnds(async ({ network, client }) => {
    network.crash(SERVER);
    const listener = network.listen(HERE);
    await network.delay(500);
    await client.write(pattern(1));
    assertEquals((await errorOf(client.closed)).kind, "reset");
    const again = network.connect(HERE);
    await again.write(pattern(5));
    assertEquals(await readExactly(await listener.accept(), 5), pattern(5));
  });
});

Deno.test("crash: other hosts go on; a host without sockets may crash", async () => {
  await withEnds(async ({ network, client, server }) => {
    network.crash("10.0.0.3");
    network.crash("10.0.0");
    await client.write(pattern(5));
    assertEquals(await readExactly(server, 5), pattern(5));
  });
});

Deno.test("crash: a machine without I/O leaves the network, and its timers stop", () => {
  const network = new SimulatedNetwork({ link: { latency: 20 }, trace: true });
  const [alice, bob] = [new Kcp(1, turbo), new Kcp(1, turbo)];
  const attached = network.attach(`${CLIENT}:1`, alice, `${SERVER}:1`);
  network.attach(`${SERVER}:1`, bob, `${CLIENT}:1`);
  alice.send(pattern(9));
  attached.flush();
  network.elapse(10);
  network.crash(CLIENT);
  attached.flush();
  network.elapse(60_000);
  assertEquals(bob.peekSize(), 9, "what was sent before is on its way");
  assertEquals(sentBy(network, CLIENT, 1), 0);
});

Deno.test("freeze: nothing leaves the host, and what arrives waits until it goes on", async () => {
  await withEnds(async ({ network, client, server }) => {
    const before = network.now;
    network.freeze(SERVER, 3000);
    await client.write(pattern(100));
    await server.write(pattern(50));
    const reading = outcome(readExactly(server, 100));
    await network.delay(2999);
    assertEquals([sentBy(network, SERVER, before), reading.state], [0, "pending"]);
    await network.delay(1);
    assertEquals(await readExactly(client, 50), pattern(50));
    assertEquals(reading.state, "resolved");
    assertEquals(network.now, before + 3020);
  });
});

Deno.test("freeze: the host's timers do not fire, and a peer that waits too long gives it up", async () => {
  await withEnds(async ({ network, client, server }) => {
    client.configure({ keepAlive: 1000, deadLinkTime: 5000 });
    server.configure({ idleTimeout: 4000 });
    const before = network.now;
    network.freeze(SERVER, 20_000);
    assertEquals((await errorOf(client.closed)).kind, "unreachable");
    assert(network.now < before + 10_000);
    assertEquals(server.state, "open");
    await network.delay(before + 20_000 - network.now - 1);
    assertEquals(server.state, "open");
    // The reset that the client has sent waits in the socket.
    assertEquals((await errorOf(server.closed)).kind, "reset");
    assertEquals(network.now, before + 20_000);
  });
});

Deno.test("freeze: a connection survives a suspension that its times allow", async () => {
  await withEnds(async ({ network, client, server }) => {
    network.freeze(CLIENT, 10_000);
    network.freeze(CLIENT, 1);
    const before = network.now;
    await server.write(pattern(9));
    assertEquals(await readExactly(client, 9), pattern(9));
    assertEquals(network.now, before + 10_000);
    assertEquals(client.state, "open");
    await client.write(pattern(9));
    await client.drained();
  });
});

Deno.test("freeze: a longer time replaces a shorter one", async () => {
  await withEnds(async ({ network, client, server }) => {
    const before = network.now;
    network.freeze(SERVER, 1000);
    await network.delay(500);
    network.freeze(SERVER, 2000);
    await client.write(pattern(9));
    await readExactly(server, 9);
    assertEquals(network.now, before + 2500);
  });
});

Deno.test("freeze: the receive buffer of a socket holds 212,992 bytes, the rest is lost", async () => {
  const network = new SimulatedNetwork({ link: { latency: 1 } });
  const [from, to] = [network.socket(CLIENT, 1), network.socket(SERVER, 1)];
  const arrived: number[] = [];
  const arena = new Arena();
  const ignore = () => {};
  to.open({
    arena,
    packet: (bytes) => arrived.push(bytes[0]),
    packets: ignore,
    settled: ignore,
    failed: ignore,
  });
  network.freeze(SERVER, 1000);
  const batch = new PacketBatch({ arena });
  for (let i = 0; i < 220; i++) {
    batch.clear();
    batch.destination = to.address;
    const at = batch.place(1000);
    arena.bytes[at] = i;
    batch.append(at + 1000);
    from.send(batch);
  }
  await network.advance(999);
  assertEquals([arrived.length, network.undeliverable], [0, 220 - 212]);
  await network.advance(1);
  assertEquals(arrived, Array.from({ length: 212 }, (_, i) => i));
});

Deno.test("freeze: wrong times are refused", () => {
  const network = new SimulatedNetwork();
  for (const ms of [-1, NaN, Infinity]) {
    assertThrows(() => network.freeze(SERVER, ms), RangeError, String(ms));
  }
  network.freeze(SERVER, 0);
});

Deno.test("crash: a suspended host sends nothing of what it had to send", async () => {
  await withEnds(async ({ network, client, server }) => {
    const before = network.now;
    network.freeze(SERVER, 1000);
    await server.write(pattern(9));
    network.crash(SERVER);
    await network.delay(5000);
    assertEquals([sentBy(network, SERVER, before), client.state], [0, "open"]);
  });
});
