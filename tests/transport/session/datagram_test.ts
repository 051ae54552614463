import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createCipher } from "../../../crypt/mod.ts";
import {
  type Connection,
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  Session,
  type SessionOptions,
} from "../../../transport/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import {
  CONV,
  encode,
  EXTENDED,
  OPENING,
  pattern,
  PUSH,
  range,
  RESET,
  WASK,
  WINS,
} from "../../kcp/harness.ts";
import { drain, outcome, ownAnswers, readAll } from "../harness.ts";
import {
  countingEntropy,
  handAes,
  handChaCha,
  type HandCipher,
  oobPacket,
  Outlet,
  readWire,
  Sealer,
} from "./wire.ts";

const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };
const SERVER = { hostname: "10.0.0.1", port: 80 } as const;
const PEER = "10.0.0.2:7";
const MAX = 256;
const FEC = { dataShards: 3, parityShards: 2 };

function session(options: SessionOptions = {}): Outlet<Session> {
  return new Outlet(new Session(CONV, PEER, 0, { ...QUICK, ...options }));
}

function listener(options: EndpointOptions = {}): Outlet<Endpoint> {
  return new Outlet(new Endpoint({ ...QUICK, ...options }, true));
}

/** A datagram with its number: the low byte, then the high byte. */
function numbered(index: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(index & 0xff, index >> 8);
}

for (const make of [null, handAes, handChaCha] as ((() => HandCipher) | null)[]) {
  for (const fec of [undefined, FEC]) {
    const hand = make?.();
    const title = `${hand?.name ?? "no cipher"}${fec ? " and error correction" : ""}`;
    const options = {
      crypt: hand && createCipher(hand.name, hand.key),
      entropy: countingEntropy(),
      fec,
    };

    Deno.test(`${title}: the largest datagram fills the MTU; one more byte is refused`, () => {
      for (const mtu of [1400, 1401, 150, 65_507]) {
        const a = session({ ...options, mtu });
        const { maxDatagramSize } = a.machine;
        assertEquals(maxDatagramSize, mtu - (hand?.overhead ?? 0) - 12);
        a.machine.kcp.askWindow();
        const batch = new Outlet(a.machine, { bytes: 1 << 17 });
        assert(a.machine.sendDatagram(pattern(maxDatagramSize)));
        const error = assertThrows(
          () => a.machine.sendDatagram(pattern(maxDatagramSize + 1)),
          RangeError,
          `${maxDatagramSize}`,
        );
        assert(error.message.includes(`${maxDatagramSize + 1} bytes`));
        // The question comes first: a listener takes no datagram before it knows of the conversation.
        const [, first] = batch.packets(0);
        assertEquals(first.packet.length, mtu);
        const read = readWire(hand ? new Sealer(hand).open(first.packet) : first.packet);
        assertEquals([read.type, read.conv, read.payload], ["oob", CONV, pattern(maxDatagramSize)]);
      }
    });

    Deno.test(`${title}: datagrams of an independent peer arrive in order`, () => {
      const a = session(options);
      const sealer = hand && new Sealer(hand);
      for (const size of [0, 1, 500, 0]) {
        const packet = oobPacket(CONV, pattern(size, size));
        assert(a.machine.input(sealer ? sealer.seal(packet) : packet, 1));
      }
      for (const size of [0, 1, 500, 0]) {
        assertEquals(a.machine.receiveDatagram(), pattern(size, size));
      }
      assertEquals(a.machine.receiveDatagram(), null);
      assertEquals(a.machine.stats.datagrams, {
        sent: 0,
        received: 4,
        droppedOut: 0,
        droppedIn: 0,
      });
      assertEquals(a.machine.kcp.stats.packetsIn, 0);
    });

    Deno.test(`${title}: wrong conversations and sizes are refused`, () => {
      const a = session(options);
      const sealer = hand && new Sealer(hand);
      for (
        const packet of [
          oobPacket(CONV + 1, pattern(9)),
          oobPacket(CONV, pattern(9), 14),
          oobPacket(CONV, pattern(9), 16),
          oobPacket(CONV, pattern(9), 0xffff),
          oobPacket(CONV, pattern(9), 0),
          oobPacket(CONV, pattern(9)).slice(0, 11),
          oobPacket(CONV, pattern(9)).slice(0, 8),
        ]
      ) {
        assertEquals(a.machine.input(sealer ? sealer.seal(packet) : packet, 1), false);
      }
      assertEquals(a.machine.stats.datagrams.received, 0);
    });
  }
}

