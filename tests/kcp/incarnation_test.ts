import { assert, assertEquals, assertThrows } from "@std/assert";
import { Kcp } from "../../kcp/mod.ts";
import { EXTENDED, MAX_ECHO_LEAD, OPENING } from "../../kcp/segment.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import {
  ACK,
  CONV,
  decode,
  End,
  Network,
  opened,
  pattern,
  PIECE,
  PROBE,
  PROBE_ANSWER,
  PUSH,
  queue,
  range,
  sent,
  WASK,
  WINS,
} from "./harness.ts";

/** The limits on the peer's clock, in ms. */
const BEHIND = 120_000;
const AHEAD = 600_000;

const acked = (end: End, now: number) =>
  end.segments(now).filter(({ cmd }) => cmd === ACK).map(({ sn }) => sn);

/** A machine that has read and acknowledged segment 0, whose `ts` was `ts`, at 0 ms. */
function started(ts: number, options = {}): End {
  const b = new End({ ackNoDelay: true, ...options });
  b.input(0, { sn: 0, ts, data: pattern(10) });
  b.recv();
  b.segments(0);
  return b;
}

Deno.test("incarnation: nothing is acknowledged before the first segment, then all that was kept", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`first segment ${seed}`);
    const initialRcvSn = random.chance(0.5) ? 0 : random.below(2 ** 32);
    const b = new End({ ackNoDelay: random.chance(0.5), interval: 10, rcvWnd: 300, initialRcvSn });
    const early = range(1, 100).filter(() => random.chance(0.5));
    for (let i = early.length - 1; i > 0; i--) {
      const k = random.below(i + 1);
      [early[i], early[k]] = [early[k], early[i]];
    }
    let now = 0;
    for (const n of early) {
      b.input(now, { sn: (initialRcvSn + n) >>> 0, ts: now, data: pattern(9, n) });
      assertEquals(b.segments(now), [], `seed ${seed}: something left for segment ${n}`);
      assertEquals(b.kcp.deadline, Infinity, "nothing is due");
      now += random.below(50);
    }
    assertEquals([b.kcp.started, b.kcp.stats.rcvBuffer], [false, early.length]);
    b.input(now, { sn: initialRcvSn, ts: now, data: pattern(9) });
    assert(b.kcp.started);
    const segments = b.segments(now).concat(b.segments(now + 10));
    const una = segments.reduce((most, s) => Math.max(most, (s.una - initialRcvSn) >>> 0), 0);
    const known = new Set(segments.map((s) => (s.sn - initialRcvSn) >>> 0));
    for (const n of early) {
      assert(n < una || known.has(n), `seed ${seed}: segment ${n} is not acknowledged`);
    }
    assertEquals(b.recv(), pattern(9));
  }
});

Deno.test("incarnation: a segment that continues the clock is taken, across every wrap", () => {
  for (const ts of [0, 5, BEHIND, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1000, 2 ** 32 - 1]) {
    for (const elapsed of [0, 1000, 1e7]) {
      for (const step of [-BEHIND, -1, 0, 1, elapsed, elapsed + AHEAD]) {
        const b = started(ts);
        b.input(elapsed, { sn: 1, ts: (ts + step) >>> 0, data: pattern(10, 1) });
        const context = `${ts} then ${step} after ${elapsed} ms`;
        assertEquals(b.kcp.stats.foreign, 0, context);
        assertEquals(b.recv(), pattern(10, 1), context);
        assertEquals(acked(b, elapsed), [1], context);
      }
    }
  }
});

Deno.test("incarnation: a segment of another clock that may begin anew is dropped without an ACK", () => {
  for (const ts of [0, 2 ** 31, 2 ** 32 - 1000]) {
    for (const elapsed of [0, 1000, 1e7]) {
      for (const step of [-BEHIND - 1, -(2 ** 31) + 1, elapsed + AHEAD + 1, 2 ** 31 - 1]) {
        for (const sn of [0, 1, 200, 1023]) {
          const b = started(ts, { rcvWnd: 2000 });
          const before = b.kcp.stats;
          b.input(elapsed, { sn, ts: (ts + step) >>> 0, data: pattern(10, 1) });
          const context = `${ts}, then ${step} after ${elapsed} ms in segment ${sn}`;
          const { foreign, rcvBuffer, rcvQueue } = b.kcp.stats;
          assertEquals([foreign, rcvBuffer, rcvQueue], [1, 0, 0], context);
          assertEquals(b.kcp.stats.duplicates, before.duplicates, context);
          assertEquals(b.segments(elapsed), [], context);
        }
      }
    }
  }
});

Deno.test("incarnation: each copy of a foreign segment is counted, and the stream goes on", () => {
  const b = started(1_000_000);
  for (let n = 0; n < 5; n++) b.input(10 * n, { sn: 1, ts: 5_000_000, data: pattern(10, 9) });
  assertEquals(b.kcp.stats.foreign, 5);
  b.input(60, { sn: 1, ts: 1_000_060, data: pattern(10, 1) });
  assertEquals(b.recv(), pattern(10, 1));
});

/** How long a clock that was set must be the only one, in ms. */
const SET_TIME = 5_000;

