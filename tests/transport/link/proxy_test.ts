import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { Link } from "../../../transport/link/link.ts";
import { tableKey } from "../../../transport/linux/kernel_sockets.ts";
import { LossyProxy, type ProxyOptions, startProxy } from "../../../transport/link/proxy.ts";
import { Random } from "../../../transport/link/random.ts";
import { linux, type LinuxSocket } from "../../../transport/linux.ts";
import { PacketBatch } from "../../../kcp/mod.ts";
import { RawSocket } from "../raw_socket.ts";

/** How long (ms) a test waits for something that must happen, before it fails. */
const WAIT_LIMIT = 20_000;

/** A UDP socket on loopback that sends and receives numbers, each as a packet. */
class Peer implements Disposable {
  readonly addr: Deno.NetAddr;
  readonly port: number;
  #socket: Deno.DatagramConn;
  #closed = false;

  constructor(hostname = "127.0.0.1") {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    this.addr = this.#socket.addr as Deno.NetAddr;
    this.port = this.addr.port;
  }

  async send(number: number, to: Deno.NetAddr, size = 16): Promise<void> {
    const packet = new Uint8Array(size);
    new DataView(packet.buffer).setFloat64(0, number);
    await this.#socket.send(packet, to);
  }

  async receive(): Promise<{ number: number; from: Deno.NetAddr; size: number }> {
    const timer = setTimeout(() => this[Symbol.dispose](), WAIT_LIMIT);
    try {
      const [packet, from] = await this.#socket.receive(new Uint8Array(65_536));
      const number = new DataView(packet.buffer).getFloat64(0);
      return { number, from: from as Deno.NetAddr, size: packet.length };
    } finally {
      clearTimeout(timer);
    }
  }

  async receiveNumbers(count: number): Promise<number[]> {
    const numbers: number[] = [];
    while (numbers.length < count) numbers.push((await this.receive()).number);
    return numbers;
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.#socket.close();
    this.#closed = true;
  }
}