Deno.test("configure: a new MTU changes the largest datagram", () => {
  const a = session({ fec: FEC });
  a.machine.configure({ mtu: 500 });
  assertEquals(a.machine.maxDatagramSize, 488);
  assertThrows(() => a.machine.sendDatagram(pattern(489)), RangeError, "488");
});

Deno.test("datagrams leave before the stream, in order, and are copied when queued", () => {
  const a = session();
  const bytes = numbered(0);
  a.machine.write(pattern(10));
  for (let i = 0; i < 20; i++) {
    bytes.set(numbered(i));
    a.machine.sendDatagram(bytes);
  }
  const sent = a.read(0);
  assertEquals(sent.slice(0, 20).map(({ payload }) => payload), range(0, 20).map(numbered));
  assertEquals(sent[20].segments.map(({ cmd }) => cmd), [PUSH]);
  assertEquals(a.machine.stats.datagrams.sent, 20);
});

Deno.test("datagrams are not retransmitted, and need no acknowledgment", () => {
  const a = session({ deadLinkTime: 1000, idleTimeout: 50_000 });
  a.machine.sendDatagram(pattern(9));
  let sent = 0;
  for (let now = 0; now < 40_000; now += 10) sent += a.packets(now).length;
  assertEquals([sent, a.machine.state], [1, "open"]);
});

Deno.test("256 datagrams may wait to be sent; one more returns false and is counted", () => {
  const a = session();
  for (let i = 0; i < MAX; i++) assert(a.machine.sendDatagram(numbered(i)), `datagram ${i}`);
  assertEquals(a.machine.sendDatagram(numbered(999)), false);
  assertEquals(a.machine.stats.datagrams, {
    sent: 0,
    received: 0,
    droppedOut: 1,
    droppedIn: 0,
  });
  const burst = a.read(0).map(({ payload }) => payload);
  assertEquals(burst, range(0, 64).map(numbered), "more than a burst leaves at once");
  const rest: unknown[] = [];
  for (let now = 0; rest.length < MAX - 64 && now < 1000; now = a.machine.deadline) {
    rest.push(...a.read(now).map(({ payload }) => payload));
  }
  assertEquals(rest, range(64, MAX).map(numbered));
  assertEquals(a.machine.stats.datagrams.sent, MAX);
  assert(a.machine.sendDatagram(numbered(0)), "the queue is still full");
});

Deno.test("256 datagrams may wait to be read; then the oldest is dropped and counted", () => {
  const a = session();
  for (let i = 0; i < MAX + 44; i++) assert(a.machine.input(oobPacket(CONV, numbered(i)), 1));
  assertEquals(a.machine.stats.datagrams, {
    sent: 0,
    received: MAX + 44,
    droppedOut: 0,
    droppedIn: 44,
  });
  for (let i = 44; i < MAX + 44; i++) assertEquals(a.machine.receiveDatagram(), numbered(i));
  assertEquals(a.machine.receiveDatagram(), null);
});

Deno.test("a datagram wakes its session, whose deadline is now until the datagram is sent", () => {
  const a = session({ idleTimeout: Infinity });
  let woken = 0;
  a.machine.onWake = () => woken++;
  a.packets(5);
  assertEquals(a.machine.deadline, Infinity);
  a.machine.sendDatagram(numbered(1));
  assertEquals([woken, a.machine.deadline], [1, 5]);
  a.packets(5);
  assert(a.machine.deadline > 5);
});

