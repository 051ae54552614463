/**
 * Packets that end a conversation: who is told, how soon, and that nobody off the path can send one.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertRejects, assertThrows } from "@std/assert";
import { createCipherFromPassword } from "../../../crypt/mod.ts";
import { turbo } from "../../../mod.ts";
import {
  type Connection,
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  type Listener,
  Session,
} from "../../../transport/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import {
  ACK,
  CONV,
  encode,
  EXTENDED,
  HEADER,
  OPENING,
  pattern,
  PIECE,
  PROBE,
  PUSH,
  RESET,
  type Segment,
  WASK,
  WINS,
} from "../../kcp/harness.ts";
import { exchange, outcome, ownAnswers, readAll, Runner } from "../harness.ts";
import { countingEntropy, dataPacket, oobPacket, Outlet, parityPacket, readWire } from "./wire.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const LATENCY = 25;
const RTT = 2 * LATENCY;
const A = "10.0.0.1:1000";
const B = "10.0.0.2:2000";

const FEC = { dataShards: 4, parityShards: 2 };
const crypt = (name: "aes-128-gcm" | "aes-128") => createCipherFromPassword(name, "reset");
const VARIANTS: Record<string, () => EndpointOptions> = {
  "no cipher": () => ({}),
  "FEC": () => ({ fec: FEC }),
  "an AEAD": () => ({ crypt: crypt("aes-128-gcm") }),
  "a cipher and FEC": () => ({ crypt: crypt("aes-128"), fec: FEC }),
};

interface Ends {
  network: SimulatedNetwork;
  listener: Listener;
  client: Connection;
  server: Connection;
}

/** Runs `body` with two ends of a connection that have exchanged data. */
async function withEnds(
  body: (ends: Ends) => Promise<void>,
  options: () => EndpointOptions = () => ({}),
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "reset", link: { latency: LATENCY } });
  const listener = network.listen({ ...SERVER, ...turbo, ...options() });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo, ...options() });
    await client.write(pattern(1));
    const server = await listener.accept();
    await server.write(pattern(1));
    for (const end of [client, server]) await end.read(new Uint8Array(1));
    await network.delay(500);
    await body({ network, listener, client, server });
  });
}

/** How a connection has ended, and when. */
function ending(network: SimulatedNetwork, { closed }: Connection) {
  const from = network.now;
  return closed.then(
    () => ({ error: null, after: network.now - from }),
    (error: ConnectionError) => ({ error, after: network.now - from }),
  );
}

// --- abort ---

for (const [name, options] of Object.entries(VARIANTS)) {
  for (const side of ["client", "server"] as const) {
    Deno.test(`abort of the ${side}: the peer is told in half a round trip (${name})`, async () => {
      await withEnds(async (ends) => {
        const { network } = ends;
        const [here, there] = side === "client"
          ? [ends.client, ends.server]
          : [ends.server, ends.client];
        const reading = outcome(there.read(new Uint8Array(1)));
        const told = ending(network, there);
        here.abort("no more of this", 403);
        const { error, after } = await told;
        assertEquals([error?.kind, error?.closeCode, error?.reason], [
          "reset",
          403,
          "no more of this",
        ]);
        assert(error!.message.includes("403") && error!.message.includes("no more of this"));
        assertEquals(after, LATENCY);
        assertEquals(reading.state, error);
        const local = await assertRejects(() => here.closed, ConnectionError, "no more of this");
        assertEquals([local.kind, local.closeCode], ["closed", 0]);
      }, options);
    });
  }
}

Deno.test("abort: a lost reset is sent again after a round trip; or the next packet draws one", async () => {
  for (const speaks of [false, true]) {
    await withEnds(async ({ network, client, server }) => {
      const down = network.link(SERVER.hostname, "10.0.0.2");
      down.down = true;
      const told = ending(network, client);
      server.abort("lost at first", 7);
      await network.delay(1);
      down.down = false;
      if (speaks) await client.write(pattern(1));
      const { error, after } = await told;
      assertEquals([error?.kind, error?.closeCode], ["reset", 7]);
      assert(after <= 1.5 * RTT + turbo.interval!, `${after} ms, the peer speaks: ${speaks}`);
      // An answer is no longer than the packet that it answers.
      assert(error!.reason === "lost at first" || speaks, error!.reason);
    });
  }
});

