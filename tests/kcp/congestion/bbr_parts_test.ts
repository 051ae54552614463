/**
 * The parts of BBR, each by itself, with numbers that are worked out by hand.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Aggregation } from "../../../kcp/congestion/bbr_aggregation.ts";
import { Bounds } from "../../../kcp/congestion/bbr_bounds.ts";
import { FastStart } from "../../../kcp/congestion/bbr_fast_start.ts";
import { FullPipe } from "../../../kcp/congestion/bbr_full_pipe.ts";
import { LongerPath } from "../../../kcp/congestion/bbr_longer_path.ts";
import { MaxFilter } from "../../../kcp/congestion/bbr_max_filter.ts";
import { MinRtt } from "../../../kcp/congestion/bbr_min_rtt.ts";
import {
  EQUAL,
  FASTER,
  GROWING,
  PathLoss,
  type Sending,
  SLOWER,
} from "../../../kcp/congestion/bbr_path_loss.ts";
import { Draws } from "../../../kcp/congestion/bbr_draws.ts";
import { LossRounds } from "../../../kcp/congestion/bbr_loss_rounds.ts";
import { Path } from "../../../kcp/congestion/bbr_path.ts";
import { Pause } from "../../../kcp/congestion/bbr_pause.ts";
import { PathStep } from "../../../kcp/congestion/bbr_path_step.ts";
import { Rounds } from "../../../kcp/congestion/bbr_rounds.ts";
import { Jitter } from "../../../kcp/congestion/bbr_jitter.ts";
import { StandingRtt } from "../../../kcp/congestion/bbr_standing_rtt.ts";
import { Suspects } from "../../../kcp/congestion/bbr_suspects.ts";
import { sampleOf } from "./records.ts";

Deno.test("the maximum covers the present slot and those before it, and no more", () => {
  const filter = new MaxFilter(2);
  assertEquals(filter.value, 0);
  filter.update(5);
  filter.update(3);
  assertEquals(filter.value, 5);
  filter.advance();
  filter.update(4);
  assertEquals(filter.value, 5, "the slot before still counts");
  filter.advance();
  assertEquals(filter.value, 4, "the one before that does not");
  filter.advance();
  assertEquals(filter.value, 0);
});

Deno.test("a reset of the maximum forgets all slots but one value", () => {
  const filter = new MaxFilter(3);
  for (const value of [9, 8, 7]) {
    filter.update(value);
    filter.advance();
  }
  filter.reset(2);
  assertEquals(filter.value, 2);
  filter.advance();
  filter.advance();
  assertEquals(filter.value, 2);
  filter.advance();
  assertEquals(filter.value, 0);
});

Deno.test("a factor changes all slots of the maximum", () => {
  const filter = new MaxFilter(2);
  filter.update(8);
  filter.advance();
  filter.update(4);
  filter.scale(0.5);
  assertEquals(filter.value, 4);
  filter.advance();
  assertEquals(filter.value, 2);
});

Deno.test("the shortest round trip is forgotten after 7.5 to 10 s", () => {
  const minRtt = new MinRtt();
  minRtt.onSample(0, 50, false);
  for (let now = 100; now <= 7_500; now += 100) minRtt.onSample(now, 80, false);
  assertEquals(minRtt.value, 50);
  for (let now = 7_600; now <= 10_100; now += 100) minRtt.onSample(now, 80, false);
  assertEquals(minRtt.value, 80);
});

Deno.test("the shortest round trip is kept over a silence until there is another sample", () => {
  const minRtt = new MinRtt();
  minRtt.onSample(0, 50, false);
  assertEquals(minRtt.value, 50);
  minRtt.onSample(60_000, 70, false);
  assert(minRtt.value >= 50 && minRtt.value <= 70);
});

Deno.test("a probe of the round trip is due 5 s after the last lower sample", () => {
  const minRtt = new MinRtt();
  minRtt.onSample(0, 50, false);
  minRtt.onSample(2_000, 49, false);
  minRtt.onSample(7_000, 60, false);
  assertEquals(minRtt.isDue, false, "5 s are not over");
  minRtt.onSample(7_001, 60, false);
  assertEquals(minRtt.isDue, true);
  minRtt.onProbed(7_300);
  assertEquals(minRtt.isDue, false);
});

Deno.test("samples of an empty path make a probe needless", () => {
  const minRtt = new MinRtt();
  for (let now = 0; now <= 60_000; now += 1_000) {
    minRtt.onSample(now, 50 + now / 10_000, now % 4_000 === 0);
    assertEquals(minRtt.isDue, false, `at ${now}`);
  }
});

Deno.test("a probe of a path of 600 ms is due after 25 round trips, 15 s", () => {
  const minRtt = new MinRtt();
  minRtt.onSample(0, 600, false);
  minRtt.onSample(15_000, 700, false);
  assertEquals(minRtt.isDue, false);
  minRtt.onSample(15_001, 700, false);
  assertEquals(minRtt.isDue, true);
});

/** What jitter is seen in round trips of about 100 ms, with a sample each 5 ms. */
function jitterOf(seconds: number, rtt: (now: number) => number): number {
  const jitter = new Jitter();
  for (let now = 0; now < 1000 * seconds; now += 5) jitter.onSample(now, rtt(now), 100);
  return jitter.value;
}

