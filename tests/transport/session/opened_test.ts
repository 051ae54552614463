/**
 * `opened`: whether the peer is there is known before anything is written, and the server may speak
 * first.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { createCipherFromPassword } from "../../../crypt/mod.ts";
import { Kcp } from "../../../kcp/mod.ts";
import { connect, listen, turbo } from "../../../mod.ts";
import {
  type Connection,
  ConnectionError,
  connectOn,
  Endpoint,
  type EndpointOptions,
} from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { encode, EXTENDED, OPENING, pattern, WASK, WINS } from "../../kcp/harness.ts";
import { FakeClock, FakeSocket, outcome, ownAnswers, readExactly, Runner } from "../harness.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const LATENCY = 25;
const RTT = 2 * LATENCY;
const PEER = "10.0.0.9:1000";
const GREETING = new TextEncoder().encode("220 mail.example ESMTP\r\n");

const FEC = { dataShards: 4, parityShards: 2 };
const VARIANTS: Record<string, () => EndpointOptions> = {
  "no cipher": () => ({}),
  "FEC": () => ({ fec: FEC }),
  "an AEAD": () => ({ crypt: createCipherFromPassword("aes-128-gcm", "opened") }),
  "a cipher and FEC": () => ({ crypt: createCipherFromPassword("aes-128", "opened"), fec: FEC }),
};

function network(loss = 0, seed: number | string = "opened") {
  return new SimulatedNetwork({ seed, link: { latency: LATENCY, loss } });
}

for (const [name, options] of Object.entries(VARIANTS)) {
  Deno.test(`opened: it settles after one round trip, and the listener accepts (${name})`, async () => {
    const net = network();
    const listener = net.listen({ ...SERVER, ...turbo, ...options() });
    await net.run(async () => {
      const client = net.connect({ ...SERVER, ...turbo, ...options() });
      const accepting = listener.accept().then((conn) => ({ conn, at: net.now }));
      await client.opened;
      assertEquals(net.now, RTT);
      const { conn, at } = await accepting;
      assertEquals([conn.conv, at], [client.conv, LATENCY]);
      // It has settled for good, and the other side is open as well.
      await Promise.all([client.opened, conn.opened]);
      assertEquals(net.now, RTT);
      // The address is proved meanwhile.
      await net.delay(RTT);
      assertEquals([listener.stats.unconfirmed, listener.stats.accepted], [0, 1]);
    });
  });

  Deno.test(`opened: a server that speaks first is heard (${name})`, async () => {
    const net = network();
    const listener = net.listen({ ...SERVER, ...turbo, ...options() });
    await net.run(async () => {
      const serving = (async () => {
        const conn = await listener.accept();
        await conn.write(GREETING);
        assertEquals(await readExactly(conn, 6), new TextEncoder().encode("EHLO\r\n"));
        await conn.write(pattern(100_000));
        await conn.closeWrite();
      })();
      const client = net.connect({ ...SERVER, ...turbo, ...options() });
      await client.opened;
      assertEquals(await readExactly(client, GREETING.length), GREETING);
      assert(net.now <= RTT + turbo.interval!, `the greeting came after ${net.now} ms`);
      await client.write(new TextEncoder().encode("EHLO\r\n"));
      assertEquals(await readExactly(client, 100_000), pattern(100_000));
      await serving;
    });
  });
}

Deno.test("opened: at a loss of 30 %, every greeting arrives, and one session is opened for each", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const net = network(0.3, seed);
    const listener = net.listen({ ...SERVER, ...turbo });
    await net.run(async () => {
      const client = net.connect({ ...SERVER, ...turbo });
      const accepting = listener.accept();
      await client.opened;
      const conn = await accepting;
      await conn.write(GREETING);
      assertEquals(await readExactly(client, GREETING.length), GREETING);
      assertEquals(listener.stats.accepted, 1, `seed ${seed}`);
      assertLess(net.now, 5000, `seed ${seed}`);
    });
  }
});

Deno.test("opened: under a flood, the listener asks for a proof first; a greeting is heard then", async () => {
  for (const loss of [0, 0.15]) {
    for (let seed = 0; seed < (loss ? 30 : 1); seed++) {
      const net = network(loss, seed);
      const listener = net.listen({ ...SERVER, ...turbo, maxUnconfirmed: 0 });
      (async () => {
        for await (const conn of listener) conn.write(GREETING).catch(() => {});
      })().catch(() => {});
      await net.run(async () => {
        const client = net.connect({ ...SERVER, ...turbo });
        await client.opened;
        assertEquals([listener.stats.accepted, listener.stats.unconfirmed], [1, 0]);
        assertEquals(await readExactly(client, GREETING.length), GREETING);
        assert(net.now <= (loss ? 8000 : 2 * RTT), `seed ${seed}: ${net.now} ms`);
        client.abort();
        await net.delay(10);
      });
    }
  }
});

Deno.test("opened: without a peer it rejects as unreachable after the deadLinkTime", async () => {
  for (const deadLinkTime of [2000, 30_000, 100_000]) {
    const net = network();
    await net.run(async () => {
      const client = net.connect({ ...SERVER, ...turbo, deadLinkTime });
      const error = await assertRejects(() => client.opened, ConnectionError);
      assertEquals(error.kind, "unreachable");
      assert(error.message.includes("10.0.0.1:80"), error.message);
      assert(net.now >= deadLinkTime && net.now < deadLinkTime + 1000, `after ${net.now} ms`);
      assertEquals((await assertRejects(() => client.closed, ConnectionError)).kind, "unreachable");
    });
  }
});

Deno.test("opened: it rejects when this side closes, and when the listener stops", async () => {
  const net = network();
  const listener = net.listen({ ...SERVER, ...turbo });
  await net.run(async () => {
    for (const how of ["close", "abort"] as const) {
      const client = net.connect({ ...SERVER, ...turbo });
      const opened = outcome(client.opened);
      client[how]();
      await net.delay(1);
      assert(opened.state instanceof ConnectionError, how);
      assertEquals(opened.state.kind, "closed", how);
    }
    const live = net.connect({ ...SERVER, ...turbo });
    await live.opened;
    await listener.accept();
    listener.close();
    const late = net.connect({ ...SERVER, ...turbo });
    const from = net.now;
    const error = await assertRejects(() => late.opened, ConnectionError);
    assertEquals([error.kind, net.now - from], ["reset", RTT]);
    await live.opened;
    live.abort();
  });
});

Deno.test("opened: nobody is asked before it is used, and once it is known, nobody is asked again", async () => {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const conn = connectOn(socket, clock, PEER, 7, {
    ...turbo,
    idleTimeout: Infinity,
    keepAlive: Infinity,
  });
  await clock.advance(5000);
  assertEquals(socket.sent.length, 0);
  const opened = outcome(conn.opened);
  await clock.advance(0);
  const questions = () => socket.sent.map(({ packet }) => packet);
  assertEquals(questions().length, 1);
  const view = new DataView(questions()[0].buffer);
  assertEquals([view.getUint8(4), view.getUint8(5)], [WASK, EXTENDED | OPENING]);
  // It asks again, since the question may be lost, at growing intervals.
  await clock.advance(20_000);
  const asked = questions().length;
  assert(asked > 3 && asked < 20, `${asked} questions in 20 s`);
  assertEquals(opened.state, "pending");
  socket.receiver!.packet(encode({ conv: 7, cmd: WINS }), PEER);
  await clock.advance(0);
  assertEquals(opened.state, "resolved");
  const { length } = socket.sent;
  await conn.opened;
  await clock.advance(60_000);
  assertEquals(socket.sent.length, length);
  conn.abort();
});

Deno.test("opened: a KCP machine of another implementation answers, too", async () => {
  const net = network();
  const other = new Kcp(99, turbo);
  net.attach("10.0.0.1:80", other, "10.0.0.2:5000");
  await net.run(async () => {
    const client = net.connect({ ...SERVER, ...turbo, conv: 99, localPort: 5000 });
    await client.opened;
    assertEquals(net.now, RTT);
    client.abort();
  });
  // What it was asked is a window probe, and its error counters are still 0.
  assertEquals(other.stats.inputErrors, { ...new Kcp(1).stats.inputErrors });
});

Deno.test("opened: a question that arrives twice, or late, opens one session", () => {
  const a = new Runner(new Endpoint({ ...turbo, timeWait: 5000 }, true));
  const question = (ts: number) => encode({ conv: 7, cmd: WASK, frg: EXTENDED | OPENING, ts });
  for (const now of [0, 1, 100]) assert(a.machine.input(question(50 + now), now, PEER));
  assertEquals([a.machine.size, a.machine.stats.accepted], [1, 1]);
  const session = a.machine.accept()!;
  a.machine.input(encode(...ownAnswers(a.segments(100))), 110, PEER);
  assertEquals(session.unconfirmed, false);
  session.reset(new ConnectionError("closed", "enough"), 0);
  a.idle(110, 5000);
  assertEquals(a.machine.size, 0);
  // A late copy of the question draws a reset. Another incarnation of the peer is let in.
  assertEquals(a.machine.input(question(150), 10_000, PEER), false);
  assertEquals([a.machine.size, a.machine.stats.afterEnd], [0, 1]);
  assert(a.machine.input(question(0x7fff0000), 10_001, PEER));
  assertEquals([a.machine.size, a.machine.stats.accepted], [1, 2]);
});

Deno.test("opened: a question keeps within the limits of a listener, and costs as little as data", () => {
  const a = new Runner(new Endpoint({ ...turbo, maxSessions: 3, backlog: 2 }, true));
  for (let i = 0; i < 10; i++) {
    a.machine.input(encode({ conv: i, cmd: WASK, frg: EXTENDED | OPENING, ts: i }), 0, PEER);
  }
  assertEquals([a.machine.size, a.machine.stats.accepted, a.machine.stats.refused], [2, 2, 8]);
  // An address that never answers is given up after 30 s, and draws a few probes until then.
  let bytes = 0;
  for (let now = 0; now <= 31_000; now += 10) {
    for (const { packet } of a.sent(now)) bytes += packet.length;
  }
  assertEquals(a.machine.size, 0);
  assertLess(bytes, 2 * 20 * 24);
});

Deno.test("opened: the first datagrams after it arrive", async () => {
  const net = network();
  const listener = net.listen({ ...SERVER, ...turbo });
  await net.run(async () => {
    const client = net.connect({ ...SERVER, ...turbo });
    await client.opened;
    client.sendDatagram(pattern(9));
    const conn = await listener.accept();
    assertEquals(await conn.receiveDatagram(), pattern(9));
    // Without it, the question leaves before the first datagram.
    const other = net.connect({ ...SERVER, ...turbo });
    other.sendDatagram(pattern(5));
    assertEquals(await (await listener.accept()).receiveDatagram(), pattern(5));
  });
});

// --- connect, on real sockets ---

/** A socket that takes packets and answers none. */
async function mute(body: (port: number) => Promise<void>): Promise<void> {
  const socket = Deno.listenDatagram({ hostname: "127.0.0.1", port: 0, transport: "udp" });
  try {
    await body((socket.addr as Deno.NetAddr).port);
  } finally {
    socket.close();
  }
}

