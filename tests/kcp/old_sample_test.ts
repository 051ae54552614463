import { assert, assertEquals } from "@std/assert";
import { RtoEstimator } from "../../kcp/rto.ts";
import { ACK, encode, End, opened, pattern, PUSH, queue, sent } from "./harness.ts";

Deno.test("rto: the first sample after a long time moves the estimate, and widens the timeout", () => {
  const estimator = new RtoEstimator();
  for (let i = 0; i < 100; i++) estimator.sample(20, 10, 30);
  estimator.replace(400);
  assertEquals([estimator.srtt, estimator.rttvar], [400, 190]);
  estimator.sample(400, 10, 30);
  assertEquals([estimator.srtt, estimator.rto], [400, 400 + 4 * 0.75 * 190]);
  // Downwards, too, and a path that is the same keeps its narrow timeout.
  estimator.replace(20);
  assertEquals([estimator.srtt, estimator.rttvar], [20, 190]);
  for (let i = 0; i < 100; i++) estimator.sample(20, 10, 30);
  estimator.replace(20);
  estimator.sample(20, 10, 30);
  assert(estimator.rto < 32, `${estimator.rto} ms`);
});

/** A machine that sends a segment each `gap` ms on a path of 20 ms, then of 60 ms. */
function srttAfterStep(gap: number): number {
  const a = opened({ nodelay: 1, interval: 10 });
  let now = 0;
  for (let sn = 0; sn < 12; sn++, now += gap) {
    const rtt = sn < 10 ? 20 : 60;
    queue(a, 1);
    a.segments(now);
    a.input(now + rtt, { cmd: ACK, sn, ts: now, una: sn + 1 });
  }
  return a.kcp.srtt;
}

Deno.test("rto: samples that follow each other are smoothed, those far apart are not", () => {
  // RFC 6298 §2.3: two steps of an eighth.
  assertEquals(srttAfterStep(1000), 20 + 40 * (1 - (7 / 8) ** 2));
  assertEquals(srttAfterStep(5000), 60);
});

Deno.test("endsEmpty: an empty message is the last one in order, read or not what is before it", () => {
  const a = opened({});
  const push = (sn: number, length: number, frg = 0) =>
    a.kcp.input(encode({ cmd: PUSH, sn, frg, data: pattern(length) }), 0);
  assertEquals(a.kcp.endsEmpty, false);
  push(0, 10);
  push(2, 0);
  assertEquals(a.kcp.endsEmpty, false, "a segment before it is missing");
  push(1, 10);
  assertEquals([a.kcp.endsEmpty, a.kcp.atEmptyMessage], [true, false]);
  a.kcp.read(new Uint8Array(100));
  assertEquals([a.kcp.endsEmpty, a.kcp.atEmptyMessage], [true, true]);
  push(3, 5);
  assertEquals(a.kcp.endsEmpty, false, "another implementation goes on behind it");
});

Deno.test("endsEmpty: the empty last fragment of a message is no empty message", () => {
  const a = opened({});
  a.kcp.input(encode({ cmd: PUSH, sn: 0, frg: 1, data: pattern(10) }), 0);
  a.kcp.input(encode({ cmd: PUSH, sn: 1, frg: 0, data: pattern(0) }), 0);
  assertEquals(a.kcp.endsEmpty, false);
  a.kcp.read(new Uint8Array(100));
  assertEquals(a.kcp.endsEmpty, false);
});

Deno.test("rtt: a repeated acknowledgment of what arrived long ago tells no round trip, and the rest leaves at once", () => {
  const a = new End({ nodelay: 1, nc: true, deadLinkTime: Infinity });
  queue(a, 3);
  assertEquals(sent(a.segments(0)), [0, 1, 2]);
  let now = 0;
  // The first transmission of segment 0 has arrived; then the path is down.
  for (; a.kcp.deadline < 25_000; now = a.kcp.deadline) a.segments(now);
  const sentAt = now;
  assert(sentAt > 13_000 && a.kcp.deadline > 25_000, "the next timeout is far away");
  a.input(25_000, { cmd: ACK, sn: 0, ts: 10_000, una: 1 });
  assertEquals(a.kcp.srtt, -1);
  assertEquals(sent(a.segments(25_000)), [1, 2]);
});