Deno.test("jitter is by how much samples fall at once in each of the last eight round trips", () => {
  assertEquals(jitterOf(0.095, (now) => 100 + now % 10), 0, "not before a round trip has ended");
  assertEquals(jitterOf(2, (now) => 100 + 4 * (now % 15)), 40, "falls from 140 to 100");
  assertEquals(jitterOf(2, (now) => 100 + now / 10), 0, "a queue that grows");
  assertEquals(jitterOf(2, (now) => 300 - now / 10), 0, "and one that drains all the time");
  const shared = (now: number) => 100 + Math.abs(now % 100 - 50) / 2;
  assertEquals(jitterOf(4, shared), 0, "a queue that others fill while it drains");
  // It grows for three round trips and drains for one.
  assertEquals(jitterOf(4, (now) => now % 400 < 300 ? 100 + now % 400 : 700 - now % 400), 0);
  const later = (now: number) => now < 1000 ? 100 + now % 15 : 100;
  assertEquals([jitterOf(1.5, later), jitterOf(2, later)], [0, 0], "the path has changed");
});

Deno.test("a standing queue is in all samples of half a round trip, jitter is not", () => {
  const standing = new StandingRtt();
  for (let now = 0; now < 1_000; now += 5) standing.onSample(now, now % 10 === 0 ? 100 : 130);
  assertEquals(standing.value, 100, "every second sample is that of the empty path");
  for (let now = 1_000; now < 1_100; now += 5) standing.onSample(now, 130);
  assertEquals(standing.value, 130);
});

Deno.test("the pipe is full after three rounds that grow by less than a quarter", () => {
  const pipe = new FullPipe();
  // Growth by 25 % and more resets the count: draft §5.3.1.2.
  for (const rate of [100, 125, 157]) pipe.onRound(rate, 0, false);
  assertEquals(pipe.count, 0);
  pipe.onRound(190, 0, false);
  pipe.onRound(195, 0, false);
  assertEquals(pipe.full, false);
  pipe.onRound(195, 0, false);
  assertEquals(pipe.full, true);
});

Deno.test("the pipe is full after one round without growth in which a queue stands", () => {
  const pipe = new FullPipe();
  pipe.onRound(100, 0, true);
  pipe.onRound(200, 0, true);
  assertEquals(pipe.full, false, "it grows");
  pipe.onRound(200, 0, true);
  assertEquals(pipe.full, true);
});

Deno.test("the pipe is full after one round in which more is sent, and lost", () => {
  const pipe = new FullPipe();
  pipe.onRound(100, 0.2, false);
  // 125 were sent, and now 150: the path itself may lose 0.2 of it.
  pipe.onRound(120, 0.2, false);
  assertEquals(pipe.full, false);
  // 125 were sent, and now 200.
  pipe.onRound(120, 0.4, false);
  assertEquals(pipe.full, true);
});

