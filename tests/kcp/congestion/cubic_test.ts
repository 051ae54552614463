/**
 * CUBIC against numbers that are worked out by hand from the formulas of RFC 9438, and against its
 * tables of average windows. Sections without a number of an RFC are of RFC 9438.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertLess } from "@std/assert";
import { CubicController, type RateSample } from "../../../kcp/mod.ts";
import { bottleneck, fixedDelay, Flow, MSS } from "./flow.ts";
import { lossOf, sampleOf } from "./records.ts";

const cubic = (segments: number) =>
  new CubicController({ mss: MSS, initialWindow: segments * MSS });

/** The window in segments. */
const segments = (controller: CubicController) => controller.window / MSS;

/** A segment that was sent at `sentAt` arrives at `now`. The window is in use. */
const arrive = (controller: CubicController, now: number, sentAt: number, fields = {}) =>
  controller.onAck(sampleOf({ now, rtt: now - sentAt, acked: MSS, ...fields }));

/** A segment that was sent at `sentAt` counts as lost at `now`, with a full window in flight. */
const lose = (controller: CubicController, now: number, sentAt: number, fields = {}) => {
  const inFlight = controller.window;
  controller.onLoss(lossOf({ now, sentAt, inFlight, txInFlight: inFlight, ...fields }));
};

/** A controller that had a window of `before` segments when one was lost at the time 0. */
function reduced(before: number): CubicController {
  const controller = cubic(before);
  lose(controller, 0, -100);
  return controller;
}

/** An acknowledgment of a segment each millisecond, with this round trip, until `end`. */
function acknowledge(controller: CubicController, from: number, end: number, rtt: number): void {
  const perMs = () => controller.window / rtt;
  for (let now = from; now < end; now++) arrive(controller, now, now - rtt, { acked: perMs() });
}

Deno.test("cubic: the first window is the initial one, without a threshold and without pacing", () => {
  const controller = cubic(10);
  assertEquals([controller.window, controller.ssthresh], [10_000, Infinity]);
  assertEquals([controller.segmentWindow, controller.pacingRate], [Infinity, Infinity]);
  const state = { algorithm: "cubic", phase: "slow start", bandwidth: 0, minRtt: 0 };
  assertEquals(controller.state, state);
});

Deno.test("cubic: slow start doubles the window in a round trip (RFC 5681 §3.1)", () => {
  const controller = cubic(10);
  for (let i = 0; i < 10; i++) arrive(controller, 100 + i, i);
  assertEquals(segments(controller), 20);
  arrive(controller, 200, 100, { acked: 20 * MSS, segments: 20 });
  assertEquals(segments(controller), 40);
});

Deno.test("cubic: only a window in use grows; a batch of acknowledgments is one sign (§5.8)", () => {
  const unused = { windowLimited: false };
  for (const controller of [cubic(10), reduced(100)]) {
    const before = controller.window;
    for (let now = 100; now < 900; now++) arrive(controller, now, now - 100, unused);
    assertEquals(controller.window, before);
    arrive(controller, 1000, 900);
    const { window } = controller;
    assertLess(before, window);
    arrive(controller, 1100, 1000, unused);
    assertLess(window, controller.window, "it was in use a round trip ago");
    const last = controller.window;
    arrive(controller, 1101, 1001, unused);
    assertEquals(controller.window, last, "that is longer ago");
  }
});

Deno.test("cubic: a loss leaves 0.7 of the window, 2 segments at least (§4.6)", () => {
  const controller = reduced(100);
  assertEquals([controller.window, controller.ssthresh], [70_000, 70_000]);
  assertEquals(controller.state.phase, "recovery");
  const small = reduced(2);
  assertEquals([small.window, small.ssthresh], [2000, 2000]);
});

Deno.test("cubic: what was sent before the reduction is no new congestion event", () => {
  const controller = cubic(100);
  lose(controller, 500, 400);
  lose(controller, 500, 401);
  lose(controller, 550, 499);
  lose(controller, 650, 500);
  assertEquals(segments(controller), 70);
  lose(controller, 650, 501);
  assertAlmostEquals(segments(controller), 49, 1e-9);
});

Deno.test("cubic: the window stays until something arrives that was sent after the reduction", () => {
  const controller = cubic(100);
  lose(controller, 500, 400);
  for (let now = 500; now < 600; now++) arrive(controller, now, now - 100);
  assertEquals([segments(controller), controller.state.phase], [70, "recovery"]);
  for (let now = 600; now < 610; now++) arrive(controller, now, now - 100);
  assertEquals(controller.state.phase, "avoidance");
  assertLess(70, segments(controller));
});

