/**
 * What every congestion controller keeps, whatever it is told.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  BbrController,
  type CongestionControllerFactory,
  CubicController,
  type Loss,
  type RateSample,
  ReferenceController,
} from "../../../kcp/mod.ts";
import { Random } from "../../../transport/link/random.ts";
import { lossOf, sampleOf } from "./records.ts";

const CONTROLLERS: readonly (readonly [name: string, create: CongestionControllerFactory])[] = [
  ["reference", (context) => new ReferenceController(context)],
  ["cubic", (context) => new CubicController(context)],
  ["bbr", (context) => new BbrController(context)],
  ["bbr with low latency", (context) => new BbrController(context, { latency: true })],
  ["bbr as drafted", (context) => new BbrController(context, { pathLoss: 0 })],
];

const MSS = 1400;
const STEPS = 100_000;

/** What a controller decided last, as one line. */
type Line = string;

/** Drives a controller through `steps` random events. Returns what it decided after each. */
function drive(create: CongestionControllerFactory, seed: string, steps: number): Line[] {
  const random = new Random(seed);
  let mss = MSS;
  const controller = create({ mss, resend: random.below(5), initialWindow: 10 * mss });
  const sample = sampleOf();
  const loss = lossOf();
  const lines: Line[] = [];
  let now = random.below(1000001);
  let sent = 0;
  let delivered = 0;
  let lost = 0;
  let inFlight = 0;
  /** Some value, often one at an end of its range. */
  const some = (most: number): number => {
    const draw = random.below(10);
    return draw === 0 ? 0 : draw === 1 ? most : Math.floor(random.next() * most);
  };
  /** Between rare jumps, times are those of an ordinary session. */
  const pass = () => {
    const draw = random.below(1000);
    now += draw === 0 ? some(1e7) : draw < 100 ? some(500) : draw < 500 ? random.next() * 3 : 0;
  };

  const fillLoss = (timedOut: boolean): Loss => {
    loss.now = now;
    loss.bytes = Math.min(inFlight, 24 + some(mss - 24));
    inFlight -= loss.bytes;
    lost += loss.bytes;
    loss.sentAt = now - some(random.chance(0.1) ? 1e5 : 400);
    loss.lost = loss.bytes + some(lost - loss.bytes);
    loss.txInFlight = loss.bytes + some(sent - loss.bytes);
    loss.inFlight = inFlight;
    loss.span = 1 + some(5000);
    loss.appLimited = random.chance(0.2);
    loss.timedOut = timedOut;
    return loss;
  };

  const fillSample = (): RateSample => {
    const acked = random.chance(0.1) ? 0 : Math.min(inFlight, some(20 * mss));
    sample.now = now;
    sample.priorInFlight = inFlight;
    inFlight -= acked;
    delivered += acked;
    sample.acked = acked;
    sample.segments = acked === 0 ? 0 : Math.ceil(acked / mss);
    sample.advanced = some(sample.segments);
    sample.rtt = random.chance(0.2) ? -1 : some(random.chance(0.05) ? 1e5 : 300);
    sample.inFlight = inFlight;
    sample.totalDelivered = delivered;
    const sampled = acked > 0 && random.chance(0.8);
    sample.delivered = sampled ? acked + some(delivered - acked) : 0;
    sample.interval = sampled ? some(400) : 0;
    // An interval of 0 gives no rate.
    sample.deliveryRate = sample.interval > 0 ? 1000 * sample.delivered / sample.interval : 0;
    sample.priorDelivered = delivered - sample.delivered;
    sample.txInFlight = sampled ? acked + some(sent - acked) : 0;
    sample.lost = sampled ? some(lost) : 0;
    sample.appLimited = random.chance(0.3);
    sample.windowLimited = random.chance(0.6);
    sample.roundStart = sampled && random.chance(0.2);
    sample.remoteWindow = some(65_535);
    return sample;
  };

  for (let step = 0; step < steps; step++) {
    pass();
    const event = random.below(100);
    if (event < 45) {
      if (inFlight === 0 && random.chance(0.3)) controller.onIdleRestart?.(now);
      const bytes = 24 + some(mss - 24);
      inFlight += bytes;
      sent += bytes;
      controller.onSend(now, bytes, inFlight);
    } else if (event < 85) {
      controller.onAck(fillSample());
    } else if (event < 92) {
      for (let n = 1 + random.below(5); n > 0 && inFlight > 0; n--) {
        controller.onLoss(fillLoss(false));
      }
    } else if (event < 96) {
      let count = 0;
      for (let n = 1 + random.below(50); n > 0 && inFlight > 0; n--, count++) {
        controller.onLoss(fillLoss(true));
      }
      if (count > 0) controller.onTimeout(now, count, inFlight);
    } else if (event < 99) {
      controller.onNeedlessLoss?.(now, 1 + random.below(5));
    } else if (controller.onMtu !== undefined && random.chance(0.2)) {
      mss = 50 + random.below(8951);
      controller.onMtu(mss);
    }
    const { window, segmentWindow, pacingRate, ssthresh, state } = controller;
    const line = `${window} ${segmentWindow} ${pacingRate} ${ssthresh} ${JSON.stringify(state)}`;
    const at = `step ${step} of seed ${seed}: ${line}`;
    assert(window >= mss, `window: ${at}`);
    assert(segmentWindow >= 1, `segmentWindow: ${at}`);
    assert(pacingRate > 0, `pacingRate: ${at}`);
    assert(ssthresh > 0, `ssthresh: ${at}`);
    assert(state.algorithm !== "", `algorithm: ${at}`);
    assert(state.bandwidth >= 0 && state.bandwidth < Infinity, `bandwidth: ${at}`);
    assert(state.minRtt >= 0 && state.minRtt < Infinity, `minRtt: ${at}`);
    lines.push(line);
  }
  return lines;
}