Deno.test("abort: what has arrived before can be read", async () => {
  await withEnds(async ({ network, client, server }) => {
    await client.write(pattern(3000));
    await client.drained();
    client.abort();
    await network.delay(RTT);
    const bytes = new Uint8Array(5000);
    let got = 0;
    while (got < 3000) got += (await server.read(bytes.subarray(got)))!;
    assertEquals(bytes.subarray(0, 3000), pattern(3000));
    const error = await assertRejects(() => server.read(bytes), ConnectionError);
    assertEquals([error.kind, error.reason, error.closeCode], ["reset", "", 0]);
  });
});

Deno.test("abort: a reason is cut after 512 bytes, between two characters", async () => {
  await withEnds(async ({ network, client, server }) => {
    client.abort("x" + "ä".repeat(400));
    await network.delay(RTT);
    const error = await assertRejects(() => server.closed, ConnectionError);
    assertEquals(error.reason, "x" + "ä".repeat(255));
  });
});

Deno.test("abort: a code that is no integer from 0 to 65535 is refused, and nothing ends", async () => {
  await withEnds(async ({ network, client, server }) => {
    for (
      const [code, kind] of [[-1, RangeError], [65_536, RangeError], [1.5, RangeError]] as const
    ) {
      assertThrows(() => client.abort("", code), kind, String(code));
    }
    assertThrows(() => client.abort("", "1" as unknown as number), TypeError, "1");
    await network.delay(RTT);
    assertEquals([outcome(client.closed).state, outcome(server.closed).state], [
      "pending",
      "pending",
    ]);
    client.abort("", 65_535);
    await network.delay(RTT);
    assertEquals((await assertRejects(() => server.closed, ConnectionError)).closeCode, 65_535);
  });
});

Deno.test("abort: a peer of another implementation is sent nothing", () => {
  const a = new Runner(new Session(CONV, B, 0, turbo));
  a.machine.write(pattern(10));
  const [{ ts }] = a.segments(0);
  a.machine.input(encode({ cmd: ACK, sn: 0, ts, una: 1 }, { cmd: WINS, una: 1 }), 50);
  a.machine.input(encode({ sn: 0, una: 1, data: pattern(3) }), 60);
  a.sent(60);
  a.machine.reset(new ConnectionError("closed", "enough"), 0, 5, "enough");
  assertEquals(a.idle(60, 60_000), []);
  assertEquals([a.machine.state, a.machine.over], ["closed", true]);
});

// --- other ends ---

Deno.test("close: a peer that goes on sending is reset; it reads all up to the end before", async () => {
  for (const [name, options] of Object.entries(VARIANTS)) {
    for (const patient of [false, true]) {
      await withEnds(async ({ network, client, server }) => {
        let written = 0;
        const writing = (async () => {
          for (;;) written += await server.write(pattern(1000));
        })();
        const stopped = outcome(writing);
        await network.delay(200);
        await client.write(pattern(50_000));
        client.close();
        if (patient) await network.delay(5000);
        assertEquals(await readAll(server), pattern(50_000), `${name}: the stream`);
        await network.delay(5000);
        const { state } = stopped;
        assert(state instanceof ConnectionError, `${name}: the peer still writes to nobody`);
        assertEquals(state.kind, "reset", name);
        assert(written > 0);
        assertEquals((await assertRejects(() => server.closed, ConnectionError)).kind, "reset");
        await client.closed;
      }, options);
    }
  }
});

Deno.test("unreachable and idle: the peer is told by the end that gives it up", async () => {
  // The server hears the probes of the client, which hears nothing.
  const probing = { keepAlive: 500 };
  for (
    const [kind, options] of [
      ["idle", { ...probing, idleTimeout: 2000 }],
      ["unreachable", { ...probing, deadLinkTime: 2000 }],
    ] as const
  ) {
    await withEnds(async ({ network, client, server }) => {
      network.link(SERVER.hostname, "10.0.0.2").down = true;
      const there = ending(network, server);
      assertEquals((await assertRejects(() => client.closed, ConnectionError)).kind, kind);
      const from = network.now;
      assertEquals((await there).error?.kind, "reset");
      assertEquals(network.now - from, LATENCY);
    }, () => options);
  }
});