Deno.test("cubic: W_cubic with W_max 100: K is 4.217 s, and the curve at six times (§4.2)", () => {
  // K = ∛(100 * 0.3 / 0.4) = ∛75 = 4.21716; W(t) = 0.4 * (t - K)³ + 100.
  const curve = [[1, 86.681], [2, 95.640], [3, 99.279], [4, 99.996], [4.217, 100], [8, 121.653]];
  const controller = reduced(100);
  // With a round trip of 200 ms, W_est is 91 segments after 8 s: the curve is above it.
  let now = 200;
  for (const [t, expected] of curve) {
    const end = 200 + 1000 * t;
    acknowledge(controller, now, end, 200);
    now = end;
    // The window follows the curve by a round trip: R² / 2 * W'' is 0.18 segments at most.
    assertAlmostEquals(segments(controller), expected, 0.2, `after ${t} s`);
  }
});

Deno.test("cubic: each segment moves the window by its part of the way to W_cubic(t + RTT) (§4.4)", () => {
  const controller = reduced(100);
  // The stage begins. W_cubic(0) = 70 is below W_est = 70 + 9 / 17 / 70: the Reno-friendly region.
  arrive(controller, 100, 0);
  assertAlmostEquals(segments(controller), 70 + 9 / 17 / 70, 1e-9);
  // W_cubic(1) = 86.68 is above it. W_cubic(1.1) = 100 - 0.4 * 3.1171633³ = 87.884574.
  arrive(controller, 1100, 1000);
  const before = 70 + 9 / 17 / 70;
  assertAlmostEquals(segments(controller), before + (87.884574 - before) / before, 1e-6);
});

Deno.test("cubic: the window grows by half in a round trip at most (§4.2)", () => {
  const controller = reduced(100);
  arrive(controller, 100, 0);
  const { window } = controller;
  // W_cubic(20.1) = 1704 segments.
  arrive(controller, 20_100, 20_000);
  assertAlmostEquals(controller.window, window + 0.5 * MSS, 1e-6);
});

Deno.test("cubic: one acknowledgment stands for a round trip at most", () => {
  const windows = [1, 3].map((times) => {
    const controller = reduced(100);
    arrive(controller, 100, 0);
    arrive(controller, 2000, 1900, { acked: times * controller.window });
    return controller.window;
  });
  assertEquals(windows[0], windows[1]);
});

Deno.test("cubic: in avoidance, no acknowledgment makes the window smaller", () => {
  for (const before of [3, 10, 30, 100, 1000]) {
    for (const rtt of [1, 10, 100, 500]) {
      const controller = reduced(before);
      let last = controller.window;
      for (let now = rtt; now < 30_000; now += 5) {
        // Round trips vary. Each third second has short ones.
        const time = now % 3000 < 1000 ? rtt / 4 : rtt;
        arrive(controller, now, now - time, { acked: controller.window * Math.min(1, 5 / rtt) });
        assert(controller.window >= last, `${before} segments, ${rtt} ms, at ${now}`);
        last = controller.window;
      }
    }
  }
});

Deno.test("cubic: a window that long round trips let grow stays when they are short again", () => {
  const controller = reduced(100);
  acknowledge(controller, 200, 2200, 200);
  let last = controller.window;
  const acknowledgeAt = (now: number, rtt: number, part: number) => {
    arrive(controller, now, now - rtt, { acked: part * controller.window });
    assert(controller.window >= last, `from ${last} to ${controller.window} at ${now}`);
    last = controller.window;
  };
  // W_cubic(2 + 2) is 99.996.
  for (let i = 0; i < 50; i++) acknowledgeAt(2200, 2000, 0.2);
  assertLess(99, segments(controller));
  // W_cubic(2 + 0.01) is 95.7, and W_est only 80 at first.
  for (let i = 0; i < 50; i++) acknowledgeAt(2200, 10, 0.1);
  for (let i = 0; i < 70; i++) acknowledgeAt(2200, 10, 1);
  assertLess(100, segments(controller));
});