for (const [name, create] of CONTROLLERS) {
  Deno.test(`controllers: ${name} keeps a window of a segment and a rate, whatever happens`, () => {
    for (const seed of ["a", "b", "c"]) drive(create, seed, STEPS);
  });

  Deno.test(`controllers: ${name} decides the same when it is told the same`, () => {
    assertEquals(drive(create, "again", 2000), drive(create, "again", 2000));
  });

  Deno.test(`controllers: ${name} keeps none of the records that it is given`, () => {
    const [one, other] = [0, 1].map(() => create({ mss: MSS, resend: 2, initialWindow: 14_000 }));
    const sample = sampleOf({ now: 100, acked: MSS, rtt: 100, roundStart: true });
    const loss = lossOf({ now: 200, sentAt: 50, span: 20, inFlight: 14_000, txInFlight: 15_400 });
    one.onAck(sample);
    one.onLoss(loss);
    other.onAck({ ...sample });
    other.onLoss({ ...loss });
    Object.assign(sample, sampleOf({ now: 1e9, rtt: 9999, acked: 1e9 }));
    Object.assign(loss, lossOf({ now: 1e9, sentAt: 1e9, span: 9999, lost: 1e9 }));
    const next = sampleOf({ now: 320, acked: MSS, rtt: 110 });
    one.onAck(next);
    other.onAck(next);
    assertStrictEquals(one.window, other.window);
    assertStrictEquals(one.segmentWindow, other.segmentWindow);
    assertStrictEquals(one.pacingRate, other.pacingRate);
    assertStrictEquals(one.ssthresh, other.ssthresh);
  });

  Deno.test(`controllers: ${name} knows nothing of the path at first`, () => {
    const controller = create({ mss: MSS, resend: 2, initialWindow: 10 * MSS });
    assertEquals(controller.state.bandwidth, 0);
    assertEquals(controller.state.minRtt, 0);
    // One of the two windows bounds what is in flight.
    const allowed = Math.min(controller.window, controller.segmentWindow * MSS);
    assert(allowed <= 10 * MSS, `${allowed} bytes`);
  });
}
