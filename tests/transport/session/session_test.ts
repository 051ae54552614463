import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { ConnectionError, Session, type SessionOptions } from "../../../transport/mod.ts";
import { ACK, CONV, encode, HEADER, pattern, PUSH, RESET, WASK, WINS } from "../../kcp/harness.ts";
import { drain, exchange, exchangeUntil, foreignAnswers, ownAnswers, Runner } from "../harness.ts";

const QUICK: SessionOptions = { nodelay: 1, interval: 10, resend: 2, nc: true };

function session(options: SessionOptions = QUICK): Runner<Session> {
  return new Runner(new Session(CONV, "10.0.0.1:1", 0, options));
}

function pair(options: SessionOptions = QUICK): [Runner<Session>, Runner<Session>] {
  return [session(options), session(options)];
}

/** The error that ended a session. */
function errorOf({ machine }: Runner<Session>): ConnectionError {
  assertEquals(machine.state, "closed");
  assertInstanceOf(machine.error, ConnectionError, "the session ended without an error");
  return machine.error;
}

Deno.test("Session: written data leaves as PUSH segments to its peer, and is acknowledged", () => {
  const a = session();
  assertEquals(a.machine.write(pattern(10)), 10);
  assert(a.machine.deadline <= 0, `the written data is due at ${a.machine.deadline} ms`);
  const [{ to, segments: [first], packet }] = a.sent(0);
  assertEquals(to, "10.0.0.1:1");
  assertEquals(packet.length, HEADER + 10);
  assertEquals([first.conv, first.cmd, first.sn, first.data], [CONV, PUSH, 0, pattern(10)]);

  assert(a.machine.input(encode({ cmd: ACK, sn: 0, una: 1, ts: 0 }), 5));
  assert(a.machine.kcp.drained);
});

Deno.test("Session: a PUSH of an independent peer is read and acknowledged", () => {
  const a = session();
  assert(a.machine.input(encode({ sn: 0, ts: 77, data: pattern(5) }), 0));
  assertEquals(drain(a.machine), pattern(5));
  const [ack] = a.segments(20);
  assertEquals([ack.cmd, ack.sn, ack.ts, ack.una], [ACK, 0, 77, 1]);
});

Deno.test("Session: endWrite sends an empty PUSH behind the last byte, once", () => {
  const a = session();
  a.machine.write(pattern(3));
  a.machine.endWrite();
  a.machine.endWrite();
  const sent = a.segments(0);
  assertEquals(sent.map(({ cmd, sn, frg, data }) => [cmd, sn, frg, data.length]), [
    [PUSH, 0, 0, 3],
    [PUSH, 1, 0, 0],
  ]);
});

Deno.test("Session: an empty PUSH is the end of the stream", () => {
  const a = session();
  a.machine.input(encode({ sn: 1 }), 0);
  assertEquals(a.machine.peekSize(), -1);
  assert(!a.machine.remoteEnded, "the end was read before the data");
  a.machine.input(encode({ sn: 0, data: pattern(4) }), 0);
  assertEquals(drain(a.machine), pattern(4));
  assert(a.machine.remoteEnded);
  assertEquals([a.machine.read(new Uint8Array(9)), a.machine.recv(new Uint8Array(9))], [0, -1]);
});

Deno.test("Session: the end waits until the send queue has room, and is sent last", () => {
  const [a, b] = pair({ ...QUICK, sndQueue: 255, mtu: 50 });
  const all = a.machine.write(new Uint8Array(100_000));
  assertEquals(all, 255 * 26, "the queue holds 255 segments");
  a.machine.endWrite();
  const got: number[] = [];
  for (let now = 0; now < 1000; now += 10) {
    exchange(a, b, now);
    got.push(drain(b.machine).length);
  }
  assertEquals(got.reduce((sum, n) => sum + n), all);
  assert(b.machine.remoteEnded, "the end did not arrive");
});