Deno.test("cubic: W_est gains 9 / 17 segments a round trip, and 1 after cwnd_prior (§4.3)", () => {
  const controller = reduced(20);
  assertEquals(segments(controller), 14);
  // W_cubic is 14.7 after ten round trips of 10 ms: Reno would have more.
  let now = 10;
  const roundTrips = (count: number) => {
    acknowledge(controller, now, now + 10 * count, 10);
    now += 10 * count;
  };
  roundTrips(10);
  assertAlmostEquals(segments(controller), 14 + 90 / 17, 1e-6);
  // 20 is reached after 6 / (9 / 17) = 11.3 round trips.
  roundTrips(10);
  assertAlmostEquals(segments(controller), 20 + (20 - 34 / 3), 0.05);
});

Deno.test("cubic: fast convergence forgets a part of a window that is smaller than the last (§4.7)", () => {
  const controller = reduced(100);
  lose(controller, 100, 50);
  assertAlmostEquals(segments(controller), 49, 1e-9);
  // W_max is 70 * 0.85 = 59.5, not 70. K = ∛((59.5 - 49) / 0.4) = 2.972: then the curve is flat.
  acknowledge(controller, 300, 300 + 2972, 200);
  assertAlmostEquals(segments(controller), 59.5, 0.2);
  acknowledge(controller, 3272, 3272 + 1528, 200);
  const before = segments(controller);
  assertAlmostEquals(before, 60.93, 0.3);
  lose(controller, 4800, 4799);
  // The window was larger than W_max, and becomes W_max. K = ∛(60.93 * 0.3 / 0.4) = 3.575.
  assertAlmostEquals(segments(controller), 0.7 * before, 1e-9);
  acknowledge(controller, 5000, 5000 + 3575, 200);
  assertAlmostEquals(segments(controller), before, 0.2);
});

Deno.test("cubic: time in which the window is not in use is no part of t (§4.2, §5.8)", () => {
  for (const idle of [false, true]) {
    const controller = reduced(100);
    acknowledge(controller, 200, 2200, 200);
    const before = segments(controller);
    assertAlmostEquals(before, 95.64, 0.2);
    if (idle) {
      controller.onIdleRestart(60_000);
    } else {
      for (let now = 2500; now < 60_000; now += 100) {
        arrive(controller, now, now - 200, { windowLimited: false });
      }
    }
    acknowledge(controller, 60_000, 61_000, 200);
    // W_cubic(3) is 99.28. After a minute, it would be a million.
    assertAlmostEquals(segments(controller), 99.28, 0.3);
  }
});

Deno.test("cubic: a loss while the window is not in use leaves 0.7 of what was (RFC 7661 §4.4)", () => {
  const controller = cubic(10);
  for (let now = 100; now < 200; now++) arrive(controller, now, now - 100);
  assertEquals(segments(controller), 110);
  const unused = { windowLimited: false };
  for (let now = 400; now < 500; now++) arrive(controller, now, now - 100, unused);
  lose(controller, 600, 500, { txInFlight: 30 * MSS, inFlight: 10 * MSS, lost: MSS });
  assertEquals(segments(controller), 21);
  lose(controller, 700, 650, { txInFlight: MSS, inFlight: MSS, lost: MSS });
  assertEquals(segments(controller), 7, "0.7 of the initial window");
});

Deno.test("cubic: a window that is not in use for 5 minutes is halved, to the first one (RFC 7661)", () => {
  const controller = cubic(10);
  for (let now = 100; now < 200; now++) arrive(controller, now, now - 100);
  controller.onIdleRestart(300_199);
  assertEquals(segments(controller), 110);
  controller.onIdleRestart(300_200);
  assertEquals(segments(controller), 55);
  assertEquals(controller.ssthresh, Infinity);
  controller.onIdleRestart(20 * 300_000);
  assertEquals(segments(controller), 10);
  lose(controller, 6_000_100, 6_000_000);
  controller.onIdleRestart(7_000_000);
  assertEquals(segments(controller), 7, "a smaller one stays");
  const later = cubic(10);
  for (let now = 100; now < 200; now++) arrive(later, now, now - 100);
  lose(later, 200, 190);
  later.onIdleRestart(300_200);
  assertEquals([later.window, later.ssthresh], [38_500, 77_000], "slow start to the threshold");
  later.onIdleRestart(900_200);
  assertEquals(later.window, 10_000);
  const avoiding = cubic(10);
  for (let now = 100; now < 200; now++) arrive(avoiding, now, now - 100);
  lose(avoiding, 200, 190);
  acknowledge(avoiding, 300, 7300, 100);
  const { window } = avoiding;
  avoiding.onIdleRestart(307_300);
  assertAlmostEquals(avoiding.window, window / 2, 1e-6);
  assertAlmostEquals(avoiding.ssthresh, 0.75 * window, 1e-6);
});