Deno.test("after a close, a session sends queued datagrams and its end, and takes no more", () => {
  const a = session();
  a.machine.sendDatagram(numbered(1));
  a.machine.close();
  assertEquals(a.machine.sendDatagram(numbered(2)), false);
  const sent = a.read(0);
  assertEquals(sent.map(({ type }) => type), ["oob", "kcp"]);
  assertEquals(sent[1].segments.map(({ cmd, data }) => [cmd, data.length]), [[PUSH, 0]]);
});

Deno.test("a session that only received datagrams sends its end when it closes", () => {
  const b = listener();
  b.machine.input(question(), 0, PEER);
  b.machine.input(oobPacket(CONV, pattern(5)), 0, PEER);
  b.machine.accept()!.close();
  const ends: number[] = [];
  for (let now = 0; now < 3000; now += 10) {
    for (const { segments } of b.read(now)) {
      for (const { cmd, data } of segments) if (cmd === PUSH) ends.push(data.length);
      const answers = ownAnswers(segments);
      if (answers.length > 0) b.machine.input(encode(...answers), now, PEER);
    }
  }
  assert(ends.length > 0, "the peer never receives the end of the session");
  assert(ends.every((length) => length === 0));
});

Deno.test("valid datagrams keep a session alive; invalid ones do not", () => {
  const a = session({ idleTimeout: 1000, keepAlive: 400 });
  const asked: number[] = [];
  for (let now = 0; now <= 10_000; now += 10) {
    if (now % 300 === 0) a.machine.input(oobPacket(CONV, numbered(1)), now);
    if (now % 50 === 0) a.machine.input(oobPacket(CONV + 1, numbered(1)), now);
    if (a.packets(now).length > 0) asked.push(now);
  }
  assertEquals([a.machine.state, asked], ["open", []]);
  for (let now = 10_010; now <= 12_000; now += 10) {
    a.machine.input(oobPacket(CONV + 1, numbered(1)), now);
    a.packets(now);
  }
  assertEquals(a.machine.error?.kind, "idle");
});

// --- datagrams that belong to no session ---

/** Asks a listener to open the conversation. */
function question(conv = CONV, ts = 5): Uint8Array {
  return encode({ conv, cmd: WASK, frg: EXTENDED | OPENING, ts });
}

Deno.test("a datagram opens no session; a peer that then opens the conversation gets one", () => {
  const b = listener();
  const datagram = oobPacket(CONV, pattern(50));
  assertEquals(b.machine.input(datagram, 0, PEER), false);
  assertEquals([b.machine.size, b.machine.stats.unknown, b.machine.accept()], [0, 1, null]);
  const [asked, ...others] = b.packets(0);
  assertEquals([asked.to, others.length], [PEER, 0]);
  assert(asked.packet.length < datagram.length, "the answer is longer");
  assertEquals(readWire(asked.packet).segments.map(({ conv, cmd }) => [conv, cmd]), [[CONV, WASK]]);
  // The peer has opened a conversation of which nothing else has arrived.
  b.machine.input(encode({ cmd: WINS, frg: EXTENDED | OPENING, sn: 7 }), 5, PEER);
  const conn = b.machine.accept()!;
  assertEquals([conn.conv, conn.peer, conn.unconfirmed], [CONV, PEER, true]);
  assert(b.machine.input(datagram, 6, PEER));
  assertEquals(conn.receiveDatagram(), pattern(50));
  const answers = ownAnswers(b.read(6).flatMap(({ segments }) => segments));
  assertEquals(answers.length, 1, "the address is not probed");
  b.machine.input(encode(...answers), 7, PEER);
  assertEquals(conn.unconfirmed, false);
});

Deno.test("a peer that sends datagrams of a conversation that is gone is reset", () => {
  const b = listener();
  b.machine.input(oobPacket(CONV, pattern(50)), 0, PEER);
  b.packets(0);
  assertEquals(b.machine.input(encode({ cmd: WINS, frg: EXTENDED, sn: 7 }), 5, PEER), false);
  const [reset] = b.read(5).flatMap(({ segments }) => segments);
  assertEquals([reset.conv, reset.cmd, reset.sn, reset.ts], [CONV, RESET, 0, 7]);
  // A peer of another implementation does not quote anything, and is left alone.
  b.machine.input(encode({ cmd: WINS }), 6, PEER);
  assertEquals([b.packets(6).length, b.machine.size], [0, 0]);
});

