/**
 * Connections over the socket of a listener, and hole punching by them.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import { connect, ConnectionError, listen, type Listener, turbo } from "../../../mod.ts";
import { deno } from "../../../transport/deno.ts";
import { linux } from "../../../transport/linux.ts";
import { connectVia, type DatagramSocket, listenOn } from "../../../transport/mod.ts";
import { connect as connectNode, listen as listenNode } from "../../../transport/node.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { pattern } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, outcome, readExactly } from "../harness.ts";

const A = "10.0.0.1:80", B = "10.0.0.2:80";

/** Two listeners on one network. */
function two(link = { latency: 10 }) {
  const network = new SimulatedNetwork({ seed: "via", link });
  const alice = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo });
  const bob = network.listen({ hostname: "10.0.0.2", port: 80, ...turbo });
  return { network, alice, bob };
}

Deno.test("via: several dials and accepted connections share the socket of a listener", async () => {
  const { network, alice, bob } = two();
  await network.run(async () => {
    const dialled = [1, 2, 3].map((conv) => connectVia(alice, B, conv, turbo));
    const back = connectVia(bob, A, 9, turbo);
    for (const [i, conn] of dialled.entries()) await conn.write(pattern(1000, i));
    await back.write(pattern(1000, 9));
    for (const [i, conn] of dialled.entries()) {
      const accepted = await bob.accept();
      assertEquals(accepted.conv, conn.conv);
      assertEquals(accepted.remoteAddr, alice.addr, "the peer sees the listener's address");
      assertEquals(await readExactly(accepted, 1000), pattern(1000, i));
      await accepted.write(pattern(500, i));
      assertEquals(await readExactly(conn, 500), pattern(500, i));
    }
    const accepted = await alice.accept();
    assertEquals(await readExactly(accepted, 1000), pattern(1000, 9));
    assertEquals(alice.connections.map(({ conv }) => conv), [1, 2, 3, 9]);
    assertEquals(dialled[0].localAddr, alice.addr);
    // One that ends leaves the others alone.
    dialled[1].abort();
    await network.delay(100);
    await dialled[2].write(pattern(10));
    assertEquals(alice.connections.map(({ conv }) => conv), [1, 3, 9]);
    assertEquals(alice.stats.accepted, 1);
  });
});

Deno.test("via: a dial over a closed listener, or one with a failed socket, rejects", async () => {
  const { network, alice } = two();
  await network.run(async () => {
    const conn = connectVia(alice, B, 1, turbo);
    await conn.write(pattern(1));
    alice.close();
    const closed = assertThrows(() => connectVia(alice, B, 2), ConnectionError);
    assertEquals([closed.kind, closed.message], [
      "closed",
      "Cannot connect: the listener was closed",
    ]);
    conn.abort();
    await alice.closed;
    assertThrows(() => connectVia(alice, B, 2), ConnectionError, "was closed");
  });
  const socket = new FakeSocket();
  const listener = listenOn(socket, new FakeClock());
  socket.receiver!.failed(new Error("no network"));
  await listener.closed;
  assertEquals(assertThrows(() => connectVia(listener, B, 1), ConnectionError).kind, "socket");
});

Deno.test("via: the listener's close waits for what it has dialled, or ends it", async () => {
  for (const connections of ["wait", "close", "abort"] as const) {
    const { network, alice, bob } = two();
    await network.run(async () => {
      const conn = connectVia(alice, B, 1, turbo);
      await conn.opened;
      await conn.write(pattern(5));
      const server = await bob.accept();
      const ended = outcome(conn.closed), closed = outcome(alice.closed);
      alice.close({ connections });
      if (connections === "abort") {
        assertEquals((await assertRejects(() => server.closed, ConnectionError)).kind, "reset");
      }
      await network.delay(2000);
      assertEquals(ended.state === "pending", connections === "wait", connections);
      if (connections === "wait") await server.write(pattern(7));
      server.close();
      if (connections === "wait") {
        assertEquals(closed.state, "pending");
        await readExactly(conn, 7);
        conn.close();
      }
      await alice.closed;
    });
  }
});

Deno.test("via: the listener's cipher protects the connection, another one is refused", async () => {
  const key = pattern(32);
  const crypt = createCipher("aes-256-gcm", key);
  const network = new SimulatedNetwork({ seed: 1, trace: true });
  const alice = network.listen({ hostname: "10.0.0.1", port: 80, ...turbo, crypt });
  const bob = network.listen({ hostname: "10.0.0.2", port: 80, ...turbo, crypt });
  await network.run(async () => {
    const conns = [connectVia(alice, B, 1, turbo), connectVia(alice, B, 2, { ...turbo, crypt })];
    for (const conn of conns) await conn.write(pattern(100));
    for (let i = 0; i < 2; i++) {
      assertEquals(await readExactly(await bob.accept(), 100), pattern(100));
    }
    const other = createCipher("aes-256-gcm", key);
    assertThrows(() => connectVia(alice, B, 3, { crypt: other }), TypeError, "another cipher");
  });
  const clear = String(pattern(100).slice(0, 20));
  for (const { packet } of network.trace) assert(!String(packet).includes(clear));
});