Deno.test("cubic: a timeout while later segments arrive is a loss like others", () => {
  const controller = cubic(100);
  arrive(controller, 200, 100);
  lose(controller, 300, 100, { timedOut: true });
  controller.onTimeout(300);
  assertAlmostEquals(segments(controller), 70.7, 1e-9, "what was sent with it has arrived");
  lose(controller, 310, 101, { timedOut: true });
  controller.onTimeout(310);
  assertEquals(segments(controller), 1, "nothing that was sent then or later has arrived");
  assertAlmostEquals(controller.ssthresh, 70_700, 1e-6, "it was sent before the reduction");
  arrive(controller, 410, 310);
  lose(controller, 410, 305);
  assertEquals(segments(controller), 2, "the timeout is a reduction, too");
  for (let now = 411; now < 415; now++) arrive(controller, now, now - 100);
  assertEquals(segments(controller), 6);
  lose(controller, 420, 314, { timedOut: true });
  controller.onTimeout(420);
  assertAlmostEquals(segments(controller), 4.2, 1e-9, "a loss like others again");
});

Deno.test("cubic: a timeout within a round trip of an acknowledgment is a loss like others", () => {
  const controller = cubic(100);
  arrive(controller, 200, 100);
  lose(controller, 299, 150, { timedOut: true });
  controller.onTimeout(299);
  assertAlmostEquals(segments(controller), 70.7, 1e-9);
  lose(controller, 300, 151, { timedOut: true });
  controller.onTimeout(300);
  assertEquals(segments(controller), 1, "a round trip of 100 ms without an acknowledgment");
  assertAlmostEquals(controller.ssthresh, 70_700, 1e-6);
});

Deno.test("cubic: after a timeout, slow start up to 0.7 of the window, then K is 0 (§4.8)", () => {
  const controller = cubic(20);
  lose(controller, 300, 0, { timedOut: true });
  controller.onTimeout(300);
  assertEquals([controller.window, controller.ssthresh], [1000, 14_000]);
  assertEquals(controller.state.phase, "slow start");
  // A late acknowledgment of everything lets it grow by one segment (RFC 3465 §2.3).
  arrive(controller, 350, 1, { acked: 15 * MSS });
  assertEquals(segments(controller), 2);
  arrive(controller, 400, 300, { acked: 3 * MSS });
  assertEquals(segments(controller), 5);
  for (let now = 401; now < 410; now++) arrive(controller, now, now - 100);
  assertEquals([segments(controller), controller.state.phase], [14, "avoidance"]);
  // W_cubic(t) = 0.4 t³ + 14. With a round trip of 1 s, W_est has 14 + 9 / 17 * 6 = 17.2 then.
  acknowledge(controller, 1500, 7500, 1000);
  // 0.4 * 6³ = 86.4 more than 14. The window lags by R² / 2 * W'' = 7 segments.
  assertAlmostEquals(segments(controller), 100.4, 9);
});

Deno.test("cubic: HyStart++ is for the first slow start only (RFC 9406 §4.3)", () => {
  const controller = cubic(100);
  lose(controller, 300, 0, { timedOut: true });
  controller.onTimeout(300);
  for (const rtt of [100, 200]) {
    const { window } = controller;
    for (let i = 0; i < 16; i++) {
      const now = 200 + 2 * rtt + i;
      arrive(controller, now, now - rtt, { roundStart: i === 0 });
    }
    assertEquals(controller.window, window + 16 * MSS);
  }
});

Deno.test("cubic: further timeouts without an acknowledgment leave the threshold (RFC 5681 §3.1)", () => {
  const controller = cubic(100);
  // The pacer may hold a retransmission back for some time.
  for (const [now, sentAt] of [[300, 0], [900, 300], [2100, 910]]) {
    lose(controller, now, sentAt, { timedOut: true });
    controller.onTimeout(now);
    assertEquals([controller.window, controller.ssthresh], [1000, 70_000]);
    // An echo acknowledges nothing.
    arrive(controller, now + 1, sentAt - 1, { acked: 0 });
  }
  arrive(controller, 2200, 2100);
  assertEquals(segments(controller), 2);
  lose(controller, 4500, 2200, { timedOut: true });
  controller.onTimeout(4500);
  assertEquals([controller.window, controller.ssthresh], [1000, 2000], "a new event");
});

