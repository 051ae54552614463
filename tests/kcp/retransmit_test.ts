import { assert, assertEquals } from "@std/assert";
import { ACK, type End, opened, pattern, queue, range, sent, WINS } from "./harness.ts";

const ack = (end: End, now: number, sn: number, ts: number, una = 0) =>
  end.input(now, { cmd: ACK, sn, ts, una });

Deno.test("retransmit: una acknowledges all before it, an ACK only its segment", () => {
  const a = opened();
  queue(a, 10);
  a.segments(0);
  ack(a, 10, 7, 0);
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [0, 9]);
  a.input(11, { cmd: WINS, una: 4 });
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [4, 5]);
  for (const sn of [6, 5, 4]) ack(a, 12, sn, 0, sn === 4 ? 8 : 4);
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [8, 2], "7 was acknowledged before");
  assertEquals(sent(a.segments(300)), [8, 9], "only what is not acknowledged is sent again");
});

Deno.test("retransmit: an old una has no effect", () => {
  const a = opened();
  queue(a, 3);
  a.segments(0);
  a.input(1, { cmd: WINS, una: 2 });
  a.input(2, { cmd: WINS, una: 0 });
  assertEquals([a.kcp.sndUna, a.kcp.stats.inFlight], [2, 1]);
});

Deno.test("retransmit: `resend` later ACKs cause a fast retransmit at once", () => {
  for (const resend of [1, 2, 3, 5]) {
    const a = opened({ resend, sndWnd: 20 });
    queue(a, 30);
    a.segments(0);
    for (let n = 1; n < resend; n++) {
      ack(a, 10 + n, n, 0);
      assertEquals(sent(a.segments(10 + n)), [], `${n} of ${resend} skips`);
    }
    ack(a, 50, resend, 0);
    assert(a.kcp.deadline <= 50, "a fast retransmit is due at once");
    assertEquals(sent(a.segments(50)), [0], `after ${resend} skips`);
    assertEquals(a.kcp.stats.fastRetransmits, 1);
    assertEquals(a.kcp.stats.timeoutRetransmits, 0);
  }
});

Deno.test("retransmit: the acknowledgments of one packet count like those of several", () => {
  const a = opened({ resend: 3, sndWnd: 20 });
  queue(a, 30);
  a.segments(0);
  a.input(
    10,
    { cmd: ACK, sn: 2, ts: 0 },
    { cmd: ACK, sn: 3, ts: 0 },
    { cmd: ACK, sn: 5, ts: 0 },
  );
  // 0 and 1 were skipped three times, 4 once.
  assertEquals(sent(a.segments(10)), [0, 1]);
});

Deno.test("retransmit: a duplicate ACK is no skip", () => {
  const a = opened({ resend: 2, sndWnd: 20 });
  queue(a, 30);
  a.segments(0);
  for (let n = 0; n < 5; n++) ack(a, 10 + n, 1, 0);
  assertEquals(sent(a.segments(20)), []);
});

Deno.test("retransmit: with resend 0 only timeouts retransmit", () => {
  const a = opened({ resend: 0 });
  queue(a, 10);
  a.segments(0);
  for (let sn = 1; sn < 10; sn++) ack(a, 10, sn, 0);
  assertEquals(sent(a.segments(10)), []);
  assert(a.kcp.deadline > 10);
});

Deno.test("retransmit: a second one needs `resend` ACKs of later transmissions", () => {
  const a = opened({ resend: 2, sndWnd: 20 });
  queue(a, 40);
  assertEquals(sent(a.segments(0)), range(0, 20));
  ack(a, 10, 1, 0);
  ack(a, 10, 2, 0);
  assertEquals(sent(a.segments(10)), [0]);
  // These left before the second transmission of 0, and say nothing about it.
  for (let sn = 3; sn < 10; sn++) {
    ack(a, 11, sn, 0);
    assertEquals(sent(a.segments(11)), []);
  }
  assertEquals(a.kcp.stats.fastRetransmits, 1);
});

Deno.test("retransmit: after a timeout, skips count from zero", () => {
  const a = opened({ resend: 2, sndWnd: 20, nodelay: 1 });
  queue(a, 40);
  a.segments(0);
  ack(a, 10, 1, 0);
  // Without these, there would be an outage, after which segment 0 is sent at once.
  for (const now of [100, 200]) a.input(now, { cmd: WINS, wnd: 60_000 });
  assertEquals(sent(a.segments(210))[0], 0, "the timeout");
  a.kcp.configure({ sndWnd: 22 });
  assertEquals(sent(a.segments(211)), [20, 21]);
  ack(a, 220, 20, 211);
  assertEquals(sent(a.segments(220)).includes(0), false, "one skip since, one before");
  ack(a, 221, 21, 211);
  assertEquals(sent(a.segments(221))[0], 0, "two skips since");
});