for (const [name, options] of Object.entries(VARIANTS)) {
  Deno.test(`restart: a new listener resets the old clients at their next packet (${name})`, async () => {
    const network = new SimulatedNetwork({ seed: "restart", link: { latency: LATENCY } });
    const listen = () => network.listen({ ...SERVER, ...turbo, ...options() });
    await network.run(async () => {
      const first = listen();
      const servers: Connection[] = [];
      const serving = (async () => {
        for await (const conn of first) {
          servers.push(conn);
          conn.readable.pipeTo(conn.writable).catch(() => {});
        }
      })();
      // What each client did before, and what it does after the restart.
      const clients = [];
      for (const before of [1, 3, 200]) {
        for (const does of ["writes", "sends a datagram"] as const) {
          const client = network.connect({ ...SERVER, ...turbo, ...options() });
          for (let n = 0; n < before; n++) await client.write(pattern(1, n));
          const echo = new Uint8Array(before);
          for (let got = 0; got < before;) got += (await client.read(echo.subarray(got)))!;
          clients.push({ client, does, before });
        }
      }
      await network.delay(1000);
      // The process ends without a word.
      network.partition(SERVER.hostname, "10.0.0.2");
      first.close();
      for (const server of servers) server.abort();
      await Promise.all([serving, first.closed]);
      network.partition(SERVER.hostname, "10.0.0.2", false);
      const second = listen();
      let accepted = 0;
      const accepting = (async () => {
        for await (const _ of second) accepted++;
      })();
      for (const { client, does, before } of clients) {
        const told = ending(network, client);
        if (does === "writes") await client.write(pattern(1));
        else client.sendDatagram(pattern(30));
        const { error, after } = await told;
        const what = `a client with ${before} messages that ${does}`;
        assertEquals(error?.kind, "reset", what);
        assert(after <= 2 * RTT, `${what} knows it after ${after} ms`);
      }
      assertEquals(accepted, 0);
      second.close();
      await accepting;
    });
  });
}

// --- forged resets ---

/** A session with a segment in flight, one that is acknowledged, and a probe. */
function busy(): Runner<Session> {
  const a = new Runner(new Session(CONV, B, 0, { ...turbo, entropy: countingEntropy(0x1234567) }));
  const b = new Runner(new Session(CONV, A, 0, { ...turbo, entropy: countingEntropy(0x7654321) }));
  a.machine.write(pattern(10));
  exchange(a, b, 0);
  b.machine.write(pattern(10));
  a.machine.kcp.askWindow();
  exchange(a, b, 20);
  a.machine.write(pattern(10));
  a.machine.kcp.askWindow();
  a.sent(40);
  return a;
}

Deno.test("forged: a million resets of somebody off the path end nothing", () => {
  const a = busy();
  const random = new Random("forged resets");
  const packet = encode({ cmd: RESET });
  const view = new DataView(packet.buffer);
  const { sndNxt } = a.machine.kcp;
  let taken = 0;
  for (let n = 0; n < 1_000_000; n++) {
    view.setUint32(8, random.uint32(), true);
    // Half of them know, or guess, the sequence numbers.
    view.setUint32(12, n & 1 ? n % (sndNxt + 1) : random.uint32(), true);
    if (a.machine.input(packet, 50)) taken++;
  }
  assertEquals([taken, a.machine.state, a.machine.error], [0, "open", null]);
  // The session still works.
  const [{ ts }] = a.segments(5000).filter(({ cmd }) => cmd === PUSH);
  assert(a.machine.input(encode({ cmd: ACK, sn: 1, ts, una: 2 }), 5001));
  assertEquals(a.machine.kcp.drained, true);
});

Deno.test("forged: a reset that quotes what was sent ends the session; others do not", () => {
  const quoted = (segment: Segment) => ({
    cmd: RESET,
    sn: segment.cmd === PUSH ? segment.sn : 0,
    // A window announcement has the time of its sender in `sn`.
    ts: segment.cmd === WINS ? segment.sn : segment.ts,
  });
  const a = busy();
  const sent = a.segments(5000);
  assert(sent.some(({ cmd }) => cmd === PUSH));
  for (const segment of sent) {
    const quote = quoted(segment);
    const fresh = busy();
    fresh.sent(5000);
    const wrong = [
      { ...quote, ts: quote.ts + 1 },
      { ...quote, ts: quote.ts - 1000 },
      { ...quote, sn: quote.sn + 5 },
      { ...quote, conv: CONV + 1 },
      { ...quote, data: pattern(513) },
    ];
    for (const one of wrong) {
      assertEquals(fresh.machine.input(encode(one), 5001), false, JSON.stringify(one));
    }
    const cut = encode({ ...quote, data: pattern(5) }).subarray(0, HEADER + 4);
    assertEquals(fresh.machine.input(cut, 5001), false, "one that is cut off");
    assertEquals(fresh.machine.state, "open");
    const text = new TextEncoder().encode("so be it");
    assert(fresh.machine.input(encode({ ...quote, wnd: 9, data: text }), 5001));
    const { error } = fresh.machine;
    assertEquals([error?.kind, error?.closeCode, error?.reason], ["reset", 9, "so be it"]);
  }
});