Deno.test("the first flight shows how far the window may quadruple, and how far it may double", () => {
  const start = new FastStart();
  start.onAck(100, 1000, 1000);
  assertEquals(start.growth(0, 400, 1000), 0, "one acknowledgment tells no rate");
  start.onAck(101, 7000, 1000);
  assertEquals(start.growth(0, 400, 1000), 0, "seven segments are too few");
  // 16 segments in 2 ms: at 400 ms, the path holds 3200. Later ones that were held back change nothing.
  start.onAck(102, 9000, 1000);
  start.onAck(112, 15_000, 1000);
  assertEquals(start.growth(399_000, 400, 1000), 3);
  assertEquals(start.growth(401_000, 400, 1000), 1);
  assertEquals(start.growth(1_599_000, 400, 1000), 1);
  assertEquals(start.growth(1_601_000, 400, 1000), 0);
  assertEquals(start.growth(0, 200, 1000), 0, "a shorter path is filled soon enough");
});

Deno.test("acknowledgments that come at once do not show an endless rate", () => {
  const start = new FastStart();
  for (const _ of [0, 1]) start.onAck(100, 16_000, 1000);
  assertEquals(start.growth(399_000, 100, 1000), 3);
  assertEquals(start.growth(401_000, 100, 1000), 1);
});

Deno.test("a path is longer when no sample of a round is explained by what was in flight", () => {
  const longer = new LongerPath();
  // 100 bytes per ms, 5 ms: 1000 bytes in flight explain 10 ms. The limit is twice that and 10 ms.
  const round = (samples: readonly number[]) => {
    for (const rtt of samples) longer.onSample(rtt, 1000);
    longer.onRound();
    return longer.isLonger(5, 0, 100);
  };
  assertEquals(round([30, 200]), false);
  assertEquals(round([31, 200]), true);
  assertEquals(round([200, 5]), false, "one sample is short");
  assertEquals(round([]), false, "nothing is known");
});

Deno.test("a round before a probe of the round trip does not make the path longer after it", () => {
  const longer = new LongerPath();
  longer.onSample(200, 1000);
  longer.onRound();
  assert(longer.isLonger(5, 0, 100));
  longer.onSample(200, 1000);
  longer.reset();
  assertEquals(longer.isLonger(5, 0, 100), false, "the last round is forgotten");
  assertEquals(longer.explained(5, 0, 100), Infinity, "it is not known what was in flight");
  longer.onSample(6, 1000);
  longer.onRound();
  assertEquals(longer.shortest, 6);
  assertEquals(longer.isLonger(5, 0, 100), false);
});

/** Feeds round trips in ms of 100 segments that leave each ms, until a step is found: it, or -1. */
function findStep(rttOf: (sentAt: number) => number, each = 1, explained = 20): number {
  const step = new PathStep();
  let before = -Infinity;
  for (let sentAt = 0; sentAt < 100; sentAt += each) {
    const now = Math.max(sentAt + rttOf(sentAt), before);
    const found = step.onSample(now, now - sentAt, 1000 * each, explained, 1000, 1000);
    if (found >= 0) return found;
    before = now;
  }
  return -1;
}

Deno.test("a path is longer at once when round trips make a step, and the rate stays", () => {
  assertEquals(findStep((sentAt) => sentAt < 50 ? 20 : 36), 36);
  assertEquals(findStep((sentAt) => sentAt < 50 ? 20 : 35), -1, "10 ms and a quarter are none");
  assertEquals(findStep((sentAt) => sentAt < 50 ? 20 : 36, 1, 22), -1, "the flight explains more");
  assertEquals(findStep(() => 36), -1, "nothing was shorter");
  // Acknowledgments of four segments at once, and a way back that becomes longer later.
  assertEquals(findStep((sentAt) => sentAt < 40 ? 20 : sentAt < 60 ? 60 : 100, 4), 60);
  assertEquals(findStep((sentAt) => sentAt < 40 ? 20 : sentAt < 44 ? 60 : 100, 4), 100);
});