Deno.test("incarnation: a clock that was set is taken over when only it is seen for 5 s", () => {
  // Neither of these can be of a new incarnation: it acknowledged data, or is past a first window.
  for (const [sn, una] of [[1, 1], [1024, 0]]) {
    for (const step of [-1e9, -BEHIND - 10_000, AHEAD + 10_000, 1e9]) {
      const a = new End({ ackNoDelay: true, nc: true, rcvWnd: 2000 });
      queue(a, 1);
      a.segments(0);
      a.input(0, { cmd: ACK, sn: 0, ts: 0, una: 1 });
      for (let n = 0; n < sn; n++) a.input(0, { sn: n, ts: 1e9, una: 0, data: pattern(1) });
      while (a.recv());
      a.segments(0);
      const ts = (1e9 + step) >>> 0;
      const context = `segment ${sn}, una ${una}, ${step} ms`;
      for (const at of [100, 1000, 99 + SET_TIME]) {
        a.input(at, { sn, ts: ts + at, una, data: pattern(10, 1) });
        assertEquals(acked(a, at), [], context);
      }
      assertEquals(a.kcp.stats.foreign, 3, context);
      const now = 100 + SET_TIME;
      a.input(now, { sn, ts: ts + now, una, data: pattern(10, 1) });
      assertEquals(acked(a, now), [sn], context);
      assertEquals(a.recv(), pattern(10, 1));
      // From now on the new clock counts.
      a.input(now + 100, { sn: sn + 1, ts: ts + now + 100, una, data: pattern(10, 2) });
      assertEquals([a.kcp.stats.foreign, acked(a, now + 100).length], [3, 1]);
    }
  }
});

Deno.test("incarnation: late segments of an earlier incarnation never get into the stream", () => {
  for (const step of [-1e9, 1e9]) {
    const b = started(1e9);
    queue(b, 1);
    b.segments(0);
    // It acknowledged data of our incarnation before, which a new one can't have done.
    for (let at = 0; at <= 60_000; at += 1_000) {
      b.input(at, { sn: 2, ts: 1e9 + step + at, una: 1, data: pattern(10, 9) });
      if (at % 4_000 === 0) b.input(at, { sn: 0, ts: 1e9 + at, data: pattern(10) });
    }
    assertEquals([b.kcp.stats.foreign, b.kcp.stats.rcvBuffer], [61, 0]);
    for (const sn of [1, 2]) b.input(60_001, { sn, ts: 1e9 + 60_001, data: pattern(10, sn) });
    assertEquals([b.recv(), b.recv()], [pattern(10, 1), pattern(10, 2)]);
  }
});

Deno.test("incarnation: a first segment of another clock drops what came before it", () => {
  const b = new End({ ackNoDelay: true });
  const empty = b.kcp.arena.used;
  for (const sn of [3, 1, 2]) b.input(0, { sn, ts: 5, data: pattern(1000, sn) });
  b.input(10, { sn: 0, ts: 3_000_000, data: pattern(10, 7) });
  assertEquals([b.kcp.stats.rcvBuffer, b.kcp.stats.rcvQueue], [0, 1], "the old ones are gone");
  assertEquals(acked(b, 10), [0]);
  assertEquals(b.recv(), pattern(10, 7));
  assertEquals(b.recv(), null);
  for (const sn of [1, 2, 3]) b.input(20, { sn, ts: 3_000_010, data: pattern(10, sn) });
  assertEquals([1, 2, 3].map(() => b.recv()), [1, 2, 3].map((n) => pattern(10, n)));
  b.kcp.trim();
  assert(b.kcp.arena.used <= empty + 2048, "the dropped segments keep memory");
});

Deno.test("incarnation: before the first segment, later ones of another clock are dropped", () => {
  const b = new End({ ackNoDelay: true });
  b.input(0, { sn: 2, ts: 1000, data: pattern(10, 2) });
  b.input(0, { sn: 1, ts: 9_000_000, data: pattern(10, 9) });
  assertEquals([b.kcp.stats.rcvBuffer, b.kcp.stats.foreign], [1, 1]);
  for (const sn of [0, 1]) b.input(10, { sn, ts: 1010, data: pattern(10, sn) });
  assertEquals([0, 1, 2].map(() => b.recv()), [0, 1, 2].map((n) => pattern(10, n)));
});

/** Clocks of the peer, and of an incarnation that it had before. */
const PEER_TS = 1e9;
const EARLIER_TS = 3e9;

/** A machine that has opened a conversation, and has 3 segments in flight. */
function dialled(): { a: End; ts: number } {
  const a = new End({ ackNoDelay: true, nc: true, initialTs: 2e9, extensions: true });
  a.kcp.requireEcho(true);
  queue(a, 3);
  const [{ ts }] = a.segments(0);
  return { a, ts };
}

Deno.test("incarnation: with extensions, WASK and WINS show the clock of their sender", () => {
  for (const extensions of [true, false]) {
    const a = new End({ initialTs: 2e9, extensions });
    a.kcp.requireEcho(true);
    a.kcp.tick(0);
    a.input(10, { cmd: WASK, ts: 77, frg: extensions ? EXTENDED : 0 });
    a.kcp.askWindow();
    const segments = a.segments(30);
    const mark = EXTENDED | OPENING;
    assertEquals(
      segments.map(({ cmd, frg, ts, sn }) => [cmd, frg, ts, sn]),
      extensions
        ? [[WASK, mark, 2e9 + 31, 0], [WINS, mark, 77, 2e9 + 30]]
        : [[WASK, 0, 0, 0], [WINS, 0, 0, 0]],
    );
  }
});

Deno.test("incarnation: the first data of an answer must continue the clock that came with an echo", () => {
  const { a, ts } = dialled();
  const echo = { cmd: ACK, sn: 0, ts, una: 1 };
  a.input(10, echo, { cmd: WASK, frg: EXTENDED, ts: PEER_TS, una: 1 });
  for (const sn of [0, 1]) {
    a.input(20, { sn, ts: EARLIER_TS, una: 1, data: pattern(10, 9) });
    assertEquals([a.kcp.believed, a.kcp.started], [false, false]);
  }
  assertEquals(a.segments(20).filter(({ cmd }) => cmd === ACK), []);
  for (const sn of [1, 0]) a.input(30, { sn, ts: PEER_TS + 20, una: 1, data: pattern(10, sn) });
  assertEquals([a.recv(), a.recv(), a.recv()], [pattern(10), pattern(10, 1), null]);
});