async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + WAIT_LIMIT;
  while (!condition()) {
    assert(performance.now() < limit, `never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/**
 * Sends the numbers 0 to `count` - 1. It waits each time until the proxy has the packet, so that no
 * buffer of a socket overflows.
 */
async function sendEach(count: number, from: Peer, proxy: LossyProxy): Promise<void> {
  const before = proxy.up.stats.packets;
  for (let number = 0; number < count; number++) {
    await from.send(number, proxy.addr);
    await until(() => proxy.up.stats.packets === before + number + 1);
  }
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function start(target: Peer, options: Omit<ProxyOptions, "target"> = {}): Promise<LossyProxy> {
  return startProxy({ target: target.addr, ...options });
}

function test(name: string, fn: () => Promise<void>, ignore = false): void {
  // Both sanitizers are off by default.
  Deno.test({ name: `proxy: ${name}`, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

test("forwards in both directions, and the target sees one peer for each client", async () => {
  using target = new Peer();
  using alice = new Peer();
  using bob = new Peer();
  await using proxy = await start(target);
  assertEquals(proxy.addr.hostname, "127.0.0.1");
  assertNotEquals(proxy.addr.port, 0);

  await alice.send(1, proxy.addr, 1400);
  const fromAlice = await target.receive();
  await bob.send(2, proxy.addr);
  const fromBob = await target.receive();
  await alice.send(3, proxy.addr, 60_000);
  const again = await target.receive();
  assertEquals([fromAlice, fromBob, again].map((p) => [p.number, p.size]), [
    [1, 1400],
    [2, 16],
    [3, 60_000],
  ]);
  assertNotEquals(fromAlice.from.port, fromBob.from.port);
  assertNotEquals(fromAlice.from.port, alice.port);
  assertEquals(again.from, fromAlice.from);

  await target.send(20, fromBob.from);
  await target.send(10, fromAlice.from);
  const [toAlice, toBob] = await Promise.all([alice.receive(), bob.receive()]);
  assertEquals([toAlice.number, toBob.number], [10, 20]);
  assertEquals([toAlice.from, toBob.from], [proxy.addr, proxy.addr]);

  const { packets, delivered, clients, failed, refused } = proxy.stats;
  assertEquals({ packets, delivered, clients, failed, refused }, {
    packets: 5,
    delivered: 5,
    clients: 2,
    failed: 0,
    refused: 0,
  });
  assertEquals([proxy.up.stats.packets, proxy.down.stats.packets], [3, 2]);
});

test("loses exactly the packets that a link with the same seed loses", async () => {
  const count = 200, seed = "proxy loss";
  const options = { loss: 0.3, burstLoss: { enter: 0.05, leave: 0.4 } };
  const model = new Link(options, new Random(seed).fork("up").fork("0"));
  const expected: number[] = [];
  for (let i = 0; i < count; i++) model.transmit(new Uint8Array(16), i, () => expected.push(i));
  assert(expected.length > 50 && expected.length < 150, `the model delivers ${expected.length}`);

  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { up: options, seed });
  await sendEach(count, client, proxy);
  assertEquals(await target.receiveNumbers(expected.length), expected);
  assertEquals(proxy.up.stats.delivered, expected.length);
  assertEquals(proxy.up.stats.lost + proxy.up.stats.lostBurst, count - expected.length);
});

test("a packet never arrives before its latency, in either direction", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { up: { latency: 30.5 }, down: { latency: 20.5 } });
  for (let i = 0; i < 3; i++) {
    const sent = performance.now();
    await client.send(i, proxy.addr);
    const { from } = await target.receive();
    const reached = performance.now();
    assert(reached - sent >= 30.5, `up took ${reached - sent} ms`);
    await target.send(i, from);
    await client.receive();
    const back = performance.now() - reached;
    assert(back >= 20.5, `down took ${back} ms`);
  }
});

test("keeps the order of packets that are due together, also on a new socket", async () => {
  const count = 60;
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target);
  for (let round = 0; round < 2; round++) {
    // Later packets cannot overtake the first one, so all are due together with it.
    proxy.up.configure({ latency: 400 });
    await sendEach(1, client, proxy);
    proxy.up.configure({ latency: 0 });
    await sendEach(count, client, proxy);
    assertEquals(await target.receiveNumbers(1 + count), [0, ...numbersTo(count)]);
    proxy.rebind();
  }
  // The order is kept without latency, too.
  await sendEach(count, client, proxy);
  assertEquals(await target.receiveNumbers(count), numbersTo(count));
});

test("a packet that is held back does not delay the next packet", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { up: { reorder: { probability: 1, delay: 1e9 } } });
  await sendEach(1, client, proxy);
  proxy.up.configure({ reorder: 0 });
  await client.send(7, proxy.addr);
  assertEquals((await target.receive()).number, 7);
  assertEquals(proxy.up.stats.reordered, 1);
});

test("duplicates arrive twice", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { up: { duplicate: 1 } });
  await sendEach(3, client, proxy);
  assertEquals(await target.receiveNumbers(6), [0, 0, 1, 1, 2, 2]);
});

test("configure and down apply to present clients and to later clients", async () => {
  using target = new Peer();
  using first = new Peer();
  using second = new Peer();
  await using proxy = await start(target);
  await sendEach(1, first, proxy);
  assertEquals((await target.receive()).number, 0);

  proxy.up.configure({ loss: 1 });
  await sendEach(2, first, proxy);
  await sendEach(2, second, proxy);
  assertEquals([proxy.up.options.loss, proxy.up.stats.lost, proxy.stats.clients], [1, 4, 2]);
  proxy.up.configure({ loss: 0 });
  proxy.up.down = true;
  await sendEach(3, first, proxy);
  assertEquals([proxy.up.down, proxy.down.down, proxy.up.stats.blackedOut], [true, false, 3]);
  proxy.up.down = false;
  await first.send(8, proxy.addr);
  await second.send(9, proxy.addr);
  assertEquals((await target.receiveNumbers(2)).sort(), [8, 9]);
});

test("after a rebind the client has a new port, and packets to the old port are lost", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target);
  await client.send(1, proxy.addr);
  const before = (await target.receive()).from;
  proxy.rebind();
  await client.send(2, proxy.addr);
  const { number, from: after } = await target.receive();
  assertEquals(number, 2);
  assertNotEquals(after.port, before.port);

  await target.send(10, before);
  await target.send(20, after);
  assertEquals((await client.receive()).number, 20, "the packet to the old port was forwarded");
  assertEquals([proxy.down.stats.packets, proxy.stats.clients], [1, 1]);
});

test("packets that are delayed during a rebind leave from the new port", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target);
  await client.send(0, proxy.addr);
  const before = (await target.receive()).from;
  proxy.up.configure({ latency: 300 });
  await sendEach(1, client, proxy);
  proxy.rebind();
  const { from } = await target.receive();
  assertNotEquals(from.port, before.port);
  assertEquals(proxy.stats.failed, 0);
});

test("packets from another host to the port of a client are refused", async () => {
  using target = new Peer();
  using stranger = new Peer();
  using client = new Peer();
  await using proxy = await start(target);
  await client.send(1, proxy.addr);
  const { from } = await target.receive();
  await stranger.send(66, from);
  await until(() => proxy.stats.refused === 1);
  await target.send(2, from);
  assertEquals((await client.receive()).number, 2);
});

test("maxClients bounds the clients, and an idle one is replaced after idleTimeout", async () => {
  using target = new Peer();
  const clients = Array.from({ length: 3 }, () => new Peer());
  try {
    await using strict = await start(target, { maxClients: 2 });
    for (const client of clients) {
      await client.send(1, strict.addr);
      const later = performance.now() + 20;
      await until(() => performance.now() > later);
    }
    await until(() => strict.stats.refused === 1);
    assertEquals([strict.stats.clients, strict.up.stats.packets], [2, 2]);
    await target.receiveNumbers(2);

    await using lenient = await start(target, { maxClients: 2, idleTimeout: 0 });
    for (const client of clients) await sendEach(1, client, lenient);
    assertEquals([lenient.stats.clients, lenient.stats.refused], [2, 0]);
    assertEquals(lenient.up.stats.packets, 3, "the stats have lost the replaced client");
    await target.receiveNumbers(3);
    // The third client replaced the first. Now the first is new again, and replaces the second.
    await sendEach(1, clients[0], lenient);
    await target.receiveNumbers(1);
    assertEquals(lenient.stats.clients, 2);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

test("maxPendingBytes bounds the bytes that the proxy holds", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { up: { latency: 1e9 }, maxPendingBytes: 1000 });
  for (const size of [600, 400, 16]) await client.send(1, proxy.addr, size);
  await until(() => proxy.up.stats.packets === 3);
  assertEquals(proxy.stats.discarded, 1);
});

test("bytes of sent packets no longer count for maxPendingBytes", async () => {
  using target = new Peer();
  using client = new Peer();
  await using proxy = await start(target, { maxPendingBytes: 16 });
  for (let i = 0; i < 20; i++) {
    await client.send(i, proxy.addr);
    assertEquals((await target.receive()).number, i);
  }
});

test("close drops delayed packets, may be called twice, and frees the port", async () => {
  using target = new Peer();
  using client = new Peer();
  const proxy = await start(target, { up: { latency: 1e9 }, down: { latency: 5 } });
  await sendEach(10, client, proxy);
  const closed = proxy.close();
  assertEquals(proxy.close(), closed);
  await closed;
  assertThrows(() => proxy.rebind(), TypeError, "the proxy is closed");
  assertEquals(proxy.stats.packets, 10, "the stats are lost");

  await using again = await start(target, { listen: { port: proxy.addr.port } });
  assertEquals(again.addr, proxy.addr);
  await client.send(5, again.addr);
  assertEquals((await target.receive()).number, 5);
});

test("close during traffic causes no leak and no error", async () => {
  using target = new Peer();
  using client = new Peer();
  for (let round = 0; round < 10; round++) {
    const proxy = await start(target, { up: { latency: round % 3, duplicate: 1 } });
    const sends = numbersTo(20).map((i) => client.send(i, proxy.addr));
    await sends[round];
    if (round % 2 === 0) await until(() => proxy.up.stats.packets > round);
    await proxy.close();
    await Promise.all(sends);
  }
});

test("`using` closes the proxy", async () => {
  using target = new Peer();
  let proxy: LossyProxy;
  {
    using scoped = await start(target);
    proxy = scoped;
  }
  assertThrows(() => proxy.rebind(), TypeError, "the proxy is closed");
  await proxy.close();
});

const hasIPv6 = (() => {
  try {
    Deno.listenDatagram({ transport: "udp", hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
})();

test(
  "IPv6, and IPv4 clients with an IPv6 target",
  async () => {
    using target = new Peer("::1");
    using client = new Peer("::1");
    using oldClient = new Peer();
    await using proxy = await startProxy({ target: { hostname: "0:0:0::0:1", port: target.port } });
    assertEquals(proxy.addr.hostname, "::1");
    await using mixed = await start(target, { listen: { hostname: "127.0.0.1" } });
    for (const [peer, via] of [[client, proxy], [oldClient, mixed]] as const) {
      await peer.send(1, via.addr);
      const { number, from } = await target.receive();
      assertEquals([number, from.hostname], [1, "::1"]);
      await target.send(2, from);
      assertEquals((await peer.receive()).number, 2);
      assertEquals(via.stats.refused, 0);
    }
  },
  !hasIPv6,
);

test("startProxy accepts a host name or the unspecified address as target", async () => {
  using target = new Peer();
  using client = new Peer();
  for (const hostname of ["localhost", "0.0.0.0"]) {
    await using proxy = await startProxy({ target: { hostname, port: target.port } });
    await client.send(1, proxy.addr);
    const { from } = await target.receive();
    await target.send(2, from);
    assertEquals((await client.receive()).number, 2);
  }
  assertThrows(
    () => new LossyProxy({ target: { hostname: "localhost", port: 1 } }),
    TypeError,
    'Cannot forward to "localhost": expected an IP address',
  );
});

test("misuse throws with the value, and no socket stays open", async () => {
  const target = { hostname: "127.0.0.1", port: 9 };
  const rejected: [ProxyOptions, typeof RangeError | typeof TypeError, string][] = [
    [{ target: { ...target, port: 0 } }, RangeError, "Cannot set target.port to 0"],
    [{ target: { ...target, port: 1.5 } }, RangeError, "Cannot set target.port to 1.5"],
    [{ target, listen: { port: 65_536 } }, RangeError, "Cannot set listen.port to 65536"],
    [{ target, maxClients: 0 }, RangeError, "Cannot set maxClients to 0: the range is 1 to 65535"],
    [{ target, maxPendingBytes: -1 }, RangeError, "Cannot set maxPendingBytes to -1"],
    [{ target, idleTimeout: NaN }, RangeError, "Cannot set idleTimeout to NaN"],
    [{ target, maxClients: "9" as unknown as number }, TypeError, "Cannot set maxClients to 9"],
    [{ target, up: { loss: 2 } }, RangeError, "Cannot set loss to 2"],
    [{ target, down: { latency: -1 } }, RangeError, "Cannot set latency to -1"],
    [{ target, seed: NaN }, RangeError, "Cannot use NaN as a seed"],
  ];
  for (const [options, kind, message] of rejected) {
    await assertRejects(() => startProxy(options), kind, message);
  }
  using taken = new Peer();
  await assertRejects(
    () => startProxy({ target, listen: { port: taken.port } }),
    Deno.errors.AddrInUse,
  );
});

Deno.test({
  name: "proxy: a packet from port 0 is no client",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using raw = RawSocket.open();
    if (!raw) return; // The process has no right to open raw sockets.
    using target = new Peer();
    using client = new Peer();
    await using proxy = new LossyProxy({ target: target.addr });
    for (let n = 0; n < 5; n++) assert(raw.send(new Uint8Array(16), 0, proxy.addr.port));
    await client.send(7, proxy.addr);
    assertEquals((await target.receive()).number, 7);
    assertEquals([proxy.stats.clients, proxy.stats.failed], [1, 0]);
  },
});

// --- what the kernel drops ---

const onLinux = Deno.build.os === "linux";

/** Sends packets of 1400 bytes at once, while nothing else gets a turn. */
async function flood(count: number, to: Deno.NetAddr): Promise<void> {
  const socket = await linux({ segmentation: false })("127.0.0.1", 0);
  const batch = new PacketBatch({ bytes: 1 << 17, packets: 64 });
  for (let sent = 0; sent < count;) {
    batch.clear();
    for (let i = 0; i < 64 && sent < count; i++, sent++) {
      batch.destination = `${to.hostname}:${to.port}`;
      batch.append(batch.place(1400) + 1400);
    }
    const sending = socket.send(batch);
    if (sending) await sending;
  }
  await socket.close();
}

Deno.test({
  name: "proxy: packets that its sockets lose are counted, and no others",
  ignore: !onLinux,
  async fn() {
    using target = new Peer();
    const proxy = await start(target);
    proxy.up.down = true;
    assertEquals(proxy.stats.systemDropped, 0);
    // More than 4 MiB of buffer hold, twice what the option asks for.
    const COUNT = 20_000;
    await flood(COUNT, proxy.addr);
    const { systemDropped } = proxy.stats;
    assert(systemDropped !== "unknown" && systemDropped > 0 && systemDropped < COUNT);
    await until(() => proxy.up.stats.packets >= COUNT - systemDropped);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { packets, lost, blackedOut } = proxy.up.stats;
    assertEquals([packets, lost, blackedOut], [COUNT - systemDropped, 0, packets]);
    await proxy.close();
    assertEquals(proxy.stats.systemDropped, systemDropped, "the closed proxy still tells it");
  },
});

Deno.test({
  name: "proxy: its sockets hold bursts that the default buffers would lose",
  ignore: !onLinux,
  async fn() {
    // The system may allow no larger buffers than the default of 208 KiB, which holds 90 of these.
    const probe = await linux()("127.0.0.1", 0) as LinuxSocket;
    const { receiveBuffer } = probe.settings;
    await probe.close();
    if (receiveBuffer < 4 << 20) return;
    using target = new Peer();
    await using proxy = await start(target);
    proxy.up.down = true;
    await flood(2000, proxy.addr);
    await until(() => proxy.up.stats.packets === 2000);
    assertEquals(proxy.stats.systemDropped, 0);
  },
});

Deno.test("proxy: without FFI it does not know what the system drops, and works", async () => {
  const { querySync } = Deno.permissions;
  const states = { state: "prompt" } as Deno.PermissionStatus;
  for (const status of [states, { state: "granted", partial: true } as Deno.PermissionStatus]) {
    Deno.permissions.querySync = (descriptor) =>
      descriptor.name === "ffi" ? status : querySync.call(Deno.permissions, descriptor);
    try {
      using target = new Peer();
      using client = new Peer();
      await using proxy = await start(target);
      await client.send(1, proxy.addr);
      assertEquals((await target.receive()).number, 1);
      proxy.rebind();
      // A process that may read /proc/net/udp knows it all the same: none of the tests does.
      assertEquals(proxy.stats.systemDropped, "unknown");
    } finally {
      Deno.permissions.querySync = querySync;
    }
  }
});

Deno.test("proxy: an address has the form of the kernel's table", () => {
  // From /proc/net/udp and udp6 of a machine with these sockets.
  assertEquals(tableKey("127.0.0.1", 42132), "0100007F:A494");
  assertEquals(tableKey("0.0.0.0", 80), "00000000:0050");
  assertEquals(tableKey("::1", 9), "00000000000000000000000001000000:0009");
  assertEquals(tableKey("fe80::fc:ff:fe00:1", 5), "000080FE00000000FF00FC00010000FE:0005");
});