Deno.test("a second step after the first one may be half as high", () => {
  const cases: [number, number[]][] = [[81, [60, 81]], [79, [60]]];
  for (const [after, expected] of cases) {
    const step = new PathStep();
    const found: number[] = [];
    let minRtt = 20;
    for (let sentAt = 0; sentAt < 60; sentAt++) {
      const rtt = sentAt < 20 ? 20 : sentAt < 40 ? 60 : after;
      const longer = step.onSample(sentAt + rtt, rtt, 1000, minRtt, 1000, 1000);
      if (longer < 0) continue;
      found.push(longer);
      minRtt = longer;
    }
    assertEquals(found, expected);
  }
});

Deno.test("a path is not longer when a queue grows, or acknowledgments come more slowly", () => {
  const from = (sentAt: number) => Math.max(0, sentAt - 50);
  assertEquals(findStep((sentAt) => 20 + from(sentAt)), -1, "twice the rate arrives");
  // The link is ten times slower, and segments are acknowledged one by one, or four at once.
  assertEquals(findStep((sentAt) => 20 + 9 * from(sentAt)), -1);
  assertEquals(findStep((sentAt) => 20 + 9 * from(sentAt), 4), -1);
  // A step to a link of half the rate, whose queue grows no more.
  assertEquals(findStep((sentAt) => sentAt < 50 ? 20 : 60, 1), 60);
  const slow = (each: number) => {
    const step = new PathStep();
    step.onSample(20, 20, 1000, 20, 1000, 1000);
    let found = -1;
    for (let i = 1; i < 50; i++) {
      found = Math.max(found, step.onSample(60 + i * each, 60, 1000, 20, 1000, 1000));
    }
    return found;
  };
  assertEquals(slow(1.3), 60, "three quarters of the rate are enough");
  assertEquals(slow(2), -1);
});

Deno.test("an acknowledgment that was held back, or a pause, does not make the path longer", () => {
  const step = new PathStep();
  const note = (now: number, rtt: number) => step.onSample(now, rtt, 16_000, 20, 1000, 1000);
  const found = [
    [20, 20],
    [36, 21],
    [76, 60],
    [84, 21],
    [100, 20],
    [116, 21],
  ].map(([now, rtt]) => note(now, rtt));
  assertEquals(found, found.map(() => -1));
  // After a step, it does not hide it.
  const after = [[220, 100], [242, 120], [246, 102], [262, 102]];
  assertEquals(after.map(([now, rtt]) => note(now, rtt)), [-1, -1, -1, 102]);
  // Nothing is acknowledged for 40 ms, and then all at once.
  assertEquals(findStep((sentAt) => sentAt === 50 ? 60 : 20), -1, "a pause");
});

Deno.test("a pause shows a round trip that may be a longer path's, until the next ones tell", () => {
  const pause = new Pause();
  // 8 ms are explained: a quarter and 10 ms more are 20.
  assertEquals(pause.onSample(19, 100, 8), false, "such a round trip is usual");
  assertEquals(pause.onSample(100, 19, 8), false, "acknowledgments came all the time");
  assertEquals(pause.onSample(49, 100, 8), false, "nothing was in flight for half of the time");
  assertEquals(pause.rtt, 0);
  assertEquals(pause.onSample(100, 100, 8), true);
  assertEquals(pause.rtt, 100);
  assertEquals(pause.onSample(125, 1, 8), false);
  assertEquals(pause.onSample(50, 1, 8), false);
  assertEquals(pause.rtt, 100, "as long as before, with a queue");
  assertEquals(pause.onSample(200, 1, 8), true, "the way back has become longer, too");
  assertEquals(pause.rtt, 200);
  assertEquals(pause.onSample(99, 1, 8), false);
  assertEquals(pause.rtt, 0, "it was a stop");
});

Deno.test("what is acknowledged above the bandwidth is counted over ten rounds", () => {
  const aggregation = new Aggregation();
  // 100 bytes per ms; 1000 bytes at once each 10 ms.
  for (let i = 0; i < 10; i++) aggregation.onAck(10 * i, 1000, 100, 1e9);
  assertEquals(aggregation.extra, 1000);
  assertEquals(aggregation.burst, 1000);
  for (let i = 0; i < 10; i++) aggregation.onRound(false);
  assertEquals(aggregation.extra, 0);
});