Deno.test("via: a conversation that the peer has begun is joined, a taken id is refused", async () => {
  const { network, alice, bob } = two();
  await network.run(async () => {
    const other = connectVia(bob, A, 6, turbo);
    const first = connectVia(bob, A, 7, turbo);
    await other.write(pattern(2));
    await first.write(pattern(3));
    await network.delay(100);
    const joined = connectVia(alice, B, 7, turbo);
    assertEquals(await readExactly(joined, 3), pattern(3));
    await joined.write(pattern(4));
    assertEquals(await readExactly(first, 4), pattern(4));
    // The other one still waits for accept.
    assertEquals((await alice.accept()).conv, 6);
    assertThrows(() => connectVia(alice, B, 7, turbo), TypeError, "exists already");
    // One that was taken from the endpoint and not accepted ends with the listener.
    const third = connectVia(bob, A, 8, turbo), fourth = connectVia(bob, A, 9, turbo);
    await third.write(pattern(1));
    await fourth.write(pattern(1));
    await network.delay(100);
    connectVia(alice, B, 9, turbo);
    const refused = outcome(third.closed);
    alice.close();
    await network.delay(100);
    assertEquals((refused.state as ConnectionError).kind, "reset");
  });
});

// --- hole punching ---

/**
 * A NAT in front of a socket, which drops packets from an address that nothing was sent to: the
 * filtering of RFC 4787 §5 that is hardest for a peer ("address and port-dependent").
 */
function behindNat(socket: DatagramSocket): DatagramSocket & { dropped: number } {
  const allowed = new Set<string>();
  const nat = {
    adapter: "nat",
    dropped: 0,
    get address() {
      return socket.address;
    },
    open(receiver: Parameters<DatagramSocket["open"]>[0]) {
      socket.open({
        ...receiver,
        packet(bytes: Uint8Array, from: string) {
          if (allowed.has(from)) receiver.packet(bytes, from);
          else nat.dropped++;
        },
      });
    },
    send(batch: Parameters<DatagramSocket["send"]>[0]) {
      for (let i = 0; i < batch.count; i++) allowed.add(batch.to[i]);
      return socket.send(batch);
    },
    close: () => socket.close(),
    ref() {},
    unref() {},
  };
  return nat;
}

/** Two listeners, each behind a NAT. */
function behindNats(link: { latency: number; loss?: number }) {
  const network = new SimulatedNetwork({ seed: "nat", link });
  const nats = ["10.0.0.1", "10.0.0.2"].map((host) => behindNat(network.socket(host, 80)));
  const [alice, bob] = nats.map((nat) => listenOn(nat, network.clock(), turbo));
  return { network, nats, alice, bob };
}

Deno.test("hole punching: a dial from one side only does not get through the NAT", async () => {
  const { network, nats, alice, bob } = behindNats({ latency: 20 });
  await network.run(async () => {
    const conn = connectVia(alice, B, 1, turbo);
    const opened = outcome(conn.opened);
    await assertRejects(() => bob.accept({ timeout: 5000 }), ConnectionError, "accept");
    assertEquals(opened.state, "pending");
    assert(nats[1].dropped > 0);
    conn.abort();
  });
});

for (const [name, delay] of [["at once", 0], ["2 s apart", 2000]] as const) {
  for (const loss of [0, 0.3]) {
    Deno.test(`hole punching: dials ${name} with one id give the ends of one connection, loss ${loss}`, async () => {
      const { network, nats, alice, bob } = behindNats({ latency: 20, loss });
      await network.run(async () => {
        const left = connectVia(alice, B, 7, turbo);
        const leftOpened = left.opened;
        await network.delay(delay);
        const right = connectVia(bob, A, 7, turbo);
        await Promise.all([leftOpened, right.opened]);
        await left.write(pattern(3000));
        await right.write(pattern(2000, 5));
        assertEquals(await readExactly(right, 3000), pattern(3000));
        assertEquals(await readExactly(left, 2000), pattern(2000, 5));
        assertEquals([alice.stats.accepted, bob.stats.accepted], [0, 0]);
        left.close();
        right.close();
        await Promise.all([left.closed, right.closed]);
        if (delay > 0) assert(nats[1].dropped > 0, "the NAT of the later side dropped packets");
      });
    });
  }
}

