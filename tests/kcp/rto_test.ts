import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { RtoEstimator, rtoGrowth } from "../../kcp/rto.ts";
import { ACK, encode, End, opened, pattern, PUSH, queue, sent, WINS } from "./harness.ts";

Deno.test("rto: it is 200 ms before the first sample", () => {
  assertEquals(new End().kcp.rto, 200);
  assertEquals(new End({ nodelay: 1 }).kcp.rto, 200);
  assertEquals(new End({ minRto: 500 }).kcp.rto, 500, "but not below minRto");
});

Deno.test("rto: srtt and rttvar follow RFC 6298 §2", () => {
  const estimator = new RtoEstimator();
  estimator.sample(100, 10, 30);
  assertEquals([estimator.srtt, estimator.rttvar, estimator.rto], [100, 50, 300]);
  estimator.sample(200, 10, 30);
  assertEquals([estimator.srtt, estimator.rttvar], [112.5, 62.5]);
  assertEquals(estimator.rto, 112.5 + 4 * 62.5);
  estimator.sample(100, 10, 30);
  assertEquals(
    estimator.rttvar,
    62.5 * 0.75 + 12.5 * 0.25,
    "rttvar takes the srtt before the sample",
  );
  assertEquals(estimator.srtt, 112.5 * 0.875 + 100 * 0.125);
  assertEquals(estimator.min, 100);
});

Deno.test("rto: what waited for a machine that was suspended is forgotten with the next answer", () => {
  // Nothing was due meanwhile, so the machine does not know it.
  const estimator = new RtoEstimator();
  estimator.sample(15_600, 10, 30);
  estimator.sample(15_600, 10, 30);
  assert(estimator.rto > 30_000);
  estimator.sample(4, 10, 30);
  assertEquals([estimator.srtt, estimator.rttvar, estimator.rto], [4, 2, 30]);
});

Deno.test("rto: on a path whose round trips vary by a factor of ten, every one is remembered", () => {
  const estimator = new RtoEstimator();
  for (let i = 0; i < 1000; i++) {
    estimator.sample(i % 7 === 0 ? 300 : 30, 10, 30);
    assert(i < 20 || estimator.rto > 140, `the RTO is ${estimator.rto} ms after sample ${i}`);
  }
});

Deno.test("rto: an answer at once does not wipe out those that the peer held back", () => {
  // Behind no delay at all, with a peer that acknowledges every 40 ms.
  const estimator = new RtoEstimator();
  for (let i = 0; i < 1000; i++) {
    estimator.sample([40, 40, 0, 10][i % 4], 10, 30);
    assert(i < 4 || estimator.rto > 60, `the RTO is ${estimator.rto} ms after sample ${i}`);
  }
});

Deno.test("rto: the flush interval and 1 ms take the place of the clock granularity", () => {
  const estimator = new RtoEstimator();
  for (let i = 0; i < 200; i++) estimator.sample(50, 40, 1);
  assertAlmostEquals(estimator.rto, 91, 1e-6);
});

Deno.test("rto: it is at least 100 ms, 30 ms with nodelay or minRto, at most 60 s", () => {
  const sampled = (options: object, rtt: number) => {
    const a = opened({ interval: 1, ...options });
    queue(a, 1);
    // The machine is run in time, so the whole wait is the path's.
    for (let now = 0; now < rtt; now = a.kcp.deadline) a.segments(now);
    a.input(rtt, { cmd: ACK, sn: 0, ts: 0, una: 1 });
    return a.kcp.rto;
  };
  assertEquals(sampled({}, 2), 100);
  assertEquals(sampled({ nodelay: 1 }, 2), 30);
  assertEquals(sampled({ nodelay: 2 }, 2), 30);
  assertEquals(sampled({ minRto: 7 }, 1), 7);
  assertEquals(sampled({ minRto: 250, nodelay: 1 }, 2), 250);
  assertEquals(sampled({}, 29_000), 60_000, "29 s + 4 × 14.5 s");
});

