import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  ConnectionError,
  Endpoint,
  type EndpointOptions,
  type Session,
} from "../../../transport/mod.ts";
import {
  ACK,
  encode,
  EXTENDED,
  OPENING,
  pattern,
  PUSH,
  RESET,
  WASK,
  WINS,
} from "../../kcp/harness.ts";
import { Random } from "../../../transport/link/random.ts";
import { drain, foreignAnswers, ownAnswers, Runner } from "../harness.ts";

const PEER = "10.0.0.2:2000";
const QUICK = { nodelay: 1, interval: 10, resend: 2, nc: true } as const;

function server(options: EndpointOptions = {}): Runner<Endpoint> {
  return new Runner(new Endpoint({ ...QUICK, ...options }, true));
}

/** A data segment of a conversation, at `ts` of the peer's clock. */
function push(sn: number, ts: number, data = pattern(10, sn), una = 0): Uint8Array {
  return encode({ conv: 1, sn, ts, una, data });
}

/**
 * A server that has accepted a session at 0 ms. The peer's clock showed `ts`. The peer is of another
 * implementation, or `own`.
 */
function accepted(
  ts: number,
  options: EndpointOptions = {},
  own = false,
): [Runner<Endpoint>, Session] {
  const a = server(options);
  const window = own ? [] : encode({ conv: 1, cmd: WINS });
  a.machine.input(Uint8Array.from([...push(0, ts), ...window]), 0, PEER);
  const session = a.machine.accept()!;
  // As a connection does it.
  session.onChange = () => {};
  const answers = own ? ownAnswers(a.segments(0), ts) : foreignAnswers(a.segments(0));
  a.machine.input(encode(...answers), 0, PEER);
  a.sent(20);
  assert(!session.unconfirmed);
  return [a, session];
}

Deno.test("restart: a conversation whose first segment is missing is not acknowledged and not offered", () => {
  for (
    const sns of [[1], [127], [5, 3, 4], [
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
      11,
      12,
      13,
      14,
      15,
      16,
      17,
    ]]
  ) {
    const a = server();
    const used = a.machine.arena.used;
    let [offered, now] = [0, 0];
    a.machine.onAccept = () => offered++;
    for (const [i, sn] of sns.entries()) {
      a.machine.input(push(sn, 5), now, PEER);
      // The peer is asked once whether it opens the conversation.
      const said = a.segments(now).map(({ cmd }) => cmd);
      assertEquals(said, i === 0 ? [WASK] : [], `segment ${sn} is answered`);
      now += 10;
    }
    assertEquals(a.idle(now, 4999), [], "it says something later");
    assertEquals([a.machine.size, a.machine.accept(), offered], [1, null, 0]);
    assertEquals(a.idle(5000, 5000), []);
    assertEquals([a.machine.size, a.machine.stats.accepted], [0, 0], "it stays");
    assert(a.machine.arena.used <= used + 65_536 + 2048, "it keeps memory");
  }
});

Deno.test("restart: a conversation is offered once, as soon as its first segment is there", () => {
  const a = server();
  const last = 30;
  for (let sn = last; sn > 0; sn--) a.machine.input(push(sn, last - sn), last - sn, PEER);
  assertEquals(a.machine.accept(), null);
  a.machine.input(push(0, 4000), 4000, PEER);
  const session = a.machine.accept()!;
  assertEquals(drain(session).length, 10 * (last + 1));
  assertEquals([a.machine.accept(), a.machine.stats.accepted], [null, 1]);
  const unas = a.segments(4000).filter(({ cmd }) => cmd === ACK).map(({ una }) => una);
  assertEquals(unas.at(-1), last + 1);
  assertEquals(session.state, "open");
  a.idle(4000, 20_000);
  assertEquals(session.state, "open", "the 5 s are over");
});