Deno.test("incarnation: what came before the clock was shown is dropped if it is of another one", () => {
  const { a, ts } = dialled();
  a.input(10, { cmd: ACK, sn: 0, ts, una: 1 });
  a.input(20, { sn: 1, ts: EARLIER_TS, una: 1, data: pattern(10, 9) });
  a.input(
    30,
    { cmd: ACK, sn: 1, ts, una: 2 },
    { cmd: WINS, frg: EXTENDED, sn: PEER_TS, una: 2 },
    { sn: 2, ts: PEER_TS, una: 2, data: pattern(10, 2) },
  );
  for (const sn of [0, 1]) a.input(40, { sn, ts: PEER_TS + 10, una: 2, data: pattern(10, sn) });
  assertEquals([0, 1, 2].map(() => a.recv()), [0, 1, 2].map((n) => pattern(10, n)));
});

Deno.test("incarnation: a peer that restarts before its first data is followed, once", () => {
  const { a, ts } = dialled();
  const echo = { cmd: ACK, sn: 0, ts, una: 1 };
  const shows = (clock: number) => ({ cmd: WASK, frg: EXTENDED, ts: clock, una: 1 });
  a.input(10, echo, shows(EARLIER_TS));
  a.input(20, echo, shows(PEER_TS));
  // These come late.
  a.input(30, echo, shows(EARLIER_TS + 1));
  a.input(30, { sn: 0, ts: EARLIER_TS + 5, una: 1, data: pattern(10, 9) });
  assertEquals(a.kcp.started, false);
  a.input(40, { sn: 0, ts: PEER_TS + 20, una: 1, data: pattern(10) });
  assertEquals(a.recv(), pattern(10));
});

Deno.test("incarnation: a listener that restarts without what was acknowledged is noticed", () => {
  // The next process has got segment 0 again, but not segment 1.
  for (
    const [una, started, restarted] of [[1, false, true], [2, false, false], [
      1,
      true,
      true,
    ]] as const
  ) {
    const { a, ts } = dialled();
    const shows = (sn: number, clock: number, una: number) => [
      { cmd: ACK, sn, ts, una },
      { cmd: WASK, frg: EXTENDED, ts: clock, una },
    ];
    a.input(10, ...shows(1, EARLIER_TS, 2));
    if (started) a.input(10, { sn: 0, ts: EARLIER_TS, una: 2, data: pattern(10) });
    assertEquals(a.kcp.sndUna, 2);
    a.input(20, ...shows(0, PEER_TS, una));
    assertEquals(a.kcp.peerRestarted, restarted, `una ${una}, ${started}`);
    if (restarted) continue;
    // Late packets of the process before show nothing.
    a.input(30, ...shows(0, EARLIER_TS + 1, 1));
    assertEquals(a.kcp.peerRestarted, false);
  }
});

Deno.test("incarnation: while the peer may have restarted, una acknowledges nothing", () => {
  const { a, ts } = dialled();
  const shows = (clock: number) => [
    { cmd: ACK, sn: 0, ts, una: 1 },
    { cmd: WASK, frg: EXTENDED, ts: clock, una: 1 },
  ];
  const unas = (now: number) => new Set(a.segments(now).map(({ una }) => una));
  a.input(10, ...shows(EARLIER_TS), { sn: 0, ts: EARLIER_TS, una: 1, data: pattern(9) });
  assertEquals(unas(10), new Set([1]));
  a.input(20, ...shows(PEER_TS));
  assertEquals(unas(20), new Set([0]));
  // The clock goes on: the packet with the other one was late.
  a.input(30, ...shows(EARLIER_TS + 20));
  assertEquals(unas(30), new Set([1]));
});

Deno.test("incarnation: an echo may lie ahead of our clock, since the peer's may be faster or was set", () => {
  const { a, ts } = dialled();
  a.input(10, { cmd: ACK, sn: 0, ts, una: 1 }, { sn: 0, ts: PEER_TS, una: 1, data: pattern(10) });
  // An acknowledgment is repeated with a ts that is later by its age.
  for (const [n, ahead] of [[1, 1], [2, 1000], [3, MAX_ECHO_LEAD]] as const) {
    a.input(
      20,
      { cmd: ACK, sn: 0, ts: ts + 20 + ahead, una: 1 },
      { sn: n, ts: PEER_TS + 10 + ahead, una: 1, data: pattern(10, n) },
    );
    assertEquals([a.kcp.believed, a.kcp.rcvNxt], [true, n + 1], `${ahead} ms ahead`);
  }
  a.input(20, { cmd: ACK, sn: 1, ts: ts + 20 + MAX_ECHO_LEAD + 1, una: 2 });
  assertEquals([a.kcp.believed, a.kcp.sndUna], [false, 1]);
});

Deno.test("incarnation: a peer that shows no clock is taken at its first segment", () => {
  // kcp-go sends acknowledgments and data in packets of their own.
  const { a, ts } = dialled();
  a.input(10, { cmd: ACK, sn: 0, ts, una: 1 });
  a.input(20, { sn: 0, ts: 77, una: 1, data: pattern(10) });
  assertEquals(a.recv(), pattern(10));
});