Deno.test("cubic: an event whose losses were all only late is undone (§4.9)", () => {
  const untouched = reduced(100);
  const controller = reduced(100);
  for (const one of [untouched, controller]) acknowledge(one, 200, 3200, 200);
  const { window, ssthresh } = controller;
  lose(controller, 3200, 3000);
  lose(controller, 3200, 3001);
  lose(controller, 3210, 3002);
  assertAlmostEquals(controller.window, 0.7 * window, 1e-6);
  controller.onNeedlessLoss(3220, 2);
  assertAlmostEquals(controller.window, 0.7 * window, 1e-6, "one may be lost");
  controller.onNeedlessLoss(3220, 1);
  assertEquals([controller.window, controller.ssthresh], [window, ssthresh]);
  // The curve goes on.
  for (const one of [untouched, controller]) acknowledge(one, 3220, 6000, 200);
  assertEquals(controller.window, untouched.window);
  // The event did not happen, so this is one, although it was sent before.
  lose(controller, 6000, 3100);
  assertAlmostEquals(controller.window, 0.7 * untouched.window, 1e-6);
});

Deno.test("cubic: a needless timeout is undone, and the first slow start goes on (§4.9.1)", () => {
  const controller = cubic(10);
  for (let i = 0; i < 10; i++) arrive(controller, 100 + i, i);
  for (let i = 0; i < 20; i++) lose(controller, 300 + i, 110 + i, { timedOut: true });
  controller.onTimeout(320);
  assertEquals(segments(controller), 1);
  controller.onNeedlessLoss(350, 20);
  assertEquals([segments(controller), controller.ssthresh], [20, Infinity]);
  arrive(controller, 350, 110);
  assertEquals(segments(controller), 21);
});

Deno.test("cubic: what was late is not undone when the window is as large again (§4.9.2)", () => {
  const controller = reduced(20);
  acknowledge(controller, 10, 310, 10);
  const { window, ssthresh } = controller;
  assertLess(20, window / MSS);
  controller.onNeedlessLoss(310, 1);
  assertEquals([controller.window, controller.ssthresh], [window, ssthresh]);
});

Deno.test("cubic: HyStart++ ends the first slow start; then W_max is the window, and K 0 (§4.10)", () => {
  const controller = cubic(10);
  const round = (now: number, rtt: number) => {
    for (let i = 0; i < 8; i++) arrive(controller, now + i, now + i - rtt, { roundStart: i === 0 });
  };
  round(100, 100);
  assertEquals(segments(controller), 18);
  round(300, 120);
  assertEquals([segments(controller), controller.state.phase], [
    25.25,
    "conservative slow start",
  ]);
  for (let n = 1; n <= 4; n++) round(300 + 200 * n, 120);
  assertEquals([segments(controller), controller.ssthresh], [33.25, Infinity]);
  arrive(controller, 1300, 1180, { roundStart: true });
  assertEquals([segments(controller), controller.ssthresh], [33.5, 33_500]);
  assertEquals(controller.state.phase, "avoidance");
  // W_est grows by 1 segment a round trip from the beginning. W_cubic(t) = 0.4 * t³ + 33.5.
  acknowledge(controller, 2000, 3000, 1000);
  assertAlmostEquals(segments(controller), 34.5, 0.1);
  acknowledge(controller, 3000, 8000, 1000);
  // 0.4 * 6³ = 86.4. The window lags by R² / 2 * W'' = 7 segments.
  assertAlmostEquals(segments(controller), 33.5 + 86.4, 9);
});

Deno.test("cubic: 2 windows a round trip leave in slow start, 1.2 later (RFC 9002 §7.7)", () => {
  const controller = cubic(10);
  arrive(controller, 100, 0);
  assertEquals(controller.pacingRate, 2 * 110_000);
  lose(controller, 100, 50);
  assertAlmostEquals(controller.pacingRate, 1.2 * 77_000, 1e-6);
  // srtt = 100 + (180 - 100) / 8 (RFC 6298 §2).
  arrive(controller, 230, 50);
  assertAlmostEquals(controller.pacingRate, 1.2 * 70_000, 1e-6);
  assertAlmostEquals(controller.state.bandwidth, 70_000, 1e-6);
  assertEquals(controller.state.minRtt, 100);
});