Deno.test("Session: half-close: after endWrite it takes no data, and still reads", () => {
  const [a, b] = pair();
  a.machine.endWrite();
  assertEquals(a.machine.write(pattern(1)), 0);
  assertEquals(a.machine.send(pattern(1)), false);
  b.machine.write(pattern(100));
  exchange(a, b, 0);
  assertEquals(drain(a.machine), pattern(100));
  assertEquals(a.machine.state, "open");
});

Deno.test("Session: a close delivers the queued data, then ends without error", () => {
  const [a, b] = pair();
  a.machine.write(pattern(50_000));
  a.machine.close();
  assertEquals(a.machine.state, "closing");
  for (let now = 0; now < 2000 && a.machine.state !== "closed"; now += 10) exchange(a, b, now);
  assertEquals([a.machine.state, a.machine.error], ["closed", null]);
  assertEquals(drain(b.machine), pattern(50_000));
  assert(b.machine.remoteEnded);
});

Deno.test("Session: a close fails after `linger`; the error has the undelivered bytes", () => {
  const a = session({ ...QUICK, linger: 700 });
  a.machine.write(pattern(1000));
  a.sent(0);
  a.machine.close();
  a.idle(0, 699);
  assertEquals(a.machine.state, "closing", "the close ended before `linger`");
  a.idle(700, 700);
  const error = errorOf(a);
  assertEquals(error.kind, "closed");
  assertStringIncludes(error.message, "1000 bytes");
  assertStringIncludes(error.message, "700 ms");
  assertEquals(a.machine.deadline, Infinity);
});

Deno.test("Session: data that arrives during a close is acknowledged and dropped", () => {
  const a = session();
  a.machine.input(encode({ cmd: WINS }), 0);
  a.machine.close();
  a.sent(0);
  for (let sn = 0; sn < 600; sn++) {
    assert(a.machine.input(encode({ sn, data: pattern(100) }), 1));
    const acked = a.segments(20).filter(({ cmd }) => cmd === ACK);
    assert(
      acked.every(({ wnd }) => wnd > 200),
      "the window closes because of data that is not read",
    );
  }
  assertEquals(a.machine.kcp.rcvNxt, 600);
  assertEquals(a.machine.kcp.readable, 0);
});

Deno.test("Session: a session that its peer does not know is over when it closes", () => {
  const a = session();
  a.machine.close();
  assertEquals([a.machine.state, a.machine.error, a.machine.over], ["closed", null, true]);
  assertEquals(a.sent(0), []);
});

Deno.test("Session: two ends that close at once are over at once, without error", () => {
  const [a, b] = pair();
  a.machine.write(pattern(10));
  b.machine.write(pattern(20));
  a.machine.close();
  b.machine.close();
  exchangeUntil(a, b, 0, 100);
  assertEquals([a.machine.state, a.machine.error], ["closed", null]);
  assertEquals([b.machine.state, b.machine.error], ["closed", null]);
});

for (
  const [linger, deadLinkTime, over] of [
    [5000, 30_000, 5000],
    [60_000, 30_000, 30_000],
    [60_000, 4000, 4000],
    [1, 30_000, 1],
  ]
) {
  Deno.test(`Session: the end alone, to a peer that has ended, is sent for ${over} ms with linger ${linger} and deadLinkTime ${deadLinkTime}`, () => {
    const a = session({ ...QUICK, linger, deadLinkTime });
    a.machine.input(encode({ sn: 0 }), 0);
    a.sent(0);
    a.machine.close();
    const sent = a.idle(0, over - 0.5);
    const ends = sent.filter(({ segments }) => segments.some(({ cmd }) => cmd === PUSH));
    assertEquals(a.machine.state, "closing", "it is given up too early");
    assert(
      ends.at(-1)!.at >= over / 2 - 1,
      `the last of ${ends.length} left at ${ends.at(-1)!.at}`,
    );
    a.idle(over, over);
    // When the close has waited long enough, the peer may be gone with all that it needs. A peer that
    // is unreachable before may lack the end.
    const kind = over === linger ? undefined : "unreachable";
    assertEquals([a.machine.state, a.machine.error?.kind], ["closed", kind]);
  });
}