Deno.test("connect: with a timeout it waits for the listener, and fails in time without one", async () => {
  const listener = await listen({ hostname: "127.0.0.1", port: 0, ...turbo });
  const accepting = listener.accept();
  const { port } = listener.addr;
  const conn = await connect({ hostname: "127.0.0.1", port, ...turbo, timeout: 5000 });
  const server = await accepting;
  assertEquals(server.conv, conn.conv);
  await server.write(GREETING);
  assertEquals(await readExactly(conn, GREETING.length), GREETING);
  for (const end of [conn, server] as Connection[]) end.close();
  await Promise.all([conn[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
  listener.close();
  await listener.closed;

  await mute(async (port) => {
    const from = performance.now();
    const error = await assertRejects(
      () => connect({ hostname: "127.0.0.1", port, ...turbo, timeout: 150 }),
      ConnectionError,
    );
    const took = performance.now() - from;
    assertEquals(error.kind, "timeout");
    assert(took >= 149 && took < 1500, `it took ${took} ms`);
  });
});

Deno.test("connect: an aborted signal rejects with its reason, before and while it waits", async () => {
  await mute(async (port) => {
    const at = { hostname: "127.0.0.1", port, ...turbo };
    const reason = new Error("changed my mind");
    const before = await assertRejects(() => connect({ ...at, signal: AbortSignal.abort(reason) }));
    assertEquals(before, reason);
    const controller = new AbortController();
    const waiting = outcome(connect({ ...at, signal: controller.signal }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(waiting.state, "pending");
    controller.abort(reason);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(waiting.state, reason);
  });
});