Deno.test("incarnation: late packets for or of an earlier incarnation acknowledge nothing", () => {
  const { a, ts } = dialled();
  a.input(
    10,
    { cmd: ACK, sn: 0, ts, una: 1 },
    { cmd: WASK, frg: EXTENDED, ts: PEER_TS, una: 1 },
  );
  const late = [
    // Meant for an earlier incarnation of this end.
    [{ cmd: ACK, sn: 2, ts: ts + 1e9, una: 3 }],
    [{ cmd: ACK, sn: 2, ts: ts - 1, una: 3 }],
    [{ cmd: PROBE_ANSWER, ts: ts + 1e9, una: 3 }],
    // Sent by an earlier incarnation of the peer.
    [{ cmd: PROBE, ts: EARLIER_TS, una: 3 }],
    [{ cmd: WINS, frg: EXTENDED, sn: EARLIER_TS, una: 3 }],
    [{ cmd: WASK, frg: EXTENDED, ts: EARLIER_TS, una: 3 }],
    [{ sn: 4, ts: EARLIER_TS, una: 3, data: pattern(10) }],
    [{ cmd: WINS, una: 3 }, { sn: 4, ts: EARLIER_TS, una: 3, data: pattern(10) }],
  ];
  for (const segments of late) {
    a.input(20, ...segments);
    assertEquals([a.kcp.sndUna, a.kcp.believed], [1, false], JSON.stringify(segments));
  }
  for (const cmd of [WASK, WINS]) {
    a.input(30, {
      cmd,
      frg: EXTENDED,
      ts: PEER_TS + 20,
      sn: PEER_TS + 20,
      una: cmd === WASK ? 2 : 3,
    });
  }
  assertEquals([a.kcp.sndUna, a.kcp.believed], [3, true]);
});

Deno.test("incarnation: a foreign packet gets a question, no answer, and is no sign of life", () => {
  const { a, ts } = dialled();
  a.input(10, { cmd: ACK, sn: 0, ts, una: 1 }, { sn: 0, ts: PEER_TS, una: 1, data: pattern(9) });
  a.segments(10);
  a.input(20, { cmd: WASK, frg: EXTENDED, ts: EARLIER_TS, una: 1 });
  // The question acknowledges nothing, since the number may be one of another incarnation.
  assertEquals(a.segments(20).map(({ cmd, una }) => [cmd, una]), [[WASK, 0]]);
  assertEquals(a.kcp.heardAt, 10);
  a.input(30, { cmd: WASK, frg: EXTENDED, ts: PEER_TS + 20, una: 1 });
  assertEquals([a.segments(30).map(({ cmd }) => cmd), a.kcp.heardAt], [[WINS], 30]);
});

Deno.test("incarnation: a peer whose clock is another one is asked, however long it is heard alone", () => {
  for (const known of [1, 40]) {
    const a = new End({ nc: true, initialTs: 2e9, sndWnd: 32, rcvWnd: 64, extensions: true });
    a.kcp.requireEcho(true);
    queue(a, 48);
    let ts = a.segments(0)[0].ts;
    const mark = { cmd: WASK, frg: EXTENDED };
    a.input(10, { cmd: ACK, sn: 0, ts, una: Math.min(known, 30) }, { ...mark, ts: PEER_TS });
    a.input(10, { sn: 0, ts: PEER_TS, una: 1, data: pattern(9) });
    ts = a.segments(20).at(-1)!.ts;
    a.input(20, { cmd: ACK, sn: known - 1, ts, una: known });
    assertEquals(a.kcp.sndUna, known);
    let question: number | undefined;
    for (let now = 100; now < 8_000; now += 1_000) {
      a.input(now, { ...mark, ts: EARLIER_TS + now, una: known });
      question ??= a.segments(now).find(({ cmd }) => cmd === WASK)?.ts;
    }
    // A new incarnation can't have got more than a window again: the clock of the peer was set.
    assertEquals(a.kcp.heardAt > 1_000, known > 32, `${known} segments`);
    const now = 8_010;
    a.input(now, { cmd: WINS, frg: EXTENDED, ts: question!, sn: EARLIER_TS + now, una: known });
    assertEquals(a.kcp.peerRestarted, known <= 32);
  }
});

Deno.test("link: a reset may quote the first of a thousand answers in a round trip", () => {
  const a = new End({ initialTs: 2e9, extensions: true });
  a.kcp.requireEcho(true);
  a.kcp.send(pattern(10));
  a.segments(0);
  let first: number | undefined;
  for (let now = 1; now <= 200; now += 0.2) {
    a.input(now, { cmd: WASK });
    first ??= a.segments(now).find(({ cmd }) => cmd === WINS)?.sn;
  }
  assert(a.kcp.isOwnPacket(0, first! | 0));
});

Deno.test("link: a reset may quote a segment whose acknowledgment is repeated", () => {
  for (const arrives of ["the first acknowledgment", "only repeated ones", "none"]) {
    const a = new End({ initialTs: 2e9, extensions: true });
    a.kcp.requireEcho(true);
    queue(a, 1);
    const [{ ts }] = a.segments(0);
    const [first, ...repeated] = [0, 8, 300].map((age) => ({
      cmd: ACK,
      sn: 0,
      ts: ts + age,
      una: 1,
    }));
    if (arrives === "the first acknowledgment") a.input(400, first);
    if (arrives !== "none") { for (const ack of repeated) a.input(400, ack); }
    assert(a.kcp.isOwnPacket(0, ts | 0), arrives);
    for (const [sn, wrong] of [[0, 0], [0, ts - 1], [0, ts + 1], [1, ts], [-1, 0]]) {
      assertEquals(a.kcp.isOwnPacket(sn, wrong | 0), false, JSON.stringify([arrives, sn, wrong]));
    }
  }
});

Deno.test("link: a reset may quote a request for an echo, or a question", () => {
  const a = new End({ initialTs: 2e9, extensions: true });
  a.kcp.requireEcho(false);
  a.kcp.askEcho();
  a.kcp.askWindow();
  a.kcp.tick(0);
  for (const { sn, ts } of a.segments(0)) {
    assert(a.kcp.isOwnPacket(sn | 0, ts | 0), `${sn}`);
    assertEquals(a.kcp.isOwnPacket(sn | 0, (ts + 5) | 0), false);
  }
});

