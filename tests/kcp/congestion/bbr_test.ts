/**
 * BBR on a path of one bottleneck: what it reaches, and what it must not do. 100 Mbit/s and 100 ms,
 * unless a test says otherwise.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { BbrController, type BbrOptions } from "../../../kcp/congestion/bbr.ts";
import { CubicController } from "../../../kcp/congestion/cubic.ts";
import type { CongestionContext } from "../../../kcp/mod.ts";
import { type FlowOptions, jain, PathModel, type PathOptions, percentile } from "./path_model.ts";
import { lossOf, sampleOf } from "./records.ts";

const RATE = 12.5e6;
const RTT = 100;
const PRODUCT = RATE * RTT / 1000;

const bbr = (options: BbrOptions = {}) => (context: CongestionContext) =>
  new BbrController(context, options);

/** A path with one flow, after some seconds. */
function run(
  path: Partial<PathOptions>,
  seconds: number,
  flow: Partial<FlowOptions> = {},
  from = 0,
) {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT, ...path });
  model.measureFrom = 1000 * from;
  const sender = model.add({ create: bbr(), ...flow });
  model.run(1000 * seconds);
  const used = sender.useful / (model.options.rate * (seconds - from));
  return { model, sender, used, sent: sender.sent / sender.useful };
}

Deno.test("BBR uses 0.9 of what the path lets through, at any loss", () => {
  for (const loss of [0, 0.01, 0.05, 0.1, 0.2]) {
    const { used, sent } = run({ loss }, 20);
    assert(used > 0.9 * (1 - loss), `${used} of the link at a loss of ${loss}`);
    assert(sent < 1.05 / (1 - loss), `sent ${sent} times the useful bytes at a loss of ${loss}`);
  }
});

Deno.test("BBR uses 0.85 of a path with a queue of a tenth of a product", () => {
  for (const loss of [0, 0.05, 0.2]) {
    const { used, sent } = run({ loss, queue: PRODUCT / 10 }, 20);
    assert(used > 0.85 * (1 - loss), `${used} of the link at a loss of ${loss}`);
    assert(sent < 1.05 / (1 - loss), `sent ${sent} times the useful bytes at a loss of ${loss}`);
  }
});

Deno.test("BBR keeps the queue below a quarter of a product", () => {
  for (const queue of [1, 10]) {
    for (const loss of [0, 0.05]) {
      const { model } = run({ queue: queue * PRODUCT, loss }, 20);
      assert(model.meanQueue < RTT / 4, `${model.meanQueue} ms with a queue of ${queue}`);
    }
  }
});

Deno.test("BBR reaches 0.9 of its rate within ten round trips", () => {
  for (const loss of [0, 0.05, 0.2]) {
    const { sender } = run({ loss }, 10);
    const final = sender.progress.slice(50).reduce((sum, bytes) => sum + bytes, 0) / 50;
    const reached = sender.progress.findIndex((bytes) => bytes > 0.9 * final);
    assert(reached < 10, `after ${reached} round trips at a loss of ${loss}`);
  }
});

Deno.test("BBR fills paths of other rates and round trips, with late acknowledgments", () => {
  const paths = [[0.125e6, 600], [1.25e6, 10], [1.25e6, 600], [12.5e6, 1], [12.5e6, 10]];
  for (const [rate, rtt] of paths) {
    for (const ackDelay of [0, Math.min(10, 2 * rtt)]) {
      const queue = Math.max(15_000, rate * rtt / 1000);
      const { used } = run({ rate, rtt, queue, ackDelay }, 20 + rtt / 20, {}, rtt / 30);
      assert(used > 0.88, `${used} at ${rate} bytes a second, ${rtt} ms, delayed ${ackDelay} ms`);
    }
  }
});

Deno.test("acknowledgments in bunches do not limit a short path", () => {
  for (const rate of [2e8, 4e8]) {
    const { used } = run({ rate, rtt: 0.2, queue: 200_000, ackDelay: 3 }, 1, { initial: 64 });
    assert(used > 0.9, `${used} of ${rate} bytes a second`);
  }
});

Deno.test("two flows that start together share the path", () => {
  for (const queue of [0.1, 1, 10]) {
    const model = new PathModel({ rate: RATE, rtt: RTT, queue: queue * PRODUCT });
    const flows = [0, 10].map((start) => model.add({ create: bbr(), start }));
    model.run(20_000);
    const share = flows[0].useful / (flows[0].useful + flows[1].useful);
    assert(share > 0.4 && share < 0.6, `${share} with a queue of ${queue}`);
  }
});