Deno.test("Session: TIME-WAIT repeats the last acknowledgment, which may be lost", () => {
  const a = session();
  a.machine.input(encode({ cmd: WINS }), 0);
  a.machine.close();
  a.sent(0);
  a.machine.input(encode({ cmd: ACK, sn: 0, una: 1 }, { sn: 0, una: 1 }), 20);
  const sent = a.idle(20, 60_000);
  assertEquals([a.machine.state, a.machine.error, a.machine.deadline], ["closed", null, Infinity]);
  assert(sent.length >= 2 && sent.length <= 5, `${sent.length} packets were sent`);
  for (const { at, segments } of sent) {
    assert(segments.every(({ una }) => una === 1), `at ${at} ms`);
  }
});

Deno.test("Session: a close fails if the peer vanishes before it acknowledged the data", () => {
  const [a, b] = pair({ ...QUICK, linger: 2000 });
  a.machine.write(pattern(10));
  exchange(a, b, 0);
  a.machine.write(pattern(5000));
  a.machine.close();
  a.idle(0, 2000);
  assertEquals(errorOf(a).kind, "closed");
});

Deno.test("Session: the idle timeout counts from the last valid packet, to the millisecond", () => {
  const a = session({ ...QUICK, idleTimeout: 1000 });
  a.machine.input(encode({ cmd: WINS }), 400);
  a.machine.input(new Uint8Array(30), 900);
  a.idle(900, 1399);
  assertEquals(a.machine.state, "open");
  a.machine.tick(1400);
  assertEquals(errorOf(a).kind, "idle");
  assertStringIncludes(errorOf(a).message, "1000 ms");
});

Deno.test("Session: the default idle timeout is five minutes, and is the deadline", () => {
  const a = session({});
  assertEquals(a.machine.deadline, 300_000);
  assertEquals(session({ idleTimeout: Infinity }).machine.deadline, Infinity);
});

Deno.test("Session: keepAlive sends one WASK per period of silence", () => {
  const a = session({ keepAlive: 1000, idleTimeout: 5500 });
  const asked = a.idle(0, 5400);
  assertEquals(asked.map(({ at }) => at), [1000, 2000, 3000, 4000, 5000]);
  assert(asked.every(({ segments }) => segments.length === 1 && segments[0].cmd === WASK));
});

Deno.test("Session: keepAlive of one end keeps both ends alive", () => {
  const a = session({ keepAlive: 500, idleTimeout: 1000 });
  const b = session({ idleTimeout: 1000 });
  exchangeUntil(a, b, 0, 60_000);
  assertEquals([a.machine.state, b.machine.state], ["open", "open"]);
});

Deno.test("Session: without keepAlive both ends of an idle session time out", () => {
  const [a, b] = pair({ idleTimeout: 1000 });
  a.machine.write(pattern(1));
  exchangeUntil(a, b, 0, 60_000);
  assertEquals([errorOf(a).kind, errorOf(b).kind], ["idle", "idle"]);
});

Deno.test("Session: a peer that stays silent for `deadLinkTime` is unreachable", () => {
  const a = session({ ...QUICK, deadLinkTime: 3000 });
  a.machine.write(pattern(1));
  a.idle(0, 2999);
  assertEquals(a.machine.state, "open");
  a.idle(3000, 3000);
  assertEquals(errorOf(a).kind, "unreachable");
  assertStringIncludes(errorOf(a).message, "10.0.0.1:1 did not answer for 3000 ms");
});

Deno.test("Session: data that arrived before an error can still be read", () => {
  const a = session({ idleTimeout: 100 });
  a.machine.input(encode({ sn: 0, data: pattern(9) }), 0);
  a.idle(0, 100);
  assertEquals(errorOf(a).kind, "idle");
  assertEquals(drain(a.machine), pattern(9));
});