Deno.test("datagrams do not confirm an address: without an answer the session ends", () => {
  const b = listener();
  let conn: Session | null = null;
  let now = 0;
  b.machine.input(question(), 0, PEER);
  for (; now < 60_000 && !conn?.over; now += 10) {
    b.machine.input(oobPacket(CONV, pattern(50)), now, PEER);
    conn ??= b.machine.accept();
    b.packets(now);
  }
  assertEquals([conn?.error?.kind, now - 10], ["unconfirmed", 30_000]);
});

Deno.test("an unconfirmed address gets three times the bytes that it sent, with datagrams", () => {
  const b = listener();
  const first = oobPacket(CONV, pattern(100));
  b.machine.input(question(), 0, PEER);
  b.machine.input(first, 0, PEER);
  const conn = b.machine.accept()!;
  let taken = 0;
  while (taken < 1000 && conn.sendDatagram(pattern(90))) taken++;
  assertEquals(taken, MAX);
  const packets = b.packets(0);
  const sent = packets.map(({ packet }) => packet.length);
  const bytes = sent.reduce((sum, length) => sum + length);
  // The answer to the question and the probe, of 24 bytes each, come in addition.
  const came = first.length + 24;
  assert(bytes > 2 * came && bytes <= 3 * came + 48, `${bytes} bytes`);
  assert(b.machine.deadline > 0, "the deadline is now, but nothing may be sent");
  const [echo] = ownAnswers(packets.flatMap(({ packet }) => readWire(packet).segments));
  b.machine.input(encode({ ...echo, wnd: 100 }), 10, PEER);
  let rest = 0;
  for (let now = 10; now < 500; now += 10) {
    rest += b.read(now).filter(({ type }) => type === "oob").length;
  }
  assertEquals(
    sent.length - 1 + rest,
    MAX,
    "waiting datagrams were not sent when the peer answered",
  );
});

Deno.test("a flood of datagrams costs no session, and draws fewer bytes than it has", () => {
  const b = listener();
  b.machine.input(oobPacket(1, pattern(30)), 0, PEER);
  b.packets(0);
  const { used } = b.machine.arena;
  let came = 0;
  for (let i = 0; i < 10_000; i++) {
    const datagram = oobPacket(i, pattern(30));
    came += datagram.length;
    b.machine.input(datagram, 0, `10.0.${i >> 8}.${i & 255}:9`);
  }
  const drawn = b.packets(0).reduce((sum, { packet }) => sum + packet.length, 0);
  assert(drawn < came, `${drawn} of ${came} bytes`);
  assertEquals([b.machine.size, b.machine.stats.unknown, b.machine.arena.used], [0, 10_001, used]);
});

Deno.test("datagrams open no session at an endpoint that dials or has stopped to accept", () => {
  const a = new Endpoint(QUICK);
  assertEquals(a.input(oobPacket(CONV, pattern(5)), 0, PEER), false);
  assertEquals([a.size, a.stats.unknown], [0, 1]);
  const b = listener();
  b.machine.stopAccepting();
  assertEquals(b.machine.input(oobPacket(CONV, pattern(5)), 0, PEER), false);
  assertEquals([b.machine.size, b.machine.stats.unknown], [0, 1]);
});