Deno.test("forged: a reset from another address ends nothing, and opens and moves no session", () => {
  const a = new Runner(new Endpoint({ ...turbo, migrate: true }, true));
  a.machine.input(encode({ data: pattern(5) }), 0, A);
  const session = a.machine.accept()!;
  session.write(pattern(10));
  const sent = a.segments(0).find(({ cmd }) => cmd === PUSH)!;
  const reset = encode({ cmd: RESET, sn: sent.sn, ts: sent.ts });
  assertEquals(a.machine.input(reset, 1, B), false);
  assertEquals([session.state, session.peer, a.machine.size], ["open", A, 1]);
  assertEquals(a.machine.input(encode({ conv: 5, cmd: RESET }), 1, B), false);
  assertEquals([a.machine.size, a.machine.stats.migrated], [1, 0]);
  assert(a.machine.input(reset, 2, A));
  assertEquals(session.error?.kind, "reset");
});

// --- what a reset may cost ---

/** Packets of each kind, as they reach a listener that knows nothing of the conversation. */
function strangers(conv: number): Record<string, Uint8Array> {
  const mark = EXTENDED;
  return {
    "a first segment": encode({ conv, data: pattern(40) }),
    "an empty first segment": encode({ conv }),
    "a later segment": encode({ conv, sn: 5, data: pattern(40) }),
    "a segment far behind": encode({ conv, sn: 5000, data: pattern(40) }),
    "a segment that acknowledges": encode({ conv, sn: 0, una: 9 }),
    "a request for an echo": encode({ conv, sn: 0xffffffff }),
    "an echo": encode({ conv, cmd: ACK, sn: 0xffffffff, ts: 77 }),
    "an acknowledgment": encode({ conv, cmd: ACK, sn: 3, una: 3 }),
    "an acknowledgment and a segment": encode({ conv, cmd: ACK, sn: 3, una: 3 }, { conv, una: 3 }),
    "a window probe": encode({ conv, cmd: WASK }),
    "a window": encode({ conv, cmd: WINS }),
    "a marked window probe": encode({ conv, cmd: WASK, frg: mark, ts: 99 }),
    "a marked window": encode({ conv, cmd: WINS, frg: mark, sn: 99 }),
    "a question": encode({ conv, cmd: WASK, frg: mark | OPENING, ts: 99 }),
    "an answer that opens": encode({ conv, cmd: WINS, frg: mark | OPENING, sn: 99 }),
    "a piece": encode({ conv, cmd: PIECE, data: Uint8Array.of(9, 0, 0, 0, 1, 2, 3) }),
    "a probe of the path": encode({ conv, cmd: PROBE, data: pattern(500) }),
    "a reset": encode({ conv, cmd: RESET, ts: 99 }),
    "a data shard": dataPacket(1, encode({ conv, sn: 700, data: pattern(9) })),
    "parity": parityPacket(4, pattern(60)),
    "a small datagram": oobPacket(conv, pattern(1)),
    "a datagram": oobPacket(conv, pattern(100)),
    "another cmd": encode({ conv, cmd: 99 }),
    "a header of garbage": pattern(HEADER),
    "garbage": pattern(200, 5),
  };
}

Deno.test("unknown: a probe before the first segment is asked, since that segment may be late", () => {
  const b = new Runner(new Endpoint({ entropy: countingEntropy() }, true));
  for (const sn of [-2, -65, 1]) {
    b.machine.input(encode({ conv: 100 - sn, sn, ts: 7, data: pattern(0) }), 0, B);
    const answers = b.segments(0);
    assertEquals(answers.map(({ cmd, ts }) => [cmd, ts]), [[WASK, 0]], `segment ${sn}`);
  }
});