Deno.test("restart: conversations without a first segment count for the limits", () => {
  const a = server({ maxUnconfirmedPerHost: 3 });
  for (let conv = 0; conv < 10; conv++) a.machine.input(encode({ conv, sn: 1 }), 0, PEER);
  // Without entropy, the oldest ones give way.
  assertEquals([a.machine.size, a.machine.stats.refused], [3, 0]);
  a.idle(0, 5000);
  assertEquals(a.machine.size, 0);
  assert(a.machine.input(encode({ conv: 1, sn: 0 }), 5000, PEER), "no room is left after 5 s");
});

Deno.test("restart: the packets of a conversation that another process had are never acknowledged", () => {
  for (let sn = 1; sn < 400; sn += 7) {
    const a = server();
    // The old client retransmits, for as long as it lives.
    for (let now = 0; now < 30_000; now += 700) {
      a.machine.input(push(sn, 1e6 + now), now, PEER);
      for (const { cmd } of a.segments(now)) {
        // It is asked, or told that the conversation is unknown.
        assertEquals(cmd, sn < 128 ? WASK : RESET, `segment ${sn}`);
      }
    }
    assertEquals(a.machine.stats.accepted, 0);
  }
});

Deno.test("restart: a peer that is in the middle of a conversation is reset when it says so", () => {
  for (const frg of [EXTENDED, EXTENDED | OPENING, 0]) {
    const a = server();
    a.machine.input(push(5, 1e6), 0, PEER);
    assertEquals(a.segments(0).map(({ cmd }) => cmd), [WASK]);
    a.machine.input(encode({ conv: 1, cmd: WINS, frg, sn: 1e6 + 20 }), 20, PEER);
    const sent = a.segments(20).map(({ cmd, sn, ts }) => [cmd, sn, ts]);
    const told = sent.filter(([cmd]) => cmd === RESET);
    assertEquals(told, frg === EXTENDED ? [[RESET, 0, 1e6 + 20]] : []);
    // A peer that opens the conversation gets its session, and one that says nothing has some time.
    assertEquals(a.machine.size, frg === EXTENDED ? 0 : 1);
    assertEquals(a.machine.accept() !== null, frg === (EXTENDED | OPENING));
  }
});

Deno.test("restart: a peer that acknowledges what this process has not sent is reset at once", () => {
  const a = server();
  a.machine.input(push(5, 1e6), 0, PEER);
  a.segments(0);
  a.machine.input(push(6, 1e6 + 20, pattern(10), 3), 20, PEER);
  const sent = a.segments(20).map(({ cmd, sn, ts }) => [cmd, sn, ts]);
  assertEquals(sent, [[RESET, 6, 1e6 + 20]]);
  assertEquals(a.machine.size, 0);
});

/** What shows that a first segment is of another incarnation than one with `ts` 1e6 at 0 ms. */
const RESTARTS: Record<string, [now: number, ts: number, data: Uint8Array<ArrayBuffer>]> = {
  "its clock is behind": [1000, 5, pattern(10)],
  "its clock is ahead": [1000, 50e6, pattern(10)],
  "its content differs": [1000, 1e6 + 1000, pattern(10, 3)],
  "its length differs": [1000, 1e6 + 1000, pattern(9)],
  "its clock went back, an hour later": [3_600_000, 5, pattern(10)],
  "its content differs an hour later": [3_600_000, 4.6e6, pattern(10, 3)],
};