Deno.test("link: a peer that has only proved its address gets the clock beside the echoes", () => {
  for (const own of [true, false]) {
    const b = new End({ ackNoDelay: true, extensions: true });
    b.kcp.requireEcho(false);
    b.input(0, { sn: 0, ts: PEER_TS, data: pattern(10) });
    // As a new path is validated.
    b.kcp.askEcho();
    const echo = b.segments(0).find(({ cmd, sn }) => cmd === PUSH && sn === 0xffffffff)!;
    b.input(10, { cmd: ACK, sn: echo.sn, ts: echo.ts });
    assert(b.kcp.answered);
    if (!own) b.input(10, { cmd: WINS });
    b.segments(10);
    b.input(20, { sn: 0, ts: PEER_TS + 20, data: pattern(10) });
    const marks = b.segments(20).map(({ cmd, frg }) => [cmd, frg]);
    assertEquals(marks, own ? [[ACK, 0], [WINS, EXTENDED]] : [[ACK, 0]]);
  }
});

Deno.test("link: an echo counts though many packets have shown the clock since the question", () => {
  const b = new End({ ackNoDelay: true, initialTs: 2e9, extensions: true });
  b.kcp.requireEcho(false);
  const question = b.kcp.nextEchoTs();
  const shown: number[] = [];
  for (let sn = 0; sn < 100; sn++) {
    b.input(sn / 10, { sn, ts: PEER_TS, data: pattern(10) });
    const report = b.segments(sn / 10).find(({ cmd }) => cmd === WINS)!;
    shown.push(report.sn);
  }
  assertEquals(shown.length, 100);
  assert(!shown.includes(question), "who sees the clock does not know the question");
  assert(b.kcp.isOwnPacket(0, shown.at(-1)! | 0), "a reset may quote it");
  b.input(20, { cmd: WINS, frg: EXTENDED, ts: question, sn: PEER_TS + 20 });
  assert(b.kcp.wasEchoed(question));
});

Deno.test("link: an acknowledgment leaves before data that fills the batch", () => {
  const mtu = 65_000;
  const b = new End({ ackNoDelay: true, nc: true, extensions: true, mtu });
  b.kcp.requireEcho(false);
  b.kcp.write(pattern(10));
  b.input(0, { sn: 0, ts: PEER_TS, data: pattern(10) });
  const first = b.segments(0).find(({ cmd }) => cmd === PUSH)!;
  // The peer proves its address, and has not shown yet that it knows that it is heard.
  b.input(10, { cmd: ACK, sn: 0, ts: first.ts, una: 1 }, {
    sn: 1,
    ts: PEER_TS + 10,
    una: 1,
    data: pattern(10),
  });
  b.kcp.write(pattern(3 * mtu));
  b.kcp.tick(10);
  const cmds: number[] = [];
  for (let batches = 0; batches < 20; batches++) {
    b.batch.clear();
    if (b.kcp.output(b.batch) === 0) break;
    for (const packet of b.batch) cmds.push(...decode(packet).map(({ cmd }) => cmd));
  }
  assertEquals(cmds, [ACK, WINS, PUSH, PUSH, PUSH, PUSH]);
});

Deno.test("link: an echo without the clock of a peer that shows one draws a question", () => {
  const { a, ts } = dialled();
  a.input(10, { cmd: WASK, frg: EXTENDED, ts: PEER_TS });
  a.segments(10);
  a.input(20, { cmd: ACK, sn: 1, ts });
  assert(!a.kcp.linked);
  const question = a.segments(20).find(({ cmd }) => cmd === WASK)!;
  a.input(30, { cmd: WINS, frg: EXTENDED, ts: question.ts, sn: PEER_TS + 10 });
  a.input(30, { cmd: ACK, sn: 1, ts });
  assertEquals([a.kcp.linked, a.kcp.acknowledged], [true, 1]);
});

Deno.test("link: a first segment goes on in pieces while the peer asks, but echoes nothing", () => {
  const a = new End({ ackNoDelay: true, nc: true, extensions: true });
  a.kcp.requireEcho(true);
  a.kcp.send(pattern(1376));
  queue(a, 1);
  const { ts } = a.segments(0)[1];
  a.input(10, { cmd: WASK, frg: EXTENDED, ts: PEER_TS });
  const inPieces = (now: number) => a.segments(now).some(({ cmd }) => cmd === PIECE);
  assert(inPieces(300));
  a.input(310, { cmd: ACK, sn: 1, ts }, { cmd: WASK, frg: EXTENDED, ts: PEER_TS });
  assertEquals(inPieces(1000), false);
});

Deno.test("incarnation: an end that opened tells a late first segment from a restart", () => {
  const first = { sn: 0, ts: EARLIER_TS, una: 1, data: pattern(10) };
  const mark = { cmd: WASK, frg: EXTENDED, ts: EARLIER_TS - 10, una: 1 };
  for (
    const [ours, before, packet, restarted] of [
      [true, [], [first], false],
      [true, [mark], [first], false],
      [true, [], [{ cmd: ACK, sn: 0, una: 1 }, first], true],
      [true, [{ cmd: ACK, sn: 0, una: 1 }, mark], [first], true],
      // Of a peer that shows no clock, nothing more is known.
      [false, [], [first], true],
      // One that has not answered yet is asked.
      [null, [], [first], false],
      [null, [{ cmd: WINS }], [first], true],
    ] as const
  ) {
    const { a, ts } = dialled();
    const echo = { cmd: ACK, sn: 0, ts, una: 1 };
    if (ours) a.input(10, echo, { ...mark, ts: PEER_TS });
    if (ours === false) a.input(10, { cmd: WINS });
    a.input(10, echo, { sn: 0, ts: PEER_TS, una: 1, data: pattern(9) });
    for (const [at, segments] of [[20, before], [30, packet]] as const) {
      if (segments.length > 0) a.input(at, ...segments.map((each) => ({ ts, ...each })));
    }
    assertEquals(a.kcp.peerRestarted, restarted, JSON.stringify([ours, before, packet]));
  }
});