Deno.test("after the end: who says that it was heard is reset, whatever its clock; others are asked", () => {
  const later = 2 ** 30;
  const answers = {
    "data of a later incarnation": [{ sn: 1, ts: later, data: pattern(5) }, WASK],
    "its answer, as one that was heard": [{ cmd: WINS, frg: EXTENDED, sn: later }, RESET],
    "its question, as one that was heard": [{ cmd: WASK, frg: EXTENDED, ts: later }, RESET],
    "an answer of the incarnation that ended": [{ cmd: WINS, frg: EXTENDED, sn: 5 }, RESET],
  } as const;
  for (const [name, [segment, answer]] of Object.entries(answers)) {
    const a = new Runner(new Endpoint(turbo, true));
    a.machine.input(encode({ data: pattern(5) }), 0, B);
    a.machine.accept()!.abort(new ConnectionError("closed", "gone"));
    a.sent(10);
    a.machine.input(encode(segment), 20, B);
    assertEquals(a.segments(20).map(({ cmd }) => cmd), [answer], name);
  }
});

Deno.test("cost: what answers a packet of an unknown conversation is never longer", () => {
  for (const [name, packet] of Object.entries(strangers(7))) {
    for (const options of [{}, { maxUnconfirmed: 0, entropy: countingEntropy() }]) {
      const a = new Outlet(new Endpoint({ ...turbo, ...options }, true));
      a.machine.input(packet, 0, B);
      // A session that was opened probes the address: see the tests of unconfirmed addresses.
      if (a.machine.size > 0) continue;
      const answers = a.packets(0);
      assert(answers.length <= 1, `${answers.length} packets answer ${name}`);
      for (const { to, packet: { length } } of answers) {
        assertEquals(to, B);
        assert(length <= packet.length, `${length} bytes answer ${name} of ${packet.length}`);
      }
      assertEquals(a.machine.deadline > 0, true, "more is due");
    }
  }
});

Deno.test("cost: the answer of a session that was aborted is never longer", () => {
  const a = new Outlet(new Endpoint(turbo, true));
  a.machine.input(encode({ data: pattern(5) }), 0, B);
  const session = a.machine.accept()!;
  a.machine.input(encode(...ownAnswers(a.read(0).flatMap(({ segments }) => segments))), 10, B);
  a.packets(20);
  const reason = "a long reason ".repeat(30);
  session.reset(new ConnectionError("closed", reason), 0, 1, reason);
  const [told] = a.packets(20);
  assertEquals(told.packet.length, HEADER + reason.length);
  // The resets that nobody has asked for are over.
  let now = 21;
  let unasked = 0;
  for (; now < 800; now++) unasked += a.packets(now).length;
  assertEquals(unasked, 2);
  for (const size of [0, 1, 100, reason.length - 1, reason.length, 1300]) {
    const packet = encode({ sn: 1, ts: 5000 + size, data: pattern(size) });
    a.machine.input(packet, now, B);
    const answers = a.packets(now);
    assertEquals(answers.length, 1);
    assert(answers[0].packet.length <= packet.length, `${answers[0].packet.length} bytes`);
    const [{ cmd, wnd, ts, data }] = readWire(answers[0].packet).segments;
    // It quotes the packet that it answers.
    assertEquals([cmd, wnd, ts, data.length], [
      RESET,
      1,
      5000 + size,
      size < reason.length ? 0 : reason.length,
    ]);
    now += 30;
  }
  for (; now < 3000; now += 10) a.packets(now);
  assertEquals(a.machine.size, 0, "the session stays");
});

Deno.test("abort: no reset quotes a probe of the path MTU, which its sender forgets", () => {
  const a = new Outlet(new Endpoint(turbo, true));
  a.machine.input(encode({ ts: 7, data: pattern(5) }), 0, B);
  const session = a.machine.accept()!;
  a.machine.input(encode(...ownAnswers(a.read(0).flatMap(({ segments }) => segments))), 10, B);
  // A peer that does not know probes yet gets a segment before the first one.
  const probe = (ts: number) => encode({ sn: -2, ts });
  a.machine.input(encode({ sn: 1, ts: 20, data: pattern(5) }), 20, B);
  a.machine.input(probe(21), 21, B);
  a.packets(30);
  session.reset(new ConnectionError("closed", "no more"), 0);
  const quotes = () =>
    a.read(now).flatMap(({ segments }) => segments.map(({ sn, ts }) => [sn, ts]));
  let now = 30;
  assertEquals(quotes(), [[1, 20]]);
  for (; now < 800; now++) quotes();
  a.machine.input(probe(now), now, B);
  assertEquals(quotes(), [[1, 20]]);
});