Deno.test("a flow that comes later gets its share", () => {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  model.measureFrom = 40_000;
  const flows = [0, 5_000].map((start) => model.add({ create: bbr(), start }));
  model.run(60_000);
  assert(jain(flows.map(({ useful }) => useful)) > 0.9, `${flows.map(({ useful }) => useful)}`);
});

Deno.test("flows that find a full queue do not take its losses for the path's own", () => {
  const rate = 5e6;
  const model = new PathModel({ rate, rtt: 40, queue: rate * 0.04 });
  const flows = Array.from({ length: 20 }, (_, i) =>
    // They do not start in lockstep.
    model.add({ create: bbr(), start: 500 * i + 7 * (i * i % 11) }));
  model.run(14_000);
  const sent = flows.reduce((sum, flow) => sum + flow.sent, 0);
  const useful = flows.reduce((sum, flow) => sum + flow.useful, 0);
  assert(useful > 0.95 * 14 * rate, `${useful} bytes arrived`);
  assert(sent < 1.5 * useful, `sent ${sent / useful} times the useful bytes`);
});

Deno.test("a game beside BBR is not more than 15 ms late", () => {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  model.measureFrom = 2_000;
  model.add({ create: bbr() });
  const game = model.add({ create: bbr(), messages: { size: 200, interval: 1000 / 60 } });
  model.run(20_000);
  const late = percentile(game.delays, 0.99) - RTT / 2;
  assert(late < 15, `${late} ms`);
});

Deno.test("BBR quadruples its window while it is small for what the first flight has shown", () => {
  // 5000 segments of the path are a long way to go for 32.
  const [rate, rtt] = [RATE, 600];
  const model = new PathModel({ rate, rtt, queue: rate * rtt / 1000 });
  const flow = model.add({ create: bbr() });
  const windows = [1, 2, 3, 4].map((round) => {
    model.run((round + 0.9) * rtt);
    return flow.controller.window;
  });
  assert(windows[1] > 3 * windows[0], `${windows}`);
  assert(windows[3] < 3 * windows[2], `${windows}`);
  model.run(8 * rtt);
  const start = flow.useful;
  model.run(10 * rtt);
  assert(flow.useful - start > 0.9 * 2 * rtt / 1000 * rate, `${flow.useful - start} bytes`);
  // A short path holds too little for that.
  const short = new PathModel({ rate, rtt: 40, queue: rate * 0.04 });
  const other = short.add({ create: bbr() });
  short.run(1.9 * 40);
  const before = other.controller.window;
  short.run(2.9 * 40);
  assert(other.controller.window <= 2 * before, `${other.controller.window} of ${before}`);
});

Deno.test("BBR leaves Startup when the peer's window limits it, and a queue stands", () => {
  const path = { mss: 1000, initialWindow: 32_000, resend: 2 };
  const controller = new BbrController(path);
  let delivered = 0;
  let now = 0;
  // 100 bytes per ms, and 20 ms: 40 segments of the window make a queue of 380 ms.
  const sample = sampleOf({ segments: 1, acked: 1000, appLimited: true });
  for (let i = 0; i < 400; i++) {
    now = 20 + 10 * i;
    delivered += 1000;
    const flight = Math.min(40_000, 1000 * (i + 1));
    controller.onSend(now, 1000);
    Object.assign(sample, {
      now,
      rtt: Math.max(20, flight / 100),
      delivered: flight,
      interval: Math.max(20, flight / 100),
      deliveryRate: 100_000,
      inFlight: flight,
      priorInFlight: flight,
      txInFlight: flight,
      priorDelivered: Math.max(0, delivered - flight),
      totalDelivered: delivered,
    });
    controller.onAck(sample);
  }
  assertEquals(controller.state.phase === "startup", false, controller.state.phase);
});

Deno.test("BBR finds a longer path within two round trips, and fills it then", () => {
  for (const [before, after] of [[5, 200], [20, 60]]) {
    for (const loss of [0, 0.05]) {
      const model = new PathModel({ rate: RATE, rtt: before, queue: PRODUCT, loss });
      const flow = model.add({ create: bbr() });
      model.run(5_000);
      model.configure({ rtt: after });
      model.run(5_000 + 2 * after);
      assertAlmostEquals(flow.controller.state.minRtt, after, 0.1 * after);
      model.run(5_000 + 2.5 * after);
      const start = flow.useful;
      model.run(5_000 + 4.5 * after);
      const used = (flow.useful - start) / (2 * after) * 1000 / RATE / (1 - loss);
      assert(used > 0.85, `${before} to ${after} ms: ${used} of the link`);
    }
  }
});