for (const [name, [now, ts, data]] of Object.entries(RESTARTS)) {
  Deno.test(`restart: a first segment ends the old session with kind reset, since ${name}`, () => {
    const [a, old] = accepted(1e6, { idleTimeout: Infinity });
    a.machine.input(push(1, 1e6, pattern(5, 1)), 30, PEER);
    a.idle(30, now - 1);
    old.write(pattern(100));
    assert(a.machine.input(push(0, ts, data), now, PEER));
    assertEquals([old.state, old.error?.kind], ["closed", "reset"]);
    assertStringIncludes(old.error!.message, PEER);
    assertStringIncludes(old.error!.message, "restarted");
    const young = a.machine.accept()!;
    assert(young !== old, "the new incarnation is not offered");
    assertEquals(drain(young), data, "the streams are mixed");
    assertEquals(drain(old), new Uint8Array([...pattern(10), ...pattern(5, 1)]));
    const sent = a.segments(now);
    assertEquals(sent.filter(({ cmd }) => cmd === PUSH), [], "data of the old stream is sent");
    assertEquals(sent.filter(({ cmd }) => cmd === ACK).map(({ sn, una }) => [sn, una]), [[0, 1]]);
    assertEquals([a.machine.size, a.machine.stats.accepted], [1, 2]);
  });

  Deno.test(`restart: after the end of the old session a new incarnation is let in at once: ${name}`, () => {
    for (const end of ["abort", "close"] as const) {
      for (const timeWait of [0, 5000, 60_000]) {
        const [a, old] = accepted(1e6, { timeWait });
        drain(old);
        if (end === "close") old.close();
        else old.abort(new ConnectionError("closed", "enough"));
        // The peer echoes the clock of the last segment that it got.
        const echo = a.segments(30).find(({ cmd }) => cmd === PUSH)?.ts;
        assertEquals(echo === undefined, end === "abort");
        a.machine.input(
          encode(
            { conv: 1, cmd: ACK, sn: 0, ts: echo, una: 1 },
            { conv: 1, sn: 1, ts: 1e6 + 40, una: 1 },
          ),
          40,
          PEER,
        );
        a.idle(40, 990);
        assertEquals(old.state, "closed");
        // A retransmission of the old incarnation: its data would be delivered twice.
        a.machine.input(push(0, 1e6), 995, PEER);
        assertEquals(a.machine.accept(), null, `${end}, ${timeWait}: it is delivered twice`);
        a.idle(996, 999);
        a.machine.input(push(0, ts, data), Math.max(1000, now), PEER);
        const young = a.machine.accept();
        assert(young, `${end}, timeWait ${timeWait}: the new incarnation is kept out`);
        assertEquals(drain(young), data);
      }
    }
  });
}

for (const [name, [now, ts, data]] of Object.entries(RESTARTS)) {
  Deno.test(`restart: a peer of this library is asked whether it has restarted, since ${name}`, () => {
    for (const restarted of [false, true]) {
      const [a, old] = accepted(1e6, { idleTimeout: Infinity }, true);
      a.idle(20, now - 1);
      assertEquals(a.machine.input(push(0, ts, data), now, PEER), false);
      assertEquals([old.state, a.machine.accept(), a.machine.size], ["open", null, 1]);
      const asked = a.segments(now);
      assertEquals(asked.map(({ cmd, frg }) => [cmd, frg]), [[WASK, EXTENDED]]);
      const [echo] = ownAnswers(asked, restarted ? ts : 1e6 + now);
      const blind = { ...echo, ts: echo.ts! + 1, frg: EXTENDED | OPENING };
      a.machine.input(encode(blind), now + 10, PEER);
      assertEquals(old.state, "open", "an invented answer ended it");
      a.machine.input(
        encode({ ...echo, frg: restarted ? EXTENDED | OPENING : EXTENDED }),
        now + 20,
        PEER,
      );
      a.machine.input(push(0, ts, data), now + 30, PEER);
      assertEquals(old.error?.kind, restarted ? "reset" : undefined);
      assertEquals(old.state, restarted ? "closed" : "open");
      const young = a.machine.accept();
      assertEquals(young && drain(young), restarted ? data : null);
      assertEquals(drain(old), pattern(10));
    }
  });
}