Deno.test("datagrams of an ended session open no session for 120 s, whatever timeWait is", () => {
  const b = listener({ timeWait: 5000 });
  b.machine.input(encode({ sn: 0, data: pattern(5) }), 0, PEER);
  b.machine.accept()!.abort(new ConnectionError("closed", "enough"));
  b.packets(0);
  assertEquals(b.machine.size, 0);
  for (const now of [1, 5001, 119_999]) {
    assertEquals(b.machine.input(oobPacket(CONV, pattern(50)), now, PEER), false);
    assertEquals(b.read(now).flatMap(({ segments }) => segments).map(({ cmd }) => cmd), [WASK]);
    // The clock of the old session goes on.
    b.machine.input(encode({ cmd: WINS, frg: EXTENDED | OPENING, sn: now }), now, PEER);
    assertEquals(b.read(now).flatMap(({ segments }) => segments).map(({ cmd }) => cmd), [RESET]);
  }
  assertEquals([b.machine.size, b.machine.stats.afterEnd], [0, 3]);
  b.machine.input(encode({ cmd: WINS, frg: EXTENDED | OPENING, sn: 120_001 }), 120_001, PEER);
  assertEquals(b.machine.size, 1);
});

Deno.test("a datagram from the new address of a peer opens no second session", () => {
  const moved = "10.0.0.99:7";
  const b = listener({ migrate: true });
  b.machine.input(encode({ sn: 0, data: pattern(10) }), 0, PEER);
  const conn = b.machine.accept()!;
  b.packets(20);
  b.machine.input(encode({ cmd: WINS }), 25, PEER);
  // The peer moves, and sends a datagram first.
  b.machine.input(oobPacket(CONV, pattern(5)), 30, moved);
  b.machine.input(encode({ sn: 1, data: pattern(10, 10) }), 31, moved);
  assertEquals([b.machine.size, b.machine.stats.accepted], [1, 1], "a second session was opened");
  assertEquals([conn.peer, b.machine.stats.migrated], [moved, 1]);
  assertEquals(drain(conn), pattern(20));
});

// --- connections ---

interface Ends {
  network: SimulatedNetwork;
  near: Connection;
  far: Connection;
}

/** Two connected ends on a network without loss. */
async function connected(
  body: (ends: Ends) => Promise<void>,
  options: SessionOptions = {},
): Promise<void> {
  const network = new SimulatedNetwork({ seed: 2, link: { latency: 10 } });
  const accepting = network.listen({ ...SERVER, ...QUICK, ...options });
  await network.run(async () => {
    const near = network.connect({ ...SERVER, ...QUICK, ...options });
    await near.write(pattern(1));
    const far = await accepting.accept();
    await far.read(new Uint8Array(1));
    await body({ network, near, far });
  });
}

Deno.test("Connection: datagrams arrive in order; a pending read gets the first one", async () => {
  await connected(async ({ near, far }) => {
    const waiting = far.receiveDatagram();
    for (let i = 0; i < 10; i++) assert(near.sendDatagram(numbered(i)));
    assertEquals(await waiting, numbered(0));
    for (let i = 1; i < 10; i++) assertEquals(await far.receiveDatagram(), numbered(i));
    assert(far.sendDatagram(new Uint8Array()));
    assertEquals(await near.receiveDatagram(), new Uint8Array());
    assertEquals(near.stats.datagrams, {
      sent: 10,
      received: 1,
      droppedOut: 0,
      droppedIn: 0,
    });
    assertEquals(near.maxDatagramSize, 1388);
    assertThrows(() => near.sendDatagram(pattern(1389)), RangeError, "1388");
    assertThrows(() => near.sendDatagram("text" as unknown as Uint8Array), TypeError);
  });
});

Deno.test("Connection: receiveDatagram can time out or be aborted, and reading goes on", async () => {
  await connected(async ({ network, near, far }) => {
    const before = network.now;
    const error = await assertRejects(() => far.receiveDatagram({ timeout: 70 }), ConnectionError);
    assertEquals([error.kind, network.now - before], ["timeout", 70]);
    far.readTimeout = 30;
    await assertRejects(() => far.receiveDatagram(), ConnectionError, "30 ms");
    const stop = new AbortController();
    const aborted = assertRejects(
      () => far.receiveDatagram({ signal: stop.signal }),
      Error,
      "enough",
    );
    stop.abort(new Error("enough"));
    await aborted;
    near.sendDatagram(numbered(3));
    assertEquals(await far.receiveDatagram({ timeout: 100 }), numbered(3));
  });
});