Deno.test("BBR finds a longer path within a second", () => {
  const model = new PathModel({ rate: RATE, rtt: 5, queue: PRODUCT });
  const flow = model.add({ create: bbr() });
  model.run(5_000);
  model.configure({ rtt: 200 });
  model.run(6_000);
  assertAlmostEquals(flow.controller.state.minRtt, 200, 10);
  model.run(10_000);
  const used = flow.progress.slice(-30).reduce((sum, bytes) => sum + bytes, 0) / 3 / RATE;
  assert(used > 0.9, `${used} of the link`);
});

Deno.test("BBR does not take a slower path for a longer one", () => {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  const flow = model.add({ create: bbr() });
  model.run(5_000);
  model.configure({ rate: RATE / 10 });
  model.run(12_000);
  const { minRtt, bandwidth } = flow.controller.state;
  assert(minRtt < 105, `a round trip of ${minRtt} ms`);
  assert(bandwidth < 1.05 * RATE / 10, `${bandwidth} bytes a second`);
});

Deno.test("BBR finds a faster path within 30 round trips", () => {
  const model = new PathModel({ rate: RATE / 10, rtt: RTT, queue: PRODUCT });
  const flow = model.add({ create: bbr() });
  model.run(5_000);
  model.configure({ rate: RATE });
  model.run(8_500);
  const used = flow.progress.slice(-5).reduce((sum, bytes) => sum + bytes, 0) * 2 / RATE;
  assert(used > 0.85, `${used} of the link`);
});

Deno.test("a flow that the application limits does not stop to measure the round trip", () => {
  for (const loss of [0, 0.05]) {
    const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT, loss });
    const phases = new Set<string>();
    model.onTrace = ({ controller }) => phases.add(controller.state.phase);
    // A video of 5 Mbit/s: 25 frames a second, of 25 kB.
    const flow = model.add({ create: bbr(), messages: { size: 25_000, interval: 40 } });
    model.run(30_000);
    assertEquals(phases.has("probe_rtt"), false, `${[...phases]} at a loss of ${loss}`);
    const late = percentile(flow.delays, 0.5) - RTT / 2;
    assert(late < 20, `${late} ms late at a loss of ${loss}`);
  }
});

Deno.test("a flow with all the data it can send measures the round trip each 5 s", () => {
  const times: number[] = [];
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  let before = "";
  model.onTrace = ({ controller }, { now }) => {
    const { phase } = controller.state;
    if (phase === "probe_rtt" && before !== phase) times.push(now);
    before = phase;
  };
  model.add({ create: bbr() });
  model.run(30_000);
  assert(times.length >= 3 && times.length <= 5, `at ${times}`);
});

Deno.test("a cut of two seconds costs a second more", () => {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  const flow = model.add({ create: bbr() });
  model.run(5_000);
  model.configure({ loss: 1 });
  model.run(7_000);
  model.configure({ loss: 0 });
  model.run(10_000);
  const used = flow.progress.slice(80, 100).reduce((sum, bytes) => sum + bytes, 0) / 2 / RATE;
  assert(used > 0.8, `${used} of the link in the third second`);
});

Deno.test("jitter does not look like a queue", () => {
  const { used } = run({ jitter: 20 }, 20, {}, 2);
  assert(used > 0.85, `${used} of the link`);
});

/** The mean use of a path with jitter and 10 % loss, of what it lets through, and its mean queue in ms. */
function runWithJitter(jitter: number, rate = 2.5e6): { used: number; queue: number } {
  const seeds = [1, 2, 3, 4, 5];
  let [used, queue] = [0, 0];
  for (const seed of seeds) {
    const options = { rate, rtt: 60, queue: 0.06 * rate, jitter, loss: 0.1 };
    const model = new PathModel(options, seed);
    model.measureFrom = 2000;
    const flow = model.add({ create: bbr() });
    model.run(15_000);
    used += flow.useful / (0.9 * rate * 13) / seeds.length;
    queue += model.meanQueue / seeds.length;
  }
  return { used, queue };
}