Deno.test("restart: a peer of this library is found out though its answers take longer than an RTO", () => {
  for (const delay of [100, 400, 800, 2000]) {
    const [a, old] = accepted(1e6, { idleTimeout: Infinity }, true);
    // It sends its first segment again and again, and answers each question `delay` ms later.
    const answers: { at: number; packet: Uint8Array }[] = [];
    let asked = 0;
    for (let now = 1000; old.state === "open"; now += 50) {
      assert(now <= 1050 + delay, `${delay} ms: it is not found out by ${now} ms`);
      if (now % 100 === 0) a.machine.input(push(0, 50e6 + now, pattern(10, 3)), now, PEER);
      while (answers.length > 0 && answers[0].at <= now) {
        a.machine.input(answers.shift()!.packet, now, PEER);
      }
      for (const echo of ownAnswers(a.segments(now), 50e6 + now)) {
        asked++;
        answers.push({ at: now + delay, packet: encode({ ...echo, frg: EXTENDED | OPENING }) });
      }
    }
    assertEquals([old.error?.kind, drain(old)], ["reset", pattern(10)]);
    assert(delay < 800 || asked > 1, "it was asked once only");
  }
});

Deno.test("restart: a peer that opens the conversation gets no further in the old stream", () => {
  const ts = 50e6;
  for (const own of [false, true]) {
    const [a, old] = accepted(1e6, { idleTimeout: Infinity }, own);
    // What this end sends is lost.
    const opens = { conv: 1, cmd: WASK, frg: EXTENDED | OPENING };
    for (let now = 1000; now < 20_000; now += 500) {
      a.machine.input(encode({ ...opens, ts: ts + now }), now, PEER);
      a.segments(now);
    }
    a.machine.input(push(1, ts + 20_000, pattern(7)), 20_000, PEER);
    const sent = [...a.segments(20_000), ...a.segments(20_100)];
    assertEquals(sent.filter(({ cmd }) => cmd === ACK), []);
    assertEquals([old.state, drain(old)], ["open", pattern(10)]);
    // The answer to the last question says that it has restarted.
    a.machine.input(encode({ ...opens, ts: ts + 21_000 }), 21_000, PEER);
    const [echo] = ownAnswers(a.segments(21_000), ts + 21_000);
    a.machine.input(encode({ ...echo, frg: EXTENDED | OPENING }), 21_010, PEER);
    assertEquals(old.error?.kind, "reset");
  }
});

Deno.test("restart: the first segment of a stranger ends nothing: the peer says that it goes on", () => {
  const [a, session] = accepted(1e6, {}, true);
  for (let n = 0; n < 100; n++) {
    const now = 100 + 50 * n;
    a.machine.input(push(0, 50e6 + 7 * n), now, PEER);
    a.machine.input(encode(...ownAnswers(a.segments(now), 1e6 + now)), now, PEER);
  }
  assertEquals([session.state, a.machine.accept()], ["open", null]);
});

Deno.test("restart: after the end of a session, its next incarnation may lose its first segment", () => {
  const [a, old] = accepted(1e6, { timeWait: 0 }, true);
  drain(old);
  old.abort(new ConnectionError("closed", "enough"));
  a.idle(30, 990);
  assertEquals(a.machine.size, 0);
  // A late packet of the old incarnation draws a reset.
  a.machine.input(push(1, 1e6 + 40), 1000, PEER);
  assertEquals(a.segments(1000).map(({ cmd }) => cmd), [RESET]);
  // One of the new incarnation draws a question instead, and the session comes with its first segment.
  a.machine.input(push(1, 70e6), 1100, PEER);
  assertEquals(a.segments(1100).map(({ cmd }) => cmd), [WASK]);
  a.machine.input(push(0, 70e6), 1200, PEER);
  const young = a.machine.accept();
  assertEquals(young && drain(young), pattern(10));
});

Deno.test("restart: a retransmitted first segment belongs to its session, up to minutes later", () => {
  for (const now of [40, 1000, 100_000]) {
    for (const ts of [1e6, 1e6 + now, 1e6 - 100_000]) {
      const [a, session] = accepted(1e6, { idleTimeout: Infinity });
      drain(session);
      a.idle(30, now);
      assert(a.machine.input(push(0, ts), now, PEER));
      assertEquals([session.state, a.machine.accept(), a.machine.size], ["open", null, 1]);
      const acks = [...a.segments(now), ...a.segments(now + 10)].filter(({ cmd }) => cmd === ACK);
      assertEquals(acks.map(({ una }) => una), [1], "its acknowledgment was lost");
    }
  }
});