Deno.test("hole punching: dials with two ids give two connections", async () => {
  const { network, alice, bob } = behindNats({ latency: 20 });
  await network.run(async () => {
    const fromAlice = connectVia(alice, B, 1, turbo), fromBob = connectVia(bob, A, 2, turbo);
    await Promise.all([fromAlice.opened, fromBob.opened]);
    const atBob = await bob.accept(), atAlice = await alice.accept();
    await fromAlice.write(pattern(10));
    await fromBob.write(pattern(20));
    assertEquals(await readExactly(atBob, 10), pattern(10));
    assertEquals(await readExactly(atAlice, 20), pattern(20));
  });
});

Deno.test("hole punching: both ends may write before they have heard of the other", async () => {
  const { network, alice, bob } = behindNats({ latency: 20 });
  await network.run(async () => {
    const left = connectVia(alice, B, 7, turbo), right = connectVia(bob, A, 7, turbo);
    await left.write(pattern(30_000));
    await right.write(pattern(20_000, 1));
    assertEquals(await readExactly(right, 30_000), pattern(30_000));
    assertEquals(await readExactly(left, 20_000), pattern(20_000, 1));
  });
});

// --- real sockets ---

/** Two listeners dial each other with one conversation id, and one more dial goes each way. */
async function punch(alice: Listener, bob: Listener, dial: typeof connect, hostname: string) {
  const options = { hostname, timeout: 10_000, ...turbo };
  const { port } = bob.addr;
  const [left, right] = await Promise.all([
    dial({ ...options, port, via: alice, conv: 7 }),
    dial({ ...options, port: alice.addr.port, via: bob, conv: 7 }),
  ]);
  await left.write(pattern(5000));
  assertEquals(await readExactly(right, 5000), pattern(5000));
  const further = await dial({ ...options, port, via: alice });
  await further.write(pattern(100));
  const accepted = await bob.accept({ timeout: 10_000 });
  assertEquals(await readExactly(accepted, 100), pattern(100));
  assertEquals(accepted.remoteAddr.port, alice.addr.port);
  assertEquals([alice.connections.length, bob.connections.length], [2, 2]);
  for (const listener of [alice, bob]) listener.close({ connections: "abort" });
  await Promise.all([alice.closed, bob.closed]);
}

const onLinux = Deno.build.os === "linux";
for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`via: Deno's sockets on ${hostname} dial over the listener`, async () => {
    const open = () => listen({ hostname, bind: deno(), ...turbo });
    await punch(await open(), await open(), connect, "localhost");
  });
}
for (
  const [hostname, target] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    // Packets to a socket on every address name the one that they were sent to.
    ["0.0.0.0", "127.0.0.1"],
    ["::", "127.0.0.1"],
    ["::", "::1"],
  ]
) {
  Deno.test({
    name: `via: sockets of Linux on ${hostname} dial ${target} over the listener`,
    ignore: !onLinux,
    async fn() {
      const open = () => listen({ hostname, bind: linux(), ...turbo });
      await punch(await open(), await open(), connect, target);
    },
  });
}

Deno.test({
  name: "via: a socket of Linux on 0.0.0.0 dials a second address of a host",
  ignore: !onLinux,
  async fn() {
    const open = () => listen({ hostname: "0.0.0.0", bind: linux(), ...turbo });
    const alice = await open(), bob = await open();
    const { port } = bob.addr;
    const options = { hostname: "127.0.0.2", port, via: alice, timeout: 10_000, ...turbo };
    const conn = await connect(options);
    assertEquals(conn.remoteAddr.hostname, "127.0.0.2");
    for (const listener of [alice, bob]) listener.close({ connections: "abort" });
    await Promise.all([alice.closed, bob.closed]);
  },
});

Deno.test("via: sockets of Node.js dial over the listener", async () => {
  const open = () => listenNode({ hostname: "127.0.0.1", ...turbo });
  await punch(await open(), await open(), connectNode, "localhost");
});

Deno.test("via: options of another socket, and no listener, are refused", async () => {
  const listener = await listen({ hostname: "127.0.0.1", bind: deno() });
  const options = { hostname: "127.0.0.1", port: 9 };
  for (const [name, value] of [["bind", deno()], ["localPort", 5], ["localHostname", "::1"]]) {
    await assertRejects(
      () => connect({ ...options, via: listener, [name as string]: value }),
      TypeError,
      `Cannot set ${name} together with via`,
    );
  }
  for (const via of [null, {}, "x"]) {
    await assertRejects(() => connect({ ...options, via } as never), TypeError, "a Listener");
  }
  await assertRejects(
    () => connect({ hostname: "::1", port: 9, via: listener }),
    TypeError,
    "Cannot reach ::1",
  );
  listener.close();
  const error = await assertRejects(() => connect({ ...options, via: listener }), ConnectionError);
  assertEquals(error.kind, "closed");
  await listener.closed;
});