Deno.test("losses on a path with jitter are no sign of congestion", () => {
  for (const [jitter, least] of [[10, 0.9], [20, 0.87], [30, 0.83]]) {
    const { used, queue } = runWithJitter(jitter);
    assert(used > least, `${used} with ${jitter} ms`);
    assert(queue < 15, `a queue of ${queue} ms with ${jitter} ms`);
  }
  // Packets that follow closely wait for those before them: more of them have the delay of the slowest.
  const { used } = runWithJitter(20, RATE);
  assert(used > 0.65, `${used} of a faster path`);
});

Deno.test("on a path with jitter, BBR finds the queue of another flow", () => {
  const rate = 2.5e6;
  const model = new PathModel({ rate, rtt: 60, queue: 0.06 * rate, jitter: 20 });
  model.measureFrom = 10_000;
  const flow = model.add({ create: bbr() });
  const other = model.add({ create: (context) => new CubicController(context) });
  model.run(40_000);
  const share = flow.useful / (flow.useful + other.useful);
  assert(share > 0.2 && share < 0.6, `${share} of the link`);
});

Deno.test("five flows for low latency lose less than a tenth", () => {
  for (const queue of [0.1, 1, 10]) {
    const model = new PathModel({ rate: RATE, rtt: 40, queue: queue * RATE * 0.04 });
    const flows = [0, 1, 2, 3, 4].map((start) =>
      model.add({ create: bbr({ latency: true }), start: 500 * start, initial: 64 })
    );
    model.run(20_000);
    const sent = flows.reduce((sum, flow) => sum + flow.sent, 0);
    const useful = flows.reduce((sum, flow) => sum + flow.useful, 0);
    assert(useful / sent > 0.9, `${useful / sent} of what was sent arrived, queue of ${queue}`);
  }
});

Deno.test("a flow for low latency does not flood a short path", () => {
  for (const rate of [1.25e6, 12.5e6]) {
    const flow = { create: bbr({ latency: true }), initial: 64 };
    const { used, sent } = run({ rate, rtt: 1, queue: 15_000 }, 10, flow);
    assert(sent < 1.15, `sent ${sent} times the useful bytes at ${rate} bytes a second`);
    assert(used > 0.9, `${used} of the link`);
  }
});

const MSS = 1000;
const CONTEXT: CongestionContext = { mss: MSS, resend: 2, initialWindow: 10 * MSS };

Deno.test("BBR begins with the initial window, and paces it as if the round trip were 1 ms", () => {
  const controller = new BbrController(CONTEXT);
  assertEquals(controller.window, 10_000);
  // Draft §5.6.2: 2.77 times 10,000 bytes in 1 ms.
  assertAlmostEquals(controller.pacingRate, 27.7e6);
  assertEquals(controller.segmentWindow, Infinity);
  assertEquals(controller.ssthresh, Infinity);
  assertEquals(controller.state, { algorithm: "bbr", phase: "startup", bandwidth: 0, minRtt: 0 });
});

Deno.test("the first round trip corrects the pacing rate", () => {
  const controller = new BbrController(CONTEXT);
  controller.onSend(0, MSS);
  controller.onAck(sampleOf({ now: 50, rtt: 50, totalDelivered: 1000, delivered: 1000 }));
  // 10,000 bytes in 50 ms.
  assertAlmostEquals(controller.pacingRate, 2.77 * 10_000 / 0.05, 1);
});

/** A flight of 20 segments, of which the first came back after 50 ms, and those behind it ever later. */
function throughQueue(): BbrController {
  const controller = new BbrController({ ...CONTEXT, initialWindow: 20 * MSS });
  for (let i = 1; i <= 20; i++) controller.onSend(0, MSS);
  const ack = (now: number, rtt: number, i: number, priorDelivered: number) =>
    controller.onAck(sampleOf({
      now,
      rtt,
      priorDelivered,
      delivered: i * MSS - priorDelivered,
      totalDelivered: i * MSS,
      deliveryRate: 1000 * (i * MSS - priorDelivered) / rtt,
      inFlight: 20 * MSS,
      txInFlight: 20 * MSS,
    }));
  for (let i = 1; i <= 10; i++) ack(50 + 10 * i, 50 + 10 * i, i, 0);
  ack(160, 100, 11, 1 * MSS);
  return controller;
}