Deno.test("incarnation: a peer that restarts and starts its clock at 0 is noticed by its first data", () => {
  for (const kind of ["known", "asked", "own"] as const) {
    const { a, ts } = dialled();
    if (kind === "known") a.input(10, { cmd: WINS });
    a.input(10, { cmd: ACK, sn: 0, ts, una: 1 }, { sn: 0, ts: 1000, una: 1, data: pattern(9) });
    // The same segment again, as after a lost acknowledgment.
    a.input(20, { sn: 0, ts: 1000, una: 1, data: pattern(9) });
    a.segments(20);
    assert(!a.kcp.peerRestarted);
    // The clock of a young process continues that of the process before it.
    a.input(30, { sn: 0, ts: 40, una: 1, data: pattern(10) });
    assertEquals(a.kcp.peerRestarted, kind === "known", kind);
    assertEquals(acked(a, 40), [], "the segment is acknowledged");
    if (kind === "known") continue;
    // It does not come again: the una of this end has acknowledged it.
    const mark = kind === "own" ? { frg: EXTENDED, sn: 1020, ts } : {};
    a.input(50, { cmd: WINS, una: 1, ...mark });
    assertEquals(a.kcp.peerRestarted, kind === "asked", kind);
  }
});

Deno.test("incarnation: a second incarnation that has heard this end gets no una of the first", () => {
  for (const restarted of [true, false]) {
    const { a, ts } = dialled();
    const echo = { cmd: ACK, sn: 0, ts, una: 1 };
    const mark = { cmd: WASK, frg: EXTENDED, una: 1 };
    a.input(10, echo, { ...mark, ts: PEER_TS });
    a.input(20, echo, { sn: 0, ts: PEER_TS + 10, una: 1, data: pattern(9) });
    a.segments(20);
    // The first segment of this end has reached another incarnation, too.
    a.input(30, echo, { ...mark, ts: EARLIER_TS });
    const [question, ...more] = a.segments(30);
    assertEquals([question.cmd, question.una, more], [WASK, 0, []]);
    // Its packet may be late. The peer says which incarnation is there now.
    const sn = restarted ? EARLIER_TS + 20 : PEER_TS + 40;
    a.input(50, { cmd: WINS, frg: EXTENDED, sn, ts: question.ts, una: 1 });
    assertEquals(a.kcp.peerRestarted, restarted);
  }
});

Deno.test("incarnation: of two that have heard this end, the one that is there tells what it lacks", () => {
  for (const restarted of [true, false]) {
    const { a, ts } = dialled();
    const mark = { cmd: WASK, frg: EXTENDED };
    // The second one asks first; what the first one has acknowledged comes late.
    a.input(10, { cmd: ACK, sn: 0, ts, una: 1 }, { ...mark, ts: EARLIER_TS, una: 1 });
    a.segments(10);
    a.input(20, { cmd: ACK, sn: 1, ts, una: 2 }, { ...mark, ts: PEER_TS, una: 2 });
    const question = a.segments(20).find(({ cmd, una }) => cmd === WASK && una === 0);
    assert(question, "it is asked which one is there");
    const [clock, una] = restarted ? [EARLIER_TS + 30, 1] : [PEER_TS + 30, 2];
    a.input(40, { cmd: WINS, frg: EXTENDED, ts: question.ts, sn: clock, una });
    assertEquals(a.kcp.peerRestarted, restarted);
  }
});

Deno.test("incarnation: an answer that a peer gave before it was linked may come late", () => {
  for (const linkedBefore of [false, true]) {
    const b = new End({ ackNoDelay: true, initialTs: 1e9, extensions: true });
    b.kcp.requireEcho(false);
    const mark = { cmd: WINS, ts: 0 };
    const opening = { ...mark, frg: EXTENDED | OPENING };
    const linked = { ...mark, frg: EXTENDED };
    b.input(0, { ...opening, sn: PEER_TS }, { sn: 0, ts: PEER_TS, data: pattern(10) });
    b.segments(0);
    if (linkedBefore) b.input(10, { ...linked, sn: PEER_TS + 10 });
    b.kcp.suspectRestart();
    const [question] = b.segments(20);
    if (!linkedBefore) b.input(30, { ...linked, sn: PEER_TS + 30 });
    b.input(40, { ...opening, ts: question.ts, sn: PEER_TS + 25 });
    assertEquals(b.kcp.peerRestarted, linkedBefore);
  }
});

Deno.test("incarnation: an end that has asked takes no data before the peer has answered", () => {
  const data = { sn: 0, ts: PEER_TS, data: pattern(10) };
  for (const own of [true, false]) {
    const a = new End({ initialTs: 2e9, extensions: true });
    a.kcp.requireEcho(true);
    a.kcp.askWindow();
    a.kcp.tick(0);
    const [{ ts }] = a.segments(0);
    // A session with an earlier incarnation goes on.
    a.input(10, { ...data, ts: EARLIER_TS });
    assertEquals([a.recv(), a.segments(10).map(({ cmd }) => cmd)], [null, [WASK]]);
    if (own) {
      a.input(20, { cmd: WINS, frg: EXTENDED, ts: 0, sn: EARLIER_TS });
      a.input(30, { ...data, ts: EARLIER_TS });
      assertEquals(a.recv(), null);
      a.input(40, { cmd: WINS, frg: EXTENDED, ts, sn: PEER_TS });
    } else {
      a.input(40, { cmd: WINS });
    }
    a.input(50, data);
    assertEquals(a.recv(), pattern(10));
  }
});

Deno.test("incarnation: a peer that opens gets none of the data of an earlier incarnation", () => {
  for (const earlier of [EARLIER_TS, PEER_TS]) {
    const b = new End({ ackNoDelay: true, extensions: true });
    b.kcp.requireEcho(false);
    b.input(0, { sn: 1, ts: earlier, data: pattern(10, 1) });
    b.input(10, { cmd: WINS, frg: EXTENDED | OPENING, sn: PEER_TS + 10 });
    b.input(20, { sn: 0, ts: PEER_TS + 20, data: pattern(10) });
    assertEquals(b.kcp.rcvNxt, earlier === PEER_TS ? 2 : 1);
  }
});