Deno.test("Connection: after a close, sendDatagram gives false, and reads reject", async () => {
  await connected(async ({ near, far }) => {
    const waiting = assertRejects(() => near.receiveDatagram(), ConnectionError);
    near.close();
    assertEquals((await waiting).kind, "closed");
    assertEquals(near.sendDatagram(numbered(1)), false);
    assertThrows(() => near.sendDatagram(new Uint8Array(9000)), RangeError, "9000");
    assertEquals(
      (await assertRejects(() => near.receiveDatagram(), ConnectionError)).kind,
      "closed",
    );
    assertEquals(await readAll(far), new Uint8Array());
    far.close();
    await near.closed;
  });
});

Deno.test("Connection: at an orderly end, reads return queued datagrams, then null", async () => {
  await connected(async ({ near, far }) => {
    near.sendDatagram(numbered(1));
    near.sendDatagram(numbered(2));
    near.close();
    assertEquals(await readAll(far), new Uint8Array());
    assertEquals(await far.receiveDatagram(), numbered(1));
    const ended = far.closeWrite();
    await ended;
    await far.closed;
    assertEquals(await far.receiveDatagram(), numbered(2));
    assertEquals(await far.receiveDatagram(), null);
    assertEquals(far.sendDatagram(numbered(1)), false);
  });
});

Deno.test("Connection: a pending receiveDatagram returns null when both ends close", async () => {
  await connected(async ({ near, far }) => {
    const waiting = far.receiveDatagram();
    await Promise.all([near.closeWrite(), far.closeWrite(), readAll(near), readAll(far)]);
    assertEquals(await waiting, null);
  });
});

Deno.test("Connection: after an error, reads return queued datagrams, then reject", async () => {
  await connected(async ({ network, near, far }) => {
    near.sendDatagram(numbered(1));
    await network.delay(50);
    const closed = outcome(far.closed);
    near.abort();
    await network.delay(20);
    assert(closed.state instanceof ConnectionError, `${closed.state}`);
    assertEquals(await far.receiveDatagram(), numbered(1));
    assertEquals((await assertRejects(() => far.receiveDatagram(), ConnectionError)).kind, "reset");
    assertEquals(far.sendDatagram(numbered(1)), false);
  });
});

Deno.test("Connection: datagrams without a stream arrive both ways under loss", async () => {
  const hand = handChaCha();
  const crypt = createCipher(hand.name, hand.key);
  const network = new SimulatedNetwork({
    seed: 2,
    link: { latency: 10, loss: 0.3, duplicate: 0.2 },
  });
  const accepting = network.listen({ ...SERVER, ...QUICK, crypt });
  await network.run(async () => {
    const near = network.connect({ ...SERVER, ...QUICK, crypt });
    const count = 200;
    const send = async (conn: Connection) => {
      for (let i = 0; i < count; i++) {
        conn.sendDatagram(numbered(i));
        await network.delay(10);
      }
    };
    const collect = async (conn: Connection) => {
      const seen: number[] = [];
      for (let i = 0; i < count; i++) {
        const datagram = await conn.receiveDatagram({ timeout: 1000 }).catch(() => null);
        if (!datagram) break;
        seen.push(datagram[0] | datagram[1] << 8);
      }
      return seen;
    };
    const up = send(near);
    const far = await accepting.accept();
    const [, , atFar, atNear] = await Promise.all([up, send(far), collect(far), collect(near)]);
    for (const seen of [atFar, atNear]) {
      assert(seen.length > count / 2, `only ${seen.length} of ${count} arrived`);
      assert(
        seen.every((value, i) => i === 0 || value > seen[i - 1]),
        "a datagram arrived twice or out of order",
      );
    }
    near.close();
    far.close();
    await Promise.all([near.closed, far.closed]);
  });
  assertEquals(accepting.stats.accepted, 1);
  assert(accepting.stats.replayed > 10, "the network made no duplicates");
});