Deno.test("Session: data that arrived before an error can be read after a reset of the peer, too", () => {
  const a = session({ idleTimeout: 100 });
  a.machine.input(encode({ sn: 0, ts: 7, data: pattern(9) }), 0);
  a.machine.kcp.askWindow();
  const { sn, ts } = a.segments(0).find(({ cmd }) => cmd === WASK)!;
  a.idle(0, 100);
  assertEquals([errorOf(a).kind, a.machine.over], ["idle", false]);
  // Both ends have given up, and tell each other.
  assert(a.machine.input(encode({ cmd: RESET, sn, ts }), 110));
  assertEquals([a.machine.over, drain(a.machine)], [true, pattern(9)]);
});

/** The times at which a session asks for the window. */
function probes(seen: ReturnType<Runner<Session>["idle"]>): number[] {
  return seen.filter(({ segments }) => segments.some(({ cmd }) => cmd === WASK))
    .map(({ at }) => at);
}

Deno.test("Session: a silent unconfirmed peer is probed after an RTO, then ×1.5 up to 4 s", () => {
  const a = session({ deadLinkTime: 60_000 });
  a.machine.confirm(false);
  a.machine.input(encode({ sn: 0, data: pattern(9) }), 0);
  const at = probes(a.idle(0, 29_999));
  assertEquals(at.slice(0, 5), [0, 200, 500, 950, 1625]);
  const waits = at.slice(1).map((time, i) => time - at[i]);
  waits.forEach((wait, i) => assertAlmostEquals(wait, Math.min(4000, 200 * 1.5 ** i), 1e-6));
  assert(at.at(-1)! > 25_000, `the last probe is sent at ${at.at(-1)} ms`);
});

for (const [deadLinkTime, until] of [[30_000, 30_000], [4000, 4000], [100_000, 30_000]]) {
  Deno.test(`Session: an unconfirmed peer is given up after ${until} ms of silence with a deadLinkTime of ${deadLinkTime}, not before`, () => {
    for (const last of [0, 7000, 40_000, 200_000]) {
      const a = session({ deadLinkTime });
      a.machine.confirm(false);
      // It is heard again and again, and never answers.
      for (let now = 0, sn = 0; now <= last; now += 1000) {
        a.machine.input(encode({ sn: sn++, data: pattern(9) }), now);
        a.idle(now, now + 999);
        drain(a.machine);
        assertEquals(a.machine.state, "open", `heard at ${now}`);
      }
      a.idle(last, last + until - 0.5);
      assertEquals([a.machine.state, a.machine.unconfirmed], ["open", true], `last ${last}`);
      a.idle(last + until, last + until);
      assertEquals(errorOf(a).kind, "unconfirmed");
    }
  });
}

Deno.test("Session: an unconfirmed peer is probed again with what is heard, each quarter RTO", () => {
  const a = session({});
  a.machine.confirm(false);
  const at = [];
  for (let now = 0; now < 1000; now += 10) {
    a.machine.input(encode({ sn: now / 10, data: pattern(9) }), now);
    if (a.segments(now).some(({ cmd }) => cmd === WASK)) at.push(now);
  }
  assertEquals(at, Array.from({ length: 20 }, (_, i) => 50 * i));
});

Deno.test("Session: what is heard just after a probe leaves the next one an RTO to wait, whatever the backoff", () => {
  const a = session({ deadLinkTime: 60_000 });
  a.machine.confirm(false);
  a.machine.input(encode({ sn: 0, data: pattern(9) }), 0);
  const last = probes(a.idle(0, 2700)).at(-1)!;
  assertEquals(last, 2637.5, "the next one is due after 1519 ms");
  // The path is back; nothing more is heard.
  a.machine.input(encode({ sn: 0, data: pattern(9) }), 2670);
  assertEquals(probes(a.idle(2670, 4000))[0], last + 200);
});