Deno.test("losses in Startup leave no room while a queue stands, until what was sent before is known", () => {
  const controller = throughQueue();
  assert(controller.window > 30 * MSS, `${controller.window}`);
  const lose = (lost: number) => {
    const inFlight = (20 - lost) * MSS;
    controller.onLoss(lossOf({ now: 170, lost: lost * MSS, txInFlight: 20 * MSS, inFlight }));
  };
  for (let lost = 1; lost <= 8; lost++) lose(lost);
  assertEquals(controller.window, 12 * MSS, "what is in flight");
  // 12 segments were acknowledged until then: the round trip goes on.
  controller.onAck(sampleOf({
    now: 180,
    rtt: 110,
    priorDelivered: 2 * MSS,
    totalDelivered: 12 * MSS,
    inFlight: 11 * MSS,
    lost: 8 * MSS,
  }));
  assertEquals(controller.window, 12 * MSS);
  controller.onNeedlessLoss(190, 8);
  assert(controller.window > 30 * MSS, "they were only late");
});

Deno.test("a queue shows in Startup how fast the first flight really was", () => {
  // Assumed: 20 segments and those acknowledged, in the smoothed round trip. Shown: ten in 100 ms.
  const { pacingRate } = throughQueue();
  assertAlmostEquals(pacingRate, 0.99 * 2.77 * 10 * MSS / 0.1, 1000);
});

/** A controller whose last acknowledgment came at 100 ms, after a round trip of 50 ms. */
function afterOneAck(options?: BbrOptions): BbrController {
  const controller = new BbrController(CONTEXT, options);
  controller.onSend(50, MSS);
  controller.onAck(sampleOf({ now: 100, rtt: 50, totalDelivered: 1000, delivered: 1000 }));
  return controller;
}

Deno.test("a timeout without acknowledgments leaves one segment more than is in flight", () => {
  const controller = afterOneAck();
  const before = controller.window;
  controller.onLoss(lossOf({ now: 300, sentAt: 100, timedOut: true }));
  controller.onTimeout(300, 1, 5_000);
  assertEquals(controller.window, 6_000);
  controller.onNeedlessLoss(310, 1);
  assertEquals(controller.window, before, "it was needless");
});

Deno.test("a timeout leaves four segments at least: draft §2.6, MinPipeCwnd", () => {
  const controller = afterOneAck();
  controller.onTimeout(300, 1, 0);
  assertEquals(controller.window, 4_000);
});

Deno.test("a timeout while other segments are acknowledged is a loss like others", () => {
  const controller = afterOneAck();
  const before = controller.window;
  controller.onTimeout(140, 1, 2_000);
  assertEquals(controller.window, before);
});

Deno.test("a larger segment fits the smallest window four times", () => {
  const controller = afterOneAck();
  controller.onTimeout(300, 1, 0);
  controller.onMtu(1_400);
  assertEquals(controller.window, 5_600);
});

Deno.test("a loss rate of the path from 0 to below 1 is allowed", () => {
  for (const pathLoss of [-0.1, 1, NaN]) {
    assertThrows(() => new BbrController(CONTEXT, { pathLoss }), RangeError, `${pathLoss}`);
  }
  new BbrController(CONTEXT, { pathLoss: 0 });
});

Deno.test("without losses of the path's own, BBR backs off from loss as the draft does", () => {
  const { used } = run({ loss: 0.2 }, 10, { create: bbr({ pathLoss: 0 }) });
  assert(used < 0.5, `${used} of the link`);
});

Deno.test("for low latency, a timeout does not make the window smaller", () => {
  const controller = afterOneAck({ latency: true });
  const before = controller.window;
  controller.onTimeout(300, 1, 2_000);
  assertEquals(controller.window, before);
});

Deno.test("for low latency, a burst of the initial window can leave in a round trip", () => {
  const model = new PathModel({ rate: RATE, rtt: RTT, queue: PRODUCT });
  const flow = model.add({ create: bbr({ latency: true }), initial: 64 });
  let least = Infinity;
  let slowest = Infinity;
  model.onTrace = ({ controller }) => {
    least = Math.min(least, controller.window);
    slowest = Math.min(slowest, controller.pacingRate);
  };
  model.run(10_000);
  assert(least >= 64 * 1400, `a window of ${least}`);
  assert(slowest >= 0.5 * 64 * 1400 / 0.1, `${slowest} bytes a second`);
  assert(flow.useful / (RATE * 10) > 0.88);
});