Deno.test("packets that acknowledge within half a ms are one burst", () => {
  const aggregation = new Aggregation();
  for (const now of [10, 10.2, 10.4, 11, 11.6]) aggregation.onAck(now, 100, 1, 1e9);
  assertEquals(aggregation.burst, 300);
});

Deno.test("a congested round lowers the bounds to what it delivered, by 0.7 at most", () => {
  const bounds = new Bounds();
  bounds.lower(100, 20_000, 80, 8_000);
  assertEquals(bounds.bandwidth, 80);
  assertEquals(bounds.inFlight, 14_000);
  bounds.lower(100, 20_000, 10, 1_000);
  assertAlmostEquals(bounds.bandwidth, 56);
  assertAlmostEquals(bounds.inFlight, 9_800);
  bounds.resetShortTerm();
  assertEquals(bounds.bandwidth, Infinity);
});

Deno.test("bounds come back when losses turn out to be none", () => {
  const bounds = new Bounds();
  bounds.longTerm = 50_000;
  bounds.save();
  bounds.longTerm = 20_000;
  bounds.lower(100, 20_000, 80, 8_000);
  bounds.undo();
  assertEquals(bounds.longTerm, 50_000);
  assertEquals(bounds.bandwidth, Infinity);
  assertEquals(bounds.inFlight, Infinity);
});

Deno.test("the long-term bound grows by a segment for each 8, and doubles its growth", () => {
  const bounds = new Bounds();
  bounds.longTerm = 100_000;
  bounds.prepareProbe();
  bounds.steepen(100_000, 1_000);
  bounds.raise(16_000, 1_000);
  assertEquals(bounds.longTerm, 102_000);
  // The window holds 100 segments: from 16 steps a round on, growth is more than one for each 8.
  for (let i = 0; i < 5; i++) bounds.steepen(100_000, 1_000);
  bounds.raise(16_000, 1_000);
  assertAlmostEquals(bounds.longTerm, 107_000, 1_000);
});

const MSS = 1000;
const RTT = 100;

/** Sends windows of 100 segments, one a round trip. */
class Windows {
  readonly loss: PathLoss;
  now = 0;

  constructor(limit = 0.5) {
    this.loss = new PathLoss(limit);
  }

  send(sending: Sending, lost: number, queued = false): this {
    const { loss, now } = this;
    loss.begin(now, sending);
    for (let i = 0; i < 100; i++) loss.onSend(MSS);
    // Each loss is found at another time.
    for (let i = 0; i < lost; i++) loss.onLoss(now + RTT + i / 10, now + i / 10, MSS);
    loss.onAck(now + RTT, now + RTT / 2, queued, RTT, MSS);
    this.now += 2 * RTT;
    return this;
  }

  /** Lets the time pass after which losses are known. */
  settle(): PathLoss {
    this.loss.begin(this.now, FASTER);
    this.loss.onAck(this.now + 3 * RTT, this.now, false, RTT, MSS);
    return this.loss;
  }
}

Deno.test("losses without a queue are the path's own", () => {
  assertAlmostEquals(new Windows().send(EQUAL, 20).send(SLOWER, 10).settle().rate, 0.15);
  assertAlmostEquals(new Windows().send(GROWING, 8).settle().rate, 0.08);
});

Deno.test("losses of a window with a queue, and those of a probe, are not the path's own", () => {
  assertEquals(new Windows().send(EQUAL, 20, true).settle().rate, 0);
  assertEquals(new Windows().send(FASTER, 20).settle().rate, 0);
});

Deno.test("a window that loses much less shows that the path does not always lose", () => {
  const loss = new Windows().send(EQUAL, 30).send(EQUAL, 30).send(SLOWER, 2, true).settle();
  assertAlmostEquals(loss.rate, 0.02);
});

Deno.test("windows with a queue make the loss rate doubtful", () => {
  const windows = new Windows().send(EQUAL, 20);
  for (let i = 0; i < 5; i++) windows.send(EQUAL, 20, true);
  assertAlmostEquals(windows.settle().rate, 0.2 * 0.9 ** 5);
});