Deno.test("retransmit: a segment sent more than fastlimit times waits for its timeout", () => {
  for (const fastlimit of [1, 2, 5, 0]) {
    const a = opened({ resend: 1, fastlimit, sndWnd: 60, minRto: 10_000 });
    queue(a, 100);
    a.segments(0);
    // Each round acknowledges one segment that left after the last transmission of segment 0.
    let rounds = 0;
    for (let n = 1; n <= 12; n++) {
      const ts = 10 * (n - 1);
      ack(a, 10 * n, n === 1 ? 1 : 58 + n, ts);
      const again = sent(a.segments(10 * n));
      if (again.includes(0)) rounds++;
      a.kcp.configure({ sndWnd: 60 + n });
      a.segments(10 * n);
    }
    assertEquals(rounds, fastlimit === 0 ? 12 : fastlimit, `fastlimit ${fastlimit}`);
  }
});

Deno.test("retransmit: early, after one skip, when nothing new is queued", () => {
  const a = opened({ resend: 3 });
  queue(a, 3);
  a.segments(0);
  ack(a, 10, 2, 0);
  assert(a.kcp.deadline <= 10, "an early retransmit is due at once");
  assertEquals(sent(a.segments(10)), [0, 1]);
  assertEquals(a.kcp.stats.earlyRetransmits, 2);
  assertEquals(a.kcp.stats.fastRetransmits, 0);
});

Deno.test("retransmit: not early while something new waits", () => {
  const a = opened({ resend: 3, sndWnd: 3 });
  queue(a, 4);
  a.segments(0);
  ack(a, 10, 2, 0);
  assertEquals(sent(a.segments(10)), []);
});

Deno.test("retransmit: the copy has a new ts, una and wnd, and the same sn, frg and data", () => {
  const a = opened({ mtu: 124, rcvWnd: 9 });
  a.kcp.send(pattern(150));
  const first = a.segments(0);
  a.input(100, { sn: 0, data: pattern(5) });
  a.segments(100);
  // The peer has acknowledged nothing, so an acknowledgment leads.
  const [lead, ...again] = a.segments(225);
  assertEquals([lead.cmd, lead.sn, lead.una], [ACK, 0, 1]);
  assertEquals(again.map((s) => [s.sn, s.frg, s.data]), first.map((s) => [s.sn, s.frg, s.data]));
  assertEquals(again.map((s) => [s.ts, s.una, s.wnd]), [[225, 1, 8], [225, 1, 8]]);
});

Deno.test("retransmit: a segment acknowledged while it is due is not sent again", () => {
  const a = opened({ nodelay: 1 });
  queue(a, 3);
  a.segments(0);
  a.kcp.tick(200);
  a.input(200, { cmd: ACK, sn: 1, ts: 0, una: 0 });
  assertEquals(sent(a.segments(200)), [0, 2]);
  a.kcp.tick(1000);
  a.input(1000, { cmd: WINS, una: 3 });
  assertEquals(sent(a.segments(1000)), []);
  assertEquals(a.kcp.deadline, Infinity);
});

Deno.test("retransmit: each segment is due when its own timeout ends, not all at once", () => {
  const a = opened({ nodelay: 1 });
  for (let i = 0; i < 10; i++) {
    queue(a, 1);
    a.segments(i * 10);
  }
  for (let i = 0; i < 10; i++) {
    assertEquals(a.kcp.deadline, 200 + i * 10);
    assertEquals(sent(a.segments(200 + i * 10)), [i]);
  }
});

Deno.test("retransmit: retransmissions are sent before new data", () => {
  const a = opened({ nodelay: 1, sndWnd: 4 });
  queue(a, 2);
  a.segments(0);
  queue(a, 5);
  a.kcp.tick(200);
  assertEquals(sent(a.segments(200)), [0, 1, 2, 3]);
});

Deno.test("retransmit: a change of resend or fastlimit applies to segments in flight", () => {
  const a = opened({ resend: 0, sndWnd: 10 });
  queue(a, 20);
  a.segments(0);
  ack(a, 10, 1, 0);
  ack(a, 10, 2, 0);
  assertEquals(sent(a.segments(10)), []);
  a.kcp.configure({ resend: 2 });
  ack(a, 11, 3, 0);
  ack(a, 12, 4, 0);
  assertEquals(sent(a.segments(12)), [0]);
});