Deno.test("restart: a session that is silent since its peer restarted gets no segment of the new one", () => {
  const [a, old] = accepted(1e6);
  drain(old);
  // The first segment of the new incarnation is late.
  for (const sn of [1, 2, 3]) a.machine.input(push(sn, 70e6, pattern(10, 50 + sn)), 100, PEER);
  assertEquals(a.segments(150).filter(({ cmd }) => cmd === ACK), []);
  assertEquals([drain(old).length, old.kcp.stats.foreign], [0, 3]);
  a.machine.input(push(0, 70e6, pattern(10, 50)), 200, PEER);
  const young = a.machine.accept()!;
  for (const sn of [1, 2, 3]) a.machine.input(push(sn, 70e6, pattern(10, 50 + sn)), 300, PEER);
  assertEquals(drain(young).length, 40);
});

Deno.test("restart: the end counts as delivered only if a peer that resets has known the session", () => {
  for (const knows of [false, true]) {
    const a = server();
    a.machine.input(push(0, 1e6), 0, PEER);
    a.machine.input(push(1, 1e6, new Uint8Array(0)), 0, PEER);
    const session = a.machine.accept()!;
    drain(session);
    const sent = a.segments(0);
    if (knows) a.machine.input(encode(...ownAnswers(sent, 1e6)), 10, PEER);
    session.endWrite();
    const { ts } = a.segments(20).find(({ cmd }) => cmd === PUSH)!;
    assert(a.machine.input(encode({ conv: 1, cmd: RESET, frg: 2, wnd: 0, sn: 0, ts }), 30, PEER));
    assertEquals([session.state, session.error?.kind], ["closed", knows ? undefined : "reset"]);
  }
});

Deno.test("restart: a late first segment of an earlier incarnation does not end the present one", () => {
  const clocks = [1e6, 900e6, 1800e6, 2700e6];
  const first = (n: number) => push(0, clocks[n], pattern(10, 40 + n));
  const a = server();
  for (const [n] of clocks.entries()) {
    const now = 100 * n;
    a.machine.input(first(n), now, PEER);
    if (n > 0) {
      // The segment may be a late one, so the peer is asked, and sends it again.
      assertEquals(a.machine.accept(), null);
      assert(a.segments(now).some(({ cmd }) => cmd === WASK), `no question at restart ${n}`);
      a.machine.input(encode({ conv: 1, cmd: WINS }), now, PEER);
      a.machine.input(first(n), now, PEER);
    }
    const session = a.machine.accept()!;
    for (let before = 0; before < n; before++) {
      a.machine.input(first(before), now + 10, PEER);
      // Behind another segment, it is not the first one of its packet.
      const packet = [...encode({ conv: 1, cmd: WINS }), ...first(before)];
      a.machine.input(Uint8Array.from(packet), now + 10, PEER);
    }
    assertEquals([session.state, session.error, a.machine.accept()], ["open", null, null]);
    a.machine.input(push(1, clocks[n] + 20, pattern(5, n)), now + 20, PEER);
    assertEquals(drain(session), Uint8Array.from([...pattern(10, 40 + n), ...pattern(5, n)]));
  }
  // A packet that is so late is of a new incarnation.
  a.machine.input(encode({ conv: 1, cmd: WINS }), 99_000, PEER);
  a.machine.input(first(2), 100_000, PEER);
  assertEquals(a.machine.accept()?.state, "open");
});

Deno.test("initialTs: sessions draw it from entropy, each its own", () => {
  let word = 1;
  const entropy = (target: Uint8Array<ArrayBuffer>) => {
    new DataView(target.buffer, target.byteOffset).setUint32(0, word++ * 0x01010101, true);
  };
  const a = new Runner(new Endpoint({ ...QUICK, entropy }));
  const seen = new Set<number>();
  for (let conv = 1; conv <= 20; conv++) {
    a.machine.open(PEER, conv, 0).write(pattern(1));
    const [{ ts }] = a.segments(0);
    assertEquals(ts % 0x01010101, 0, "it is not what entropy gave");
    seen.add(ts);
  }
  assertEquals(seen.size, 20);
  const fixed = new Runner(new Endpoint({ ...QUICK, entropy, initialTs: 77 }));
  fixed.machine.open(PEER, 1, 0).write(pattern(1));
  assertEquals(fixed.segments(0)[0].ts, 77);
});