Deno.test("the loss rate is sure once a queue was seen, and less after probes without one", () => {
  const windows = new Windows().send(EQUAL, 20);
  assertEquals(windows.settle().sure, 0);
  windows.send(EQUAL, 0, true);
  const loss = windows.loss;
  assert(loss.sure > 0);
  assertEquals(loss.sure, loss.rate);
  loss.onProbe(true, false);
  assertEquals(loss.sure, loss.rate);
  loss.onProbe(false, true);
  loss.onProbe(false, true);
  assertAlmostEquals(loss.sure, loss.rate / 4);
});

Deno.test("probes that lead neither to a queue nor to more losses take from the loss rate", () => {
  const loss = new Windows().send(EQUAL, 20).settle();
  loss.onProbe(false, true);
  assertAlmostEquals(loss.rate, 0.2);
  loss.onProbe(false, false);
  loss.onProbe(false, false);
  assertAlmostEquals(loss.rate, 0.05);
  loss.onProbe(false, false);
  assertAlmostEquals(loss.rate, 0.05, 1e-9, "a low one stays");
  loss.onProbe(true, false);
  assertAlmostEquals(loss.rate, 0.2);
});

Deno.test("a start that finds no queue shows nothing of the path's own losses", () => {
  const windows = new Windows().send(GROWING, 30).send(GROWING, 30);
  windows.loss.onStartup(false);
  assertEquals(windows.settle().rate, 0);
  windows.send(EQUAL, 10).settle();
  assertAlmostEquals(windows.loss.rate, 0.1, 1e-9, "what is seen later counts");
  const other = new Windows().send(GROWING, 30);
  other.loss.onStartup(true);
  assertAlmostEquals(other.settle().rate, 0.3);
});

Deno.test("the path's own loss rate has a limit, and losses that were late do not count", () => {
  assertEquals(new Windows(0.1).send(EQUAL, 20).settle().rate, 0.1);
  const windows = new Windows().send(EQUAL, 20);
  windows.loss.onFound(15 * MSS);
  assertAlmostEquals(windows.settle().rate, 0.05);
});

Deno.test("losses are in excess above the path's own, 2 %, and chance", () => {
  const loss = new PathLoss(0.5);
  // 1000 segments, 10 % of their own: 120 are expected, with two deviations of 10.95, and one segment.
  assertEquals(loss.isExcess(142 * MSS, 1000 * MSS, MSS, true, 0.1), false);
  assertEquals(loss.isExcess(143 * MSS, 1000 * MSS, MSS, true, 0.1), true);
  // Without a queue, three deviations.
  assertEquals(loss.isExcess(153 * MSS, 1000 * MSS, MSS, false, 0.1), false);
  assertEquals(loss.isExcess(154 * MSS, 1000 * MSS, MSS, false, 0.1), true);
  // A single loss of a few segments is chance.
  assertEquals(loss.isExcess(MSS, 5 * MSS, MSS, true, 0), false);
});

Deno.test("losses that are found together count as one", () => {
  const loss = new PathLoss(0.5);
  loss.begin(0, EQUAL);
  for (let i = 0; i < 1000; i++) loss.onSend(MSS);
  // Packets of 16 acknowledgments are lost.
  for (let now = 100; now < 200; now += 10) {
    for (let i = 0; i < 16; i++) loss.onLoss(now, 0, MSS);
  }
  // 120 are expected; three deviations of 16 at once are 131, not 33.
  assertEquals(loss.isExcess(240 * MSS, 1000 * MSS, MSS, false, 0.1), false);
  assertEquals(loss.isExcess(260 * MSS, 1000 * MSS, MSS, false, 0.1), true);
});

Deno.test("a queue is longer than 1 ms, a part of the round trip, two segments, noise and jitter", () => {
  const path = new Path(MSS, 10 * MSS, 0.5);
  path.minRtt.onSample(0, 16, false);
  assertEquals(path.queueThreshold, 1);
  path.minRtt.reset(0, 48);
  assertEquals(path.queueThreshold, 3, "a sixteenth");
  path.minRtt.reset(0, 600);
  assertEquals(path.queueThreshold, 5, "5 ms at most");
  path.bandwidth.update(200);
  assertEquals(path.queueThreshold, 10, "two segments take 10 ms");
  for (let i = 0; i < 1_000; i++) path.standing.onSample(0, i % 2 === 0 ? 600 : 620);
  assertAlmostEquals(path.queueThreshold, 60, 1e-6, "three times the noise");
  for (let now = 1; now < 1_000; now++) path.standing.onSample(now, now % 2 === 0 ? 600 : 620);
  assertAlmostEquals(path.queueThreshold, 80, 1e-6, "four times the jitter");
});