Deno.test("incarnation: no network and no pause makes honest segments foreign", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(`honest ${seed}`);
    const options = () => ({
      nodelay: random.below(3) as 0 | 1 | 2,
      interval: 10,
      resend: random.below(3),
      nc: true,
      deadLinkTime: Infinity,
      initialTs: random.below(2 ** 32),
    });
    const [a, b] = [new End(options()), new End(options())];
    // The clocks of both machines start anywhere.
    a.offset = random.below(2 ** 32);
    b.offset = random.below(2 ** 32);
    const link = () =>
      new Link({ latency: random.below(3000), loss: 0.3, jitter: 500, reorder: 0.2 }, random, 0);
    const net = new Network(a, b, link(), link());
    let pending = 0;
    for (let n = 0, at = 0; n < 60; n++) {
      at += random.chance(0.1) ? random.below(5e6) : random.below(500);
      net.at(at, () => {
        if (a.kcp.send(pattern(20, n))) pending++;
        b.kcp.send(pattern(20, n));
      });
    }
    const got: Uint8Array[] = [];
    net.onStep = () => {
      for (let message; (message = b.recv());) got.push(message);
      while (a.recv());
    };
    net.run(1e9, () => net.pending === 0 && a.kcp.drained && b.kcp.drained);
    assertEquals([a.kcp.stats.foreign, b.kcp.stats.foreign], [0, 0], `seed ${seed}`);
    assertEquals(got.length, pending, `seed ${seed}`);
  }
});

Deno.test("initialTs: it is the ts at time 0, and takes no part in samples and timeouts", () => {
  for (const initialTs of [0, 1, 2 ** 31, 2 ** 32 - 50]) {
    const a = new End({ initialTs, nodelay: 1, nc: true });
    queue(a, 1);
    const [{ cmd, ts }] = a.segments(20);
    assertEquals([cmd, ts], [PUSH, (initialTs + 20) % 2 ** 32]);
    a.input(110, { cmd: ACK, sn: 0, ts, una: 1 });
    assertEquals(a.kcp.srtt, 90, `initialTs ${initialTs}`);
    queue(a, 1);
    a.segments(200);
    const { rto } = a.kcp;
    assertEquals([a.kcp.deadline, sent(a.segments(200 + rto))], [200 + rto, [1]]);
  }
});

Deno.test("initialTs: it takes 0 to 4294967295, else the error names it", () => {
  for (const initialTs of [-1, 2 ** 32, 0.5, NaN]) {
    assertThrows(() => new Kcp(CONV, { initialTs }), RangeError, "initialTs");
  }
  for (const initialTs of [0, 2 ** 32 - 1]) new Kcp(CONV, { initialTs });
});

Deno.test("link: the acknowledgment of a probe of the path MTU shows that the peer is meant", () => {
  for (const wrong of [0, 1e9]) {
    const a = new End({ initialTs: 123_456 });
    a.kcp.requireEcho(true);
    a.kcp.send(pattern(1000));
    const [first] = a.segments(0);
    // The acknowledgment is lost, but the peer is heard.
    a.input(50, { cmd: WINS, wnd: 32 });
    const again = a.segments(a.kcp.deadline).filter(({ cmd }) => cmd === PUSH);
    const probe = again.find(({ sn }) => sn !== first.sn);
    assert(probe, "a probe follows the retransmission");
    // The peer acknowledges the newest of the two only.
    a.input(250, { cmd: ACK, sn: probe.sn, ts: probe.ts + wrong, una: 1 });
    assertEquals(a.kcp.drained, wrong === 0);
  }
});

Deno.test("incarnation: an end that is acknowledged without a clock asks for the clock, once in an RTO", () => {
  const a = new End({ ackNoDelay: true, nc: true, initialTs: 5000, extensions: true });
  a.kcp.requireEcho(true);
  queue(a, 1);
  const [{ ts }] = a.segments(0);
  // The peer is of this library. It does not know that this end is, too, and only acknowledges.
  a.input(0, { cmd: WINS, frg: EXTENDED, sn: 90_000, ts: 0 });
  const asked = () => a.segments(10).filter(({ cmd }) => cmd === WASK);
  for (let n = 0; n < 3; n++) {
    a.input(10, { cmd: ACK, sn: 0, ts, una: 1 });
    const questions = asked();
    assertEquals(questions.length, n === 0 ? 1 : 0);
    assertEquals(a.kcp.linked, false);
    if (n > 0) continue;
    assertEquals(questions[0].frg, EXTENDED | OPENING);
  }
  a.input(10 + a.kcp.rto, { cmd: ACK, sn: 0, ts, una: 1 });
  const [again] = a.segments(10 + a.kcp.rto).filter(({ cmd }) => cmd === WASK);
  a.input(20 + a.kcp.rto, { cmd: WINS, frg: EXTENDED, sn: 90_500, ts: again.ts, una: 1 });
  assertEquals([a.kcp.linked, a.kcp.drained], [true, true]);
});

Deno.test("link: a repeated acknowledgment counts though the clock of its receiver stood still", () => {
  for (const elapsed of [100, 9_000, 3_600_000]) {
    const a = new End({ initialTs: 5000, extensions: true });
    const b = new End({ ackNoDelay: true, extensions: true, deadLinkTime: Infinity });
    a.kcp.requireEcho(true);
    b.kcp.requireEcho(false);
    queue(a, 1);
    for (const packet of a.packets(0)) b.kcp.input(packet, 0);
    b.segments(0);
    queue(b, 1);
    const [packet] = b.packets(elapsed);
    // The process of the first end was suspended for all of this time.
    a.kcp.input(packet, 1);
    assertEquals([a.kcp.linked, a.kcp.drained, a.kcp.srtt], [true, true, -1], `${elapsed} ms`);
    assert(a.recv());
  }
  // An earlier incarnation of the end has a clock of its own.
  for (const ts of [4_999, 15_002, 450_000, 2 ** 31]) {
    const a = new End({ initialTs: 5000, extensions: true });
    a.kcp.requireEcho(true);
    queue(a, 1);
    a.packets(0);
    a.input(1, { cmd: ACK, ts, una: 1 });
    assertEquals([a.kcp.linked, a.kcp.drained], [false, false], `${ts}`);
  }
});