/** The packets that are due, which may be shards. */
function packetsOf({ machine, batch }: Runner<Endpoint>, now: number): Uint8Array[] {
  const packets: Uint8Array[] = [];
  machine.tick(now);
  for (batch.clear(); machine.output(batch) > 0; batch.clear()) {
    for (let i = 0; i < batch.count; i++) packets.push(batch.packet(i).slice());
  }
  return packets;
}

/** A packet on its way, and whether it goes to the server. */
interface OnItsWay {
  readonly packet: Uint8Array;
  readonly up: boolean;
}

for (const fec of [undefined, { dataShards: 2, parityShards: 2 }]) {
  const how = fec ? "with error correction" : "without error correction";
  Deno.test(`restart: late packets of both former ends get into no stream, ${how}`, () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = new Random(`late packets ${seed}`);
      // Two clocks that are less than 12 minutes apart can't be told from each other. No losses change
      // what is drawn here, where none are.
      const clocks = new Random(`clocks ${seed}`);
      const entropy = (target: Uint8Array<ArrayBuffer>) => clocks.fill(target);
      const options = { ...QUICK, mtu: 600, fec, entropy, deadLinkTime: 60_000 };
      const a = server(options);
      const late: OnItsWay[] = [];
      let now = 0;
      // Each incarnation writes other bytes, from 1000 times its number on.
      for (const n of [1, 2, 3]) {
        const dialled = new Runner(new Endpoint(options));
        const client = dialled.machine.open("server", 1, now);
        const goal = 200 + random.below(9000);
        client.write(pattern(goal, 1000 * n));
        const end = n === 3 ? now + 60_000 : now + 20 + random.below(400);
        let served: Session | null = null;
        const got = { up: [] as number[], down: [] as number[] };
        const noisyUntil = now + 2_000;
        // The server must have heard an incarnation to know its late packets.
        while ((now < end || !served) && (got.up.length < goal || got.down.length < goal)) {
          const onTheWay: OnItsWay[] = [
            ...packetsOf(dialled, now).map((packet) => ({ packet, up: true })),
            ...packetsOf(a, now).map((packet) => ({ packet, up: false })),
          ].filter(() => now > noisyUntil || !random.chance(0.2));
          const own = onTheWay.length;
          for (let k = now < noisyUntil ? random.below(4) : 0; k > 0 && late.length > 0; k--) {
            onTheWay.push(late[random.below(late.length)]);
          }
          now += 5;
          for (const [i, each] of onTheWay.entries()) {
            if (each.up) a.machine.input(each.packet, now, PEER);
            else dialled.machine.input(each.packet, now, "server");
            if (i < own && n < 3) late.push(each);
          }
          const fresh = a.machine.accept();
          if (fresh) {
            assertEquals(served?.state ?? "none", "none", `seed ${seed}: the session was replaced`);
            served = fresh;
            served.onChange = () => {};
            served.write(pattern(goal, 1000 * n + 500));
          }
          if (served) got.up.push(...drain(served));
          got.down.push(...drain(client));
          const context = `seed ${seed}, incarnation ${n}, ${now} ms`;
          assertEquals(got.up, [...pattern(got.up.length, 1000 * n)], context);
          assertEquals(got.down, [...pattern(got.down.length, 1000 * n + 500)], context);
          const errors = `${context}: ${client.error?.message} ${served?.error?.message}`;
          assertEquals([client.state, served?.state ?? "open"], ["open", "open"], errors);
        }
        if (n === 3) {
          assertEquals([got.up.length, got.down.length], [goal, goal], `seed ${seed}: it stalls`);
        }
      }
    }
  });
}