Deno.test("what a path holds is its bandwidth times its round trip, and losses that are not found", () => {
  const path = new Path(MSS, 10 * MSS, 0.5);
  assertEquals(path.product(2), 10 * MSS, "nothing is known");
  path.minRtt.onSample(0, 50, false);
  path.bandwidth.update(1000);
  assertEquals(path.product(1), 50_000);
  assertEquals(path.product(0.5), 25_000);
  path.loss.rate = 0.2;
  // Half a round trip passes until a fifth is known to be lost.
  assertAlmostEquals(path.product(1), 55_000);
});

Deno.test("a round trip ends when a segment is acknowledged that was sent after it had begun", () => {
  const rounds = new Rounds();
  const ack = (priorDelivered: number, totalDelivered: number) => {
    rounds.onAck(sampleOf({ delivered: 1000, priorDelivered, totalDelivered }));
    rounds.finish(false);
    return rounds.begins;
  };
  assertEquals(ack(0, 1000), true);
  assertEquals(ack(0, 2000), false);
  assertEquals(ack(1000, 3000), true);
  rounds.start();
  assertEquals(ack(2000, 4000), false);
  assertEquals(ack(3000, 5000), true);
  assertEquals(rounds.count, 3);
});

Deno.test("losses without a queue are congestion after two rounds with them", () => {
  const rounds = new LossRounds();
  const round = (number: number, queued: boolean) => {
    rounds.onExcess(true, queued);
    const { congested } = rounds;
    rounds.onAck(sampleOf({ delivered: 1, priorDelivered: number, totalDelivered: number }));
    rounds.finish();
    return congested;
  };
  assertEquals(round(1, true), true);
  rounds.finish();
  assertEquals(round(2, false), false);
  assertEquals(round(3, false), false);
  assertEquals(round(4, false), true);
});

Deno.test("losses of an earlier phase are no congestion in this one", () => {
  const rounds = new LossRounds();
  rounds.onExcess(false, true);
  assertEquals(rounds.congested, false);
});

Deno.test("losses of several rounds add up, until they have shown congestion or are many", () => {
  const rounds = new LossRounds();
  const round = sampleOf({ delivered: 27_000, lost: 3_000 });
  for (let i = 0; i < 2; i++) rounds.add(round, 1000);
  assertEquals(rounds.sumSent, 60_000);
  assertEquals(rounds.sumLost, 6_000);
  rounds.onSum();
  assertEquals(rounds.congested, true);
  rounds.add(round, 1000);
  assertEquals(rounds.sumLost, 3_000);
  // 18 rounds of 30 segments are more than 512.
  for (let i = 0; i < 18; i++) rounds.add(round, 1000);
  assertEquals(rounds.sumLost, 3_000);
});

Deno.test("an episode of losses is none when half of them were late", () => {
  const suspects = new Suspects();
  assertEquals(suspects.add(0, 100), true);
  assertEquals(suspects.add(150, 100), false);
  assertEquals(suspects.add(300, 100), false);
  assertEquals(suspects.add(300, 100), false);
  assertEquals(suspects.add(300, 100, true), false, "it counts already");
  assertEquals(suspects.clear(1), false);
  assertEquals(suspects.clear(1), true);
  assertEquals(suspects.clear(1), false, "it has ended");
  assertEquals(suspects.add(501, 100), true, "two round trips later, another one begins");
});

Deno.test("draws are from 0 to 1, and differ between flows", () => {
  const [one, other] = [new Draws(), new Draws()];
  one.mix(10, 1000);
  other.mix(10.1, 1000);
  let sum = 0;
  for (let i = 0; i < 1000; i++) {
    const draw = one.next();
    assert(draw >= 0 && draw < 1);
    assert(draw !== other.next());
    sum += draw;
  }
  assert(sum > 450 && sum < 550, `${sum}`);
});