Deno.test("link: no time makes packets for an earlier incarnation acknowledge anything", () => {
  for (const initiator of [true, false]) {
    const a = new End({ initialTs: 123_456, deadLinkTime: Infinity });
    a.kcp.requireEcho(initiator);
    a.kcp.send(pattern(1000));
    const [{ ts }] = a.segments(0);
    // Nothing reaches the peer, which repeats what it has for the earlier incarnation.
    const data = { sn: 0, ts: PEER_TS, una: 1, data: pattern(9) };
    for (let now = 10; now < 20_000; now += 250) {
      a.input(now, { cmd: ACK, sn: 0, ts: ts - 5000, una: 1 }, data);
      a.input(now, data);
      a.segments(now);
    }
    assertEquals([a.kcp.linked, a.kcp.sndUna], [false, 0]);
    if (initiator) assertEquals(a.recv(), null);
    a.input(20_000, { cmd: ACK, sn: 0, ts: ts + 15_000, una: 1 });
    assertEquals([a.kcp.linked, a.kcp.sndUna], [true, 1]);
  }
});

Deno.test("link: a reset may quote any transmission of the last segments, also long after all were acknowledged", () => {
  for (const release of [false, true]) {
    const a = opened({ nodelay: 1, interval: 10, initialTs: 2e9, extensions: true });
    const quotes: { sn: number; ts: number }[] = [];
    const note = (now: number) => quotes.push(...a.segments(now).filter(({ cmd }) => cmd === PUSH));
    queue(a, 3);
    note(0);
    // Every segment is sent again, and the acknowledgments are of the first transmissions.
    note(200);
    assertEquals(quotes.map(({ sn }) => sn), [0, 1, 2, 0, 1, 2]);
    a.input(210, { cmd: ACK, sn: 1, ts: quotes[1].ts, una: 0 });
    a.input(211, { cmd: WINS, una: 3 });
    a.input(212, { cmd: ACK, sn: 0, ts: quotes[0].ts, una: 3 });
    assertEquals(a.kcp.stats.inFlight, 0);
    if (release) a.kcp.trim();
    for (const { sn, ts } of quotes) {
      assert(a.kcp.isOwnPacket(sn | 0, ts | 0), `segment ${sn} of ${ts}`);
      assertEquals(a.kcp.isOwnPacket(sn | 0, (ts + 1) | 0), false);
      assertEquals(a.kcp.isOwnPacket(sn + 3 | 0, ts | 0), false);
    }
    // A few more do not take their place.
    queue(a, 5);
    note(300);
    assertEquals(quotes.length, 11);
    for (const { sn, ts } of quotes) assert(a.kcp.isOwnPacket(sn | 0, ts | 0), `${sn} after more`);
  }
});

Deno.test("incarnation: what one incarnation has acknowledged and the next one lacks is noticed", () => {
  for (const restarted of [true, false]) {
    const a = new End({ initialTs: 2e9, extensions: true, nc: true, resend: 0 });
    a.kcp.requireEcho(true);
    queue(a, 5);
    const { ts } = a.segments(0).find(({ cmd }) => cmd === PUSH)!;
    const shows = (clock: number, una: number) => ({ cmd: WASK, frg: EXTENDED, ts: clock, una });
    // The first one has got segments 0 and 2 to 4.
    a.input(10, { cmd: ACK, sn: 0, ts, una: 1 }, shows(EARLIER_TS, 1));
    a.input(11, ...[2, 3, 4].map((sn) => ({ cmd: ACK, sn, ts, una: 1 })));
    assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [1, 1]);
    // The next one has got segments 0 and 1, sent again, and begins its answer.
    if (restarted) {
      a.input(20, { cmd: ACK, sn: 1, ts, una: 2 }, {
        sn: 0,
        ts: PEER_TS,
        una: 2,
        data: pattern(9),
      });
      assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [1, 1], "that acknowledges nothing");
    } else {
      a.kcp.suspectRestart();
    }
    const question = a.segments(20).find(({ cmd, ts }) => cmd === WASK && ts !== 0);
    assert(question, "the peer is asked");
    const una = restarted ? 2 : 5;
    const sn = (restarted ? PEER_TS : EARLIER_TS) + 10;
    a.input(30, { cmd: WINS, frg: EXTENDED, sn, ts: question.ts, una });
    assertEquals(a.kcp.peerRestarted, restarted);
  }
});

Deno.test("incarnation: a peer without a clock that lacks what was acknowledged acknowledges nothing", () => {
  for (const extensions of [false, true]) {
    const a = opened({ extensions, resend: 0 });
    queue(a, 5);
    const { ts } = a.segments(0)[0];
    a.input(10, { cmd: ACK, sn: 0, ts, una: 1 });
    a.input(11, ...[2, 3, 4].map((sn) => ({ cmd: ACK, sn, ts, una: 1 })));
    a.input(20, { cmd: ACK, sn: 1, ts, una: 2 });
    assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [1, 1]);
  }
});

Deno.test("incarnation: a peer whose receive queue is full has got the segment that its una names", () => {
  const a = opened({ extensions: true, resend: 0 });
  queue(a, 5);
  const { ts } = a.segments(0)[0];
  a.input(11, ...[0, 2, 3, 4].map((sn) => ({ cmd: ACK, sn, ts, una: 1, wnd: 1 })));
  // Segment 1 has filled the queue. The others wait beside it.
  a.input(20, { cmd: ACK, sn: 1, ts, una: 2, wnd: 0 });
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [5, 0]);
});