Deno.test("cost: an address that may be forged gets one reset, within three times its bytes", () => {
  const a = new Outlet(new Endpoint(turbo, true));
  const question = encode({ cmd: WASK, frg: EXTENDED | OPENING, ts: 5 });
  a.machine.input(question, 0, B);
  const reason = "x".repeat(512);
  a.machine.accept()!.reset(new ConnectionError("closed", reason), 0, 1, reason);
  let bytes = 0;
  for (let now = 0; now < 3000; now += 5) {
    for (const { packet: { length } } of a.packets(now)) bytes += length;
  }
  assert(bytes > 0 && bytes <= 3 * question.length, `${bytes} bytes for ${question.length}`);
  assertEquals(a.machine.size, 0);
});

Deno.test("cost: an endpoint sends at most 1000 resets in a second, and 200 at once", () => {
  const a = new Outlet(new Endpoint(turbo, true));
  let resets = 0;
  for (let now = 0; now < 2000; now++) {
    for (let n = 0; n < 50; n++) {
      const conv = 50 * now + n;
      a.machine.input(encode({ conv, sn: 5000, data: pattern(1) }), now, `10.${n}.0.1:9`);
    }
    const sent = a.packets(now).length;
    if (now === 0) assertLess(sent, 201);
    resets += sent;
  }
  assert(resets > 1900 && resets <= 2200, `${resets} resets in 2 s`);
  // A peer with a reason to ask is told after the flood.
  a.machine.input(encode({ conv: 9, sn: 5000 }), 2500, B);
  assertEquals(a.packets(2500).length, 1);
});

Deno.test("cost: a session that was aborted answers a flood of packets at the pace of its RTO", () => {
  const a = new Outlet(new Endpoint(turbo, true));
  a.machine.input(encode({ data: pattern(5) }), 0, B);
  const session = a.machine.accept()!;
  a.machine.input(encode(...ownAnswers(a.read(0).flatMap(({ segments }) => segments))), 10, B);
  a.packets(20);
  const pace = session.kcp.rto / 4;
  session.reset(new ConnectionError("closed", ""), 0);
  let resets = 0;
  for (let now = 20; now < 2000; now++) {
    for (let n = 0; n < 5 && now < 1000; n++) a.machine.input(encode({ sn: 1, ts: n }), now, B);
    resets += a.packets(now).length;
  }
  assert(resets > 3 && resets <= 1000 / pace + 4, `${resets} resets in a second`);
});

for (
  const [title, options] of Object.entries<EndpointOptions>({
    "": {},
    " while both ask for proofs": { maxUnconfirmed: 0 },
    " that migrate": { migrate: true },
    " with FEC": { fec: FEC },
  })
) {
  Deno.test(`two listeners${title} do not answer each other for ever`, () => {
    for (const [name, packet] of Object.entries(strangers(7))) {
      const make = (first: number) =>
        new Outlet(new Endpoint({ ...turbo, ...options, entropy: countingEntropy(first) }, true));
      const ends: Record<string, Outlet<Endpoint>> = { [A]: make(1), [B]: make(1e6) };
      // Somebody sends one packet to A as if it came from B.
      ends[A].machine.input(packet, 0, B);
      let sent = 0;
      let last = 0;
      for (let now = 0; now < 120_000; now += 10) {
        for (const [from, to] of [[A, B], [B, A]]) {
          for (const { packet } of ends[from].packets(now)) {
            sent++;
            last = now;
            ends[to].machine.input(packet, now, from);
          }
        }
      }
      assert(sent <= 12, `${sent} packets after ${name}`);
      assertLess(last, 5000, `they speak for ${last} ms after ${name}`);
      assertEquals([ends[A].machine.size, ends[B].machine.size], [0, 0], name);
    }
  });
}

Deno.test("reset: what was acknowledged before an end can be read, though the peer is reset after it", async () => {
  for (const accepts of [true, false]) {
    const options = { ...turbo, idleTimeout: 2000 };
    const network = new SimulatedNetwork({ seed: "unread", link: { latency: LATENCY } });
    const listener = network.listen({ ...SERVER, ...options });
    await network.run(async () => {
      const client = network.connect({ ...SERVER, ...options, keepAlive: Infinity });
      client.closed.catch(() => {});
      await client.write(pattern(1000));
      await client.closeWrite();
      const accepted = accepts ? await listener.accept() : null;
      // Both ends notice the silence, and reset each other at the same time.
      await network.delay(5000);
      const server = accepted ?? await listener.accept();
      await assertRejects(() => server.closed, ConnectionError, "silent");
      assertEquals(await readAll(server), pattern(1000));
    });
  }
});