Deno.test("Session: an answer to the probe confirms an address; data does not", () => {
  const a = session({});
  a.machine.confirm(false);
  a.machine.input(encode({ sn: 0, data: pattern(1) }, { cmd: WINS }), 0);
  a.machine.input(encode({ sn: 1, data: pattern(1) }), 0);
  assert(a.machine.unconfirmed, "a WINS before the probe counted as an answer");
  a.sent(0);
  a.machine.input(encode({ sn: 2, data: pattern(1) }, { cmd: WASK }), 1);
  assert(a.machine.unconfirmed, "data counted as an answer");
  a.machine.input(encode({ cmd: WINS }), 2);
  assert(a.machine.unconfirmed, "a window that echoes nothing counted as an answer");
  // A peer of another implementation is asked for an acknowledgment.
  const asked = a.idle(3, 1000).flatMap(({ segments }) => segments);
  const request = foreignAnswers(asked).findLast(({ cmd, sn }) => cmd === ACK && sn === 0xffffffff);
  assert(request, "the peer is not asked for an echo");
  a.machine.input(encode({ ...request, ts: request.ts! + 1 }), 1000);
  assert(a.machine.unconfirmed, "the echo of another time counted as an answer");
  a.machine.input(encode(request), 1000);
  assert(!a.machine.unconfirmed);
});

Deno.test("Session: a peer of this library confirms its address with the echo of a probe", () => {
  const a = session({});
  a.machine.confirm(false);
  a.machine.input(encode({ sn: 0, data: pattern(1) }), 0);
  const [echo] = ownAnswers(a.segments(0));
  a.machine.input(encode({ ...echo, ts: echo.ts! + 1 }), 1);
  assert(a.machine.unconfirmed, "the echo of another time counted as an answer");
  a.machine.input(encode(echo), 1);
  assert(!a.machine.unconfirmed);
});

Deno.test("Session: an unanswered keep-alive probe is an answer that is due", () => {
  for (const [keepAlive, deadLinkTime] of [[1000, 4000], [5000, 30_000], [60_000, 1000]]) {
    const a = session({ ...QUICK, keepAlive, deadLinkTime, idleTimeout: Infinity });
    a.machine.input(encode({ cmd: WINS }), 0);
    const asked = a.idle(0, keepAlive + deadLinkTime - 1).filter(({ segments }) =>
      segments.some(({ cmd }) => cmd === WASK)
    );
    assertEquals([asked[0].at, a.machine.state], [keepAlive, "open"]);
    a.idle(keepAlive + deadLinkTime, keepAlive + deadLinkTime);
    assertEquals(errorOf(a).kind, "unreachable");
  }
});

for (
  const [kind, options] of [
    ["idle", { idleTimeout: 5000 }],
    ["unreachable", { deadLinkTime: 5000 }],
  ] as const
) {
  Deno.test(`Session: one that was not run in time waits 1 s before it ends as ${kind}`, () => {
    for (const late of [0, 20, 21, 1000, 10_000_000]) {
      for (const heard of [false, true]) {
        const a = session({ ...QUICK, idleTimeout: Infinity, ...options });
        if (kind === "unreachable") a.machine.write(pattern(1));
        a.idle(0, 4990);
        const now = 5000 + late;
        a.machine.tick(now);
        if (late <= 20) {
          assertEquals(errorOf(a).kind, kind, `${late} ms late`);
          continue;
        }
        assertEquals(a.machine.state, "open", `${late} ms late`);
        // What waited in the socket.
        if (heard) a.machine.input(encode({ cmd: WINS }), now + 1);
        a.idle(now + 1, now + 999);
        assertEquals(a.machine.state, "open");
        a.idle(now + 1000, now + 1000);
        if (heard) assertEquals(a.machine.state, "open", `${late} ms late, and heard`);
        else assertEquals(errorOf(a).kind, kind);
      }
    }
  });
}