Deno.test("cubic: another MTU leaves the window in bytes, a segment at least", () => {
  const controller = reduced(100);
  acknowledge(controller, 200, 2200, 200);
  const { window } = controller;
  controller.onMtu(500);
  assertEquals(controller.window, window);
  // The stage begins anew at 95.6 segments of before: K = ∛(4360 / 200) = 2.79, and W_cubic(0.5) is
  // 100,000 - 200 * 2.29³ bytes.
  const half = reduced(100);
  acknowledge(half, 200, 2200, 200);
  half.onMtu(500);
  acknowledge(half, 2200, 2700, 200);
  assertAlmostEquals(segments(half), 97.59, 0.3);
  // Segments of half the size: the curve needs ∛2 times as long for the same bytes.
  acknowledge(controller, 2200, 2200 + 1000 * Math.cbrt((100_000 - window) / 200), 200);
  assertAlmostEquals(segments(controller), 100, 0.3);
  const small = cubic(1);
  small.onMtu(1400);
  assertEquals(small.window, 1400);
  const least = reduced(2);
  least.onMtu(1400);
  assertEquals(least.ssthresh, 2800);
});

/** The average window in segments on a path that loses one segment of `1 / p`. */
function averageWindow(rtt: number, p: number, expected: number): number {
  const controller = cubic(expected);
  lose(controller, 0, -rtt);
  const flow = new Flow(controller, fixedDelay(rtt, Math.round(1 / p)), rtt / (0.7 * expected));
  const cycle = rtt / p / expected;
  flow.run(10 * cycle);
  const { now, delivered } = flow;
  flow.run(30 * cycle);
  assert(flow.losses > 20);
  return (flow.delivered - delivered) * rtt / (flow.now - now);
}

Deno.test("cubic: average windows like Reno's where Reno does well (§5.1, tables 1 and 2)", () => {
  for (
    const [rtt, p, reno] of [
      [100, 1e-2, 12],
      [100, 1e-3, 38],
      [10, 1e-2, 12],
      [10, 1e-3, 38],
      [10, 1e-4, 120],
      [10, 1e-5, 379],
    ]
  ) {
    const average = averageWindow(rtt, p, reno);
    assertAlmostEquals(average / reno, 1, 0.06, `${average} at ${rtt} ms and a loss of ${p}`);
  }
});

Deno.test("cubic: larger average windows on fast and long paths (§5.1, table 1)", () => {
  // The table takes each loss to come just when W_max is reached. Near it, the curve is flat, so that
  // windows a little below stay there; and fast convergence keeps them from being above.
  for (const [p, expected, reno] of [[1e-4, 187, 120], [1e-5, 1054, 379]]) {
    const average = averageWindow(100, p, expected);
    assertAlmostEquals(average / expected, 0.95, 0.05, `${average} at a loss of ${p}`);
    assertLess(1.4 * reno, average);
  }
});

Deno.test("cubic: a bottleneck is used fully, and few segments are lost", () => {
  for (const [rate, rtt, queue] of [[1250, 40, 1], [1250, 100, 1], [125, 40, 1], [1250, 40, 4]]) {
    const bdp = rate * rtt;
    const flow = new Flow(cubic(10), bottleneck(rate, rtt, queue * bdp), 1);
    flow.run(2000);
    const { delivered } = flow;
    flow.run(32_000);
    const use = (flow.delivered - delivered) * MSS / (30_000 * rate);
    assertLess(0.98, use, `${rate} bytes/ms, ${rtt} ms`);
    assertLess(flow.losses / flow.delivered, 0.03, `${rate} bytes/ms, ${rtt} ms`);
  }
});

Deno.test("cubic: HyStart++ loses less at the end of the first slow start", () => {
  /** Without rounds, HyStart++ sees no sign of a queue. */
  class SlowStart extends CubicController {
    override onAck(sample: RateSample): void {
      super.onAck({ ...sample, roundStart: false });
    }
  }
  const context = { mss: MSS, initialWindow: 10 * MSS };
  for (const [rate, rtt] of [[1250, 40], [1250, 100], [12_500, 100], [12_500, 20]]) {
    const [plain, hystart] = [new SlowStart(context), new CubicController(context)].map((one) => {
      const flow = new Flow(one, bottleneck(rate, rtt, 2 * rate * rtt), 1);
      while (one.ssthresh === Infinity) flow.run(flow.now + rtt);
      flow.run(flow.now + 4 * rtt);
      return flow.losses;
    });
    assertLess(hystart, 0.6 * plain, `${rate} bytes/ms, ${rtt} ms`);
  }
});