Deno.test("rto: a live change of interval, nodelay or minRto applies at once", () => {
  const a = opened({ interval: 1 });
  queue(a, 1);
  a.segments(0);
  a.input(4, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  assertEquals(a.kcp.rto, 100);
  a.kcp.configure({ nodelay: 1 });
  assertEquals(a.kcp.rto, 30);
  a.kcp.configure({ minRto: 10 });
  assertEquals(a.kcp.rto, 12);
  a.kcp.configure({ interval: 50 });
  assertEquals(a.kcp.rto, 55);
});

/** The times at which a lone segment is sent, with an RTO of 200 ms, until `until`. */
function transmissions(options: object, until: number): number[] {
  const a = opened({ deadLinkTime: Infinity, ...options });
  queue(a, 1);
  const times = [];
  for (let now = 0; now < until; now = a.kcp.deadline) {
    const segments = a.segments(now);
    assertEquals(sent(segments), [0], `the deadline ${now} was for a transmission`);
    assertEquals(segments[0].ts, Math.floor(now), "each has the time of its own departure");
    times.push(now);
  }
  return times;
}

const waits = (times: number[]) => times.slice(1).map((time, i) => time - times[i]);

Deno.test("rto: normal mode doubles it each time; the first wait is an eighth longer", () => {
  assertEquals(waits(transmissions({}, 400_000)), [
    225,
    400,
    800,
    1600,
    3200,
    6400,
    12_800,
    25_600,
    51_200,
    60_000,
    60_000,
    60_000,
    60_000,
  ]);
});

for (const nodelay of [1, 2] as const) {
  Deno.test(`rto: nodelay ${nodelay} adds half of the first wait at each timeout`, () => {
    assertEquals(waits(transmissions({ nodelay }, 3000)), [200, 300, 400, 500, 600, 700]);
  });
}

Deno.test("rto: the growth belongs to the segment, not to the connection", () => {
  const a = opened({ nodelay: 1 });
  queue(a, 1);
  a.segments(0);
  assertEquals(sent(a.segments(200)), [0]);
  queue(a, 1);
  assertEquals(sent(a.segments(210)), [1]);
  assertEquals(sent(a.segments(409)), []);
  assertEquals(sent(a.segments(410)), [1], "the first wait of segment 1");
  assertEquals(sent(a.segments(500)), [0], "the second wait of segment 0");
});

Deno.test("rto: a sample is the time since the transmission whose ts is echoed", () => {
  const a = opened({ minRto: 1, interval: 1 });
  queue(a, 1);
  a.segments(10);
  assertEquals(sent(a.segments(300)), [0]);
  a.input(340, { cmd: ACK, sn: 0, ts: 300, una: 1 });
  assertEquals(a.kcp.srtt, 40, "of the second transmission");
  const b = opened({ minRto: 1, interval: 1 });
  queue(b, 1);
  b.segments(10);
  assertEquals(sent(b.segments(235)), [0]);
  b.input(340, { cmd: ACK, sn: 0, ts: 10, una: 1 });
  assertEquals(b.kcp.srtt, 330, "of the first");
});

for (const first of ["tick", "input"] as const) {
  Deno.test(`rto: the first sample is no longer than the RTO if the ${first} comes late`, () => {
    const a = opened({ nodelay: 1 });
    queue(a, 1);
    a.segments(0);
    // The timeout was due at 200 ms. The answer, which came at some time, waited in the socket.
    if (first === "tick") assertEquals(sent(a.segments(6600)), [0]);
    a.input(6600, { cmd: ACK, sn: 0, ts: 0, una: 1 });
    assertEquals(a.kcp.rto, 600, "as after a sample of 200 ms: 200 + 4 × 100");
    assertEquals(a.kcp.stats.minRtt, 6600, "the path is not known to be faster than that");
    // What is sent from now on is measured as usual.
    queue(a, 1);
    a.segments(6610);
    a.input(6860, { cmd: ACK, sn: 1, ts: 6610, una: 2 });
    assertEquals([a.kcp.srtt, a.kcp.stats.minRtt], [200 + 50 / 8, 250]);
  });
}

Deno.test("rto: many answers that waited for a late machine count for one RTO, or three", () => {
  const a = opened({ nodelay: 1, burst: Infinity });
  queue(a, 8);
  a.segments(0);
  a.segments(9000);
  for (let sn = 0; sn < 8; sn++) a.input(9000, { cmd: ACK, sn, ts: 0, una: sn + 1 });
  assertEquals(a.kcp.srtt, 200, "the first samples");
  const before = a.kcp.rto;
  queue(a, 8);
  a.segments(9100);
  a.segments(19_000);
  for (let sn = 8; sn < 16; sn++) a.input(19_000, { cmd: ACK, sn, ts: 9100, una: sn + 1 });
  assert(a.kcp.srtt < 3 * before, `srtt is ${a.kcp.srtt}, the RTO was ${before}`);
});

Deno.test("rto: a machine that is always late learns its round trip step by step", () => {
  const a = opened({ nodelay: 1 });
  for (let sn = 0, now = 0; sn < 40; sn++, now += 1000) {
    queue(a, 1);
    a.segments(now);
    a.segments(now + 900);
    a.input(now + 900, { cmd: ACK, sn, ts: now, una: sn + 1 });
  }
  assert(a.kcp.rto > 900, `the RTO is ${a.kcp.rto} ms`);
});

Deno.test("rto: with a fractional clock the sample is exact", () => {
  const a = opened({}, 0.25);
  queue(a, 1);
  a.segments(10.75);
  a.input(11, { cmd: ACK, sn: 0, ts: 10, una: 1 });
  assertEquals(a.kcp.srtt, 0.25);
});

Deno.test("rto: an ACK after una gives one sample at una's time, if its ts matches", () => {
  const sent = (ts: number) => {
    const a = opened({}, 900);
    queue(a, 3);
    a.segments(1000);
    a.input(1050, { cmd: WINS, una: 2 });
    assertEquals(a.kcp.srtt, -1, "una alone");
    a.input(1060, { cmd: ACK, sn: 0, ts, una: 2 });
    assertEquals(a.kcp.srtt, -1, "one that is not the last of those that una acknowledged");
    a.input(1060, { cmd: ACK, sn: 1, ts, una: 2 });
    const { srtt } = a.kcp;
    a.input(1070, { cmd: ACK, sn: 1, ts: 1000, una: 2 });
    assertEquals(a.kcp.srtt, srtt, "a second ACK");
    return srtt;
  };
  assertEquals(sent(1000), 50);
  for (const ts of [0, 999, 1001]) assertEquals(sent(ts), -1);
});

Deno.test("rto: una that can't acknowledge the retransmission yet gives no sample", () => {
  const a = opened({ nodelay: 1 }, 900);
  queue(a, 1);
  a.segments(1000);
  let again = 1001;
  while (a.segments(again).length === 0) again++;
  a.input(again + 2, { cmd: WINS, una: 1 });
  a.input(again + 90, { cmd: ACK, sn: 0, ts: again, una: 1 });
  assertEquals(a.kcp.srtt, -1);
});

Deno.test("rto: una alone, a second ACK and a recovered packet give no sample", () => {
  const a = opened();
  queue(a, 3);
  a.segments(0);
  a.input(50, { cmd: WINS, una: 1 });
  assertEquals(a.kcp.srtt, -1, "una alone");
  a.kcp.input(encode({ cmd: ACK, sn: 1, ts: 0, una: 1 }), 70, true);
  assertEquals([a.kcp.srtt, a.kcp.stats.inFlight], [-1, 1], "a recovered ACK");
  a.input(80, { cmd: ACK, sn: 2, ts: 0, una: 1 });
  assertEquals(a.kcp.srtt, 80);
  a.input(5000, { cmd: ACK, sn: 2, ts: 0, una: 1 });
  assertEquals(a.kcp.srtt, 80, "a duplicate of an ACK out of order");
});

Deno.test("rto: a ts that no transmission of the segment can have gives no sample", () => {
  for (const ts of [0, 999, 1101, 2 ** 31 + 5, 2 ** 32 - 1]) {
    const a = opened({}, 900);
    queue(a, 1);
    a.segments(1001);
    a.input(1100, { cmd: ACK, sn: 0, ts, una: 1 });
    assertEquals(a.kcp.srtt, -1, `sent at 1001, acknowledged at 1100 with ts ${ts}`);
    assert(a.kcp.drained, "the acknowledgment itself is used");
  }
});

Deno.test("rto: rtoGrowth is that of the three modes", () => {
  assertEquals([0, 1, 2, 3].map((n) => rtoGrowth(0, n)), [1.125, 2, 4, 8]);
  assertEquals([0, 1, 2, 3].map((n) => rtoGrowth(1, n)), [1, 1.5, 2, 2.5]);
  assertEquals([0, 1, 2, 3].map((n) => rtoGrowth(2, n)), [1, 1.5, 2, 2.5]);
});

Deno.test("rto: it grows when una acknowledges a segment after it was sent again", () => {
  const a = opened({ nodelay: 2, interval: 10, minRto: 1, resend: 2 });
  queue(a, 1);
  a.segments(0);
  a.input(16, { cmd: ACK, sn: 0, ts: 0, una: 1 });
  for (let sn = 1, now = 100; sn < 10; sn++, now += 100) {
    queue(a, 1);
    a.segments(now);
    while (a.kcp.deadline < now + 56) a.segments(a.kcp.deadline);
    // Data of the peer comes before its acknowledgment, which it has held for an interval.
    a.input(now + 56, { sn: sn - 1, una: sn + 1, data: pattern(1) });
    a.input(now + 56, { cmd: ACK, sn, ts: now, una: sn + 1 });
    a.segments(now + 56);
  }
  assert(a.kcp.rto > 56, `the RTO is ${a.kcp.rto} ms`);
  assert(a.kcp.stats.timeoutRetransmits < 6, `${a.kcp.stats.timeoutRetransmits} were needless`);
});

Deno.test("RTO: it allows for a peer that holds acknowledgments back for longer than this end would", () => {
  // A segment each 7 ms, and a packet of acknowledgments each 40 ms. The round trip takes 8 ms.
  const retransmits = (held: number) => {
    const a = opened({ nodelay: 1, interval: 10, resend: 2, minRto: 1 });
    const acks: { at: number; sn: number; ts: number }[] = [];
    let ackAt = 0;
    for (let now = 0; now < 2000; now++) {
      if (now % 7 === 0) queue(a, 1);
      for (const { cmd, sn, ts } of a.segments(now)) {
        if (cmd === 81) acks.push({ at: now + 4, sn, ts });
      }
      if (now < ackAt + held) continue;
      ackAt = now;
      const arrived = acks.filter(({ at }) => at <= now - 4);
      if (arrived.length === 0) continue;
      acks.splice(0, acks.length, ...acks.filter(({ at }) => at > now - 4));
      const { sn, ts } = arrived.at(-1)!;
      a.input(now, { cmd: 82, sn, ts, una: sn + 1, wnd: 100 });
    }
    const { timeoutRetransmits, tailProbes } = a.kcp.stats;
    return timeoutRetransmits + tailProbes;
  };
  assert(retransmits(40) < 50, `${retransmits(40)} of 286 segments were sent again`);
  assert(retransmits(1) === 0, `${retransmits(1)} of 286 segments were sent again`);
});

Deno.test("rto: it allows for a peer that holds few acknowledgments back, and names the last segment only", () => {
  // The peer acknowledges every 20 ms, with what has arrived just before: one segment, but every eighth time
  // five. An `una` covers those before the last one.
  const a = opened({ nodelay: 1, interval: 10, resend: 2, minRto: 1, nc: true });
  const arriving: { at: number; sn: number; ts: number }[] = [];
  const acks: typeof arriving = [];
  let next = 0;
  for (let now = 0; now < 20_000; now++) {
    const place = now % 20;
    const many = Math.floor(now / 20) % 8 === 0;
    if (place === 19 || many && [0, 1, 11, 12].includes(place)) queue(a, 1);
    for (const { cmd, sn, ts } of a.segments(now)) {
      if (cmd === PUSH) arriving.push({ at: now + 70, sn, ts });
    }
    if (now % 20 === 9) {
      const arrived = arriving.filter(({ at }) => at <= now);
      arriving.splice(0, arrived.length);
      const fresh = arrived.filter(({ sn }) => sn >= next);
      const last = fresh.at(-1);
      if (last) {
        next = last.sn + 1;
        acks.push({ ...last, at: now + 70 });
      }
    }
    while (acks.length > 0 && acks[0].at <= now) {
      const { sn, ts } = acks.shift()!;
      a.input(now, { cmd: ACK, sn, ts, una: sn + 1 });
    }
  }
  const { timeoutRetransmits: again, segmentsOut } = a.kcp.stats;
  assert(again < 0.02 * segmentsOut, `${again} of ${segmentsOut} segments were sent again`);
});