Deno.test("Session: one that ran late before its peer's silence was too long waits 1 s, too", () => {
  for (const kind of ["idle", "unreachable", "unconfirmed"]) {
    const a = session({ ...QUICK, [kind === "idle" ? "idleTimeout" : "deadLinkTime"]: 5000 });
    if (kind === "unconfirmed") a.machine.confirm(false);
    else a.machine.write(pattern(1));
    a.sent(0);
    // Retransmissions, or questions, were due since the first second.
    a.machine.tick(5000);
    a.idle(5000, 5999);
    assertEquals(a.machine.state, "open", kind);
    a.idle(6000, 6000);
    assertEquals(errorOf(a).kind, kind);
  }
});

Deno.test("Session: an end that was never sent is not counted as delivered", () => {
  for (const linger of [1000, 20_000]) {
    const a = session({ ...QUICK, linger });
    // The peer has ended its stream, and its window is closed.
    a.machine.input(encode({ sn: 0, wnd: 0 }), 0);
    a.sent(0);
    a.machine.close();
    for (let now = 0; now < linger; now += 100) {
      const sent = a.segments(now);
      assertEquals(sent.filter(({ cmd }) => cmd === PUSH), []);
      if (sent.some(({ cmd }) => cmd === WASK)) a.machine.input(encode({ cmd: WINS, wnd: 0 }), now);
    }
    assertEquals(a.machine.state, "closing");
    a.idle(linger, linger);
    assertEquals(errorOf(a).kind, "closed", "a success is reported for an end that never left");
  }
});

for (const timeWait of [1000, 30_000]) {
  Deno.test(`Session: after a close it answers for ${timeWait} ms though the peer's end has not come`, () => {
    const a = session({ ...QUICK, timeWait });
    const before = a.machine.arena.used;
    a.machine.write(pattern(100_000));
    a.machine.close();
    let una = 0;
    let now = 0;
    for (; a.machine.state !== "closed"; now += 10) {
      for (const { cmd, sn } of a.segments(now)) if (cmd === PUSH) una = Math.max(una, sn + 1);
      a.machine.input(encode({ cmd: ACK, sn: una - 1, una, wnd: 1000 }), now + 5);
    }
    assertEquals([a.machine.error, a.machine.over], [null, false]);
    assert(a.machine.arena.used <= before + 256, "its queues keep memory in TIME-WAIT");
    // The peer goes on, and then ends. It learns that all of it arrived.
    a.machine.input(encode({ sn: 0, una, data: pattern(9) }), now);
    const [ack] = a.segments(now + 10).filter(({ cmd }) => cmd === ACK);
    assertEquals(ack.una, 1);
    a.idle(now + 10, now + 500);
    a.machine.input(encode({ sn: 1, una }), now + 500);
    const [end] = a.segments(now + 510).filter(({ cmd }) => cmd === ACK);
    assertEquals(end.una, 2);
    a.idle(now + 510, now + 499 + timeWait);
    assertEquals(a.machine.over, false, "it is over before the peer was silent for timeWait");
    a.idle(now + 510, now + 2000 + timeWait);
    assertEquals([a.machine.over, a.machine.deadline], [true, Infinity]);
  });
}

Deno.test("Session: an idle session has no deadline but the idle timeout", () => {
  const [a, b] = pair({ ...QUICK, idleTimeout: Infinity });
  a.machine.write(pattern(5000));
  for (let now = 0; now < 5000; now += 10) {
    exchange(a, b, now);
    drain(b.machine);
  }
  assertEquals([a.machine.deadline, b.machine.deadline], [Infinity, Infinity]);
});

Deno.test("Session: an idle session frees its memory within seconds", () => {
  const [a, b] = pair({ ...QUICK, idleTimeout: Infinity });
  const before = [a.machine.arena.used, b.machine.arena.used];
  a.machine.write(pattern(100_000));
  for (let now = 0; now < 5000; now += 10) {
    exchange(a, b, now);
    drain(b.machine);
  }
  assertEquals([a.machine.arena.used, b.machine.arena.used], before);
});

Deno.test("Session: it frees its memory, too, when the application reads much later", () => {
  const [a, b] = pair({ ...QUICK, idleTimeout: Infinity });
  const before = b.machine.arena.used;
  a.machine.write(pattern(20_000));
  for (let now = 0; now < 5000; now += 10) exchange(a, b, now);
  assertEquals(drain(b.machine), pattern(20_000));
  exchangeUntil(a, b, 5000, 60_000);
  assertEquals(b.machine.arena.used, before, "an idle session keeps memory");
});

Deno.test("Session: a close frees all memory", () => {
  const [a, b] = pair();
  const before = [a.machine.arena.used, b.machine.arena.used];
  a.machine.write(pattern(30_000));
  b.machine.write(pattern(30_000));
  exchange(a, b, 0);
  a.machine.close();
  b.machine.close();
  exchangeUntil(a, b, 0, 10_000);
  assertEquals([a.machine.state, b.machine.state], ["closed", "closed"]);
  assertEquals([a.machine.arena.used, b.machine.arena.used], before);
});

Deno.test("Session: abort ends it at once with the reason, and it sends nothing more", () => {
  const a = session();
  const reason = new ConnectionError("socket", "the reason");
  a.machine.write(pattern(1));
  a.machine.abort(reason);
  assertEquals(errorOf(a), reason);
  assertEquals(a.sent(0), []);
  a.machine.abort(new ConnectionError("idle", "another"));
  assertEquals(errorOf(a), reason);
});

Deno.test("Session: an empty message is refused, since it marks the end", () => {
  assertThrows(() => session().machine.send(new Uint8Array()), RangeError, "empty");
});

Deno.test("Session: onChange is called when data can be read, and at the end", () => {
  const a = session({ idleTimeout: 50 });
  let changes = 0;
  a.machine.onChange = () => changes++;
  a.machine.input(encode({ sn: 0, data: pattern(1) }), 0);
  assertEquals(changes, 1);
  a.idle(0, 50);
  assertEquals(changes, 2);
});

for (
  const [name, value, kind] of [
    ["idleTimeout", 0, RangeError],
    ["idleTimeout", NaN, RangeError],
    ["keepAlive", -1, RangeError],
    ["linger", -0.5, RangeError],
    ["linger", "5", TypeError],
    ["mtu", 49, RangeError],
    ["sndWnd", 0, RangeError],
    ["nc", 1, TypeError],
  ] as const
) {
  Deno.test(`Session: ${name}: ${value} (a ${typeof value}) is refused with the range`, () => {
    const options = { [name]: value } as unknown as SessionOptions;
    const error = assertThrows(() => session(options), kind, name);
    assertStringIncludes(error.message, String(value));
  });
}

Deno.test("Session: hostile bytes never throw, in any state", () => {
  const segment = fc.record({
    conv: fc.constantFrom(CONV, 0),
    cmd: fc.oneof(fc.integer({ min: 81, max: 84 }), fc.nat(255)),
    frg: fc.nat(255),
    wnd: fc.constantFrom(0, 1, 65535),
    ts: fc.nat(0xffffffff),
    sn: fc.oneof(fc.nat(300), fc.nat(0xffffffff)),
    una: fc.oneof(fc.nat(3), fc.nat(0xffffffff)),
    data: fc.uint8Array({ maxLength: 60 }),
  });
  const packet = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.array(segment, { maxLength: 4 }).map((segments) => encode(...segments)),
  );
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 20 }), fc.nat(3), (packets, state) => {
      const a = session({ ...QUICK, idleTimeout: 1e9 });
      a.machine.write(pattern(3000));
      a.sent(0);
      if (state === 1) a.machine.endWrite();
      if (state === 2) a.machine.close();
      if (state === 3) a.machine.abort(new ConnectionError("closed", "over"));
      packets.forEach((packet, now) => {
        a.machine.input(packet, now);
        a.sent(now);
        drain(a.machine);
      });
      const { bytesHeld } = a.machine.kcp.stats;
      assert(bytesHeld <= 3000 + 256 * 60, `holds ${bytesHeld} bytes`);
    }),
    { seed: 7, numRuns: 500 },
  );
});
