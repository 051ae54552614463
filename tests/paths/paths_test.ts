import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { turbo } from "../../mod.ts";
import type { CongestionController } from "../../kcp/mod.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import { VirtualTime } from "../../transport/link/virtual_time.ts";
import { parse } from "./arguments.ts";
import { draw } from "./drawing.ts";
import { QueueGauge } from "./dumbbell.ts";
import {
  type Configuration,
  configurationOf,
  MTU,
  PACKET,
  packetTime,
  PAYLOAD,
  type Row,
  ROWS,
} from "./grid.ts";
import { runRow } from "./measure.ts";
import { bars, judge, lineOf, meanOf } from "./report.ts";
import { Arrivals, fairness, quantiles } from "./statistics.ts";

/** A controller that limits nothing: the windows of the machine do. */
const OPEN: CongestionController = {
  window: Infinity,
  segmentWindow: Infinity,
  pacingRate: Infinity,
  ssthresh: Infinity,
  state: { algorithm: "open", phase: "", bandwidth: 0, minRtt: 0 },
  onSend: () => {},
  onAck: () => {},
  onLoss: () => {},
  onTimeout: () => {},
};

const TURBO: Configuration = { name: "turbo", options: turbo };

/** A path of 100 Mbit/s and 100 ms, with one sender that has a window of 16 segments. */
const NARROW: Row = {
  group: "single",
  name: "narrow",
  path: { rate: 100, roundTrip: 100, queue: 1, loss: 0 },
  window: 16,
  seconds: 6,
  flows: [{ traffic: "bulk" }],
  aims: [],
};

Deno.test("paths: the gauge has the wait of a packet that would come at each time", () => {
  // With headers, each packet has 1000 bytes and takes 10 ms. One leaves, and two may wait.
  const options = { bandwidth: 100_000, queueBytes: 2000, latency: 7 };
  const gauge = new QueueGauge(new Link(options, new Random(1)), 5);
  const arrivals: number[] = [];
  const send = (now: number, count: number) => {
    for (let i = 0; i < count; i++) {
      gauge.transmit(new Uint8Array(972), now, (_, at) => arrivals.push(at));
    }
  };
  send(0, 5);
  send(22, 1);
  gauge.advance(50);
  assertEquals(arrivals, [17, 27, 37, 47]);
  assertEquals(gauge.waits, [30, 25, 20, 15, 10, 15, 10, 5, 0, 0]);
  assertEquals(gauge.quantiles([0.5, 1], 0, 25), [20, 30]);
  assertEquals([gauge.below(15, 0, 50), gauge.below(1, 0, 30)], [15, Infinity]);
});

Deno.test("paths: a packet that is lost on the way has stood in the queue, a cut path takes none", () => {
  const link = new Link({ bandwidth: 100_000, loss: 1 }, new Random(1));
  const gauge = new QueueGauge(link, 10);
  gauge.transmit(new Uint8Array(972), 0, () => {});
  link.down = true;
  gauge.transmit(new Uint8Array(972), 0, () => {});
  gauge.advance(20);
  assertEquals(gauge.waits, [10, 0]);
});

Deno.test("paths: a window of 16 segments gives 16 segments a round trip, and no queue", () => {
  const { figures, shape } = runRow(NARROW, TURBO, 1);
  const capacity = 12.5e6 * PAYLOAD / PACKET;
  assertAlmostEquals(figures.rate!, 16 * PAYLOAD / 0.1 / capacity, 0.001);
  assertEquals(figures.possible, figures.rate);
  assertAlmostEquals(figures.sent!, MTU / PAYLOAD, 1e-4);
  assertEquals([figures.lost, figures.queue, figures.rounds], [0, 0, 1]);
  // A round trip is a little longer than that of the empty path, so one may have fewer packets.
  assertAlmostEquals(shape.reduce((a, b) => a + b) / shape.length, 1, 0.03);
});

Deno.test("paths: of the packets, the share is lost that the path loses, and is sent again", () => {
  const row = { ...NARROW, path: { ...NARROW.path, loss: 0.1 }, seconds: 20 };
  const { figures } = runRow(row, { name: "plain", options: { ...turbo, copies: 0 } }, 1);
  assertAlmostEquals(figures.lost!, 0.1, 0.02);
  // Lost acknowledgments cost some more.
  const times = figures.sent! * PAYLOAD / MTU * (1 - figures.lost!);
  assert(times >= 1 && times < 1.2, `sent ${times} times what the loss explains`);
  assertAlmostEquals(figures.possible!, figures.rate! / 0.9, 1e-9);
});

Deno.test("paths: what a flow gets on a path that it fills is the payload that the link can carry", () => {
  const path = { rate: 10, roundTrip: 20, queue: 10, loss: 0 };
  const options = { ackNoDelay: true, congestion: () => OPEN };
  const { figures } = runRow({ ...NARROW, path, window: 64 }, { name: "open", options }, 1);
  // A product has 17.5 packets: the others of the window stand in the queue.
  assertAlmostEquals(figures.rate!, 1, 0.01);
  assertAlmostEquals(figures.queue!, (64 - 17.5) * 8 * PACKET / 10_000, 2);
  assertAlmostEquals(figures.queueProducts!, figures.queue! / 20, 1e-9);
});

Deno.test("paths: a request takes a round trip, and a game beside an idle path one way", () => {
  const requests: Row = {
    ...NARROW,
    flows: [],
    requests: { size: 100, count: 20, connections: 1 },
  };
  const { time50, time50Rounds } = runRow(requests, TURBO, 1).figures;
  // A packet of 152 bytes with headers takes 12 us each way.
  assertAlmostEquals(time50!, 100.03, 0.1);
  assertAlmostEquals(time50Rounds!, 1, 0.001);
  const flows: Row["flows"] = [{ traffic: "bulk" }, { traffic: "game" }];
  const { late50, late99 } = runRow({ ...NARROW, flows }, TURBO, 1).figures;
  // A message may wait for the 16 packets of the other flow: 1.8 ms.
  assert(late50! < 0.1 && late99! < 2, `late by ${late50} and ${late99} ms`);
});

Deno.test("paths: messages that have not arrived are late by the time that has passed", () => {
  const row: Row = {
    ...NARROW,
    flows: [{ traffic: "bulk" }, { traffic: "game" }],
    changes: [{ at: 2, down: true }],
    seconds: 4,
    from: 2,
  };
  // Those of 2 s of silence: half of them are later than 1 s minus the 50 ms of one way.
  assertAlmostEquals(runRow(row, TURBO, 1).figures.late50!, 950, 20);
});

Deno.test("paths: a flow with a longer access has a longer round trip", () => {
  const flows: Row["flows"] = [{ traffic: "bulk" }, { traffic: "bulk", access: 100 }];
  const { shares } = runRow({ ...NARROW, flows }, TURBO, 1);
  // Both send 16 packets in each of their round trips.
  assertAlmostEquals(shares[0], 2 / 3, 0.01);
  assertAlmostEquals(shares[0] + shares[1], 1, 0.001);
});

Deno.test("paths: after a cut, recovery counts from its end", () => {
  const changes = [{ at: 2, down: true }, { at: 3, down: false }];
  const { figures } = runRow({ ...NARROW, changes }, TURBO, 1);
  // A probe finds the path open again within a second, and the window is full a round trip later.
  assert(figures.recovery! >= 2 && figures.recovery! <= 12, `recovery ${figures.recovery}`);
  const never = runRow({ ...NARROW, changes: [{ at: 2, down: true }] }, TURBO, 1);
  assertEquals(never.figures.recovery, Infinity);
});

Deno.test("paths: the same seed gives the same figures", () => {
  const row = { ...NARROW, path: { ...NARROW.path, loss: 0.05 } };
  const first = runRow(row, TURBO, 1);
  assertEquals(runRow(row, TURBO, 1), first);
  assert(runRow(row, TURBO, 2).figures.sent !== first.figures.sent);
});

Deno.test("paths: rates over time, and when one is reached", () => {
  const time = new VirtualTime(0);
  // 100 bytes a ms in the first 20 ms, then twice as many.
  const arrived = () => 100 * time.now + 100 * Math.max(0, time.now - 20);
  const arrivals = new Arrivals(time, arrived, 0, 10);
  time.elapse(40);
  assertEquals(arrivals.rates(), [100_000, 100_000, 200_000, 200_000]);
  assertEquals(arrivals.rate(0, 40), 150_000);
  assertEquals([arrivals.reached(0, 100_000), arrivals.reached(0, 150_000)], [10, 30]);
  assertEquals([arrivals.reached(30, 150_000), arrivals.reached(0, 300_000)], [40, Infinity]);
});

Deno.test("paths: fairness and percentiles", () => {
  assertEquals(fairness([3, 1]), { first: 0.75, jain: 0.8, least: 0.5, most: 1.5 });
  assertEquals(fairness([1, 0, 0, 0]).jain, 0.25);
  assertEquals(quantiles([4, 1, 3, 2], [0.5, 0.75, 1]), [2, 3, 4]);
  assertEquals(quantiles([], [0.5]), [NaN]);
});

Deno.test("paths: aims are judged for those that they are for", () => {
  const row: Row = {
    ...NARROW,
    aims: [
      { figure: "possible", least: 0.9 },
      { figure: "sent", most: 1.05, for: "controlled" },
      { figure: "sent", most: 1.15, for: "uncontrolled" },
      { figure: "rounds", most: 10 },
    ],
  };
  const figures = { possible: 0.9, sent: 1.1, rounds: Infinity };
  const met = (configuration: Configuration) =>
    judge(row, configuration, figures).map((verdict) => verdict.met);
  assertEquals(met(TURBO), [true, true, false]);
  assertEquals(met({ name: "controlled", options: {} }), [true, false, false]);
  const outcome = { figures, shape: [0, 0.49, 1.2], shares: [] };
  assertEquals(
    meanOf([outcome, { ...outcome, figures: { ...figures, sent: 1.3 } }]).sent,
    1.2000000000000002,
  );
  const line = lineOf(row, TURBO, [outcome], 6);
  assertEquals([line.name, line.value, line.unit], ["single/narrow/turbo", 0.9, "%"]);
  assertEquals(bars(outcome.shape), "▁▄█");
  const drawn = draw([line]);
  assertEquals(drawn.match(/<circle/g)!.length, 1 + 2, "the key, and a dot for each figure");
  assertEquals(drawn.match(/l7 3.5l-7 3.5z/g)!.length, 1, "a triangle for what was never reached");
});

Deno.test("paths: arguments choose rows by their names and groups", () => {
  assertEquals(new Set(ROWS.map(({ name }) => name)).size, ROWS.length);
  const args = parse(["--row", "game,1M-1ms", "--config", "turbo", "--seconds", "5"])!;
  assertEquals(args.rows.at(-1)!.name, "1M-1ms");
  assertEquals(args.rows.length, 3);
  assertEquals([args.configurations.length, args.seconds, args.seeds], [1, 5, null]);
  assertThrows(() => parse(["--row", "2M-1ms"]), RangeError, "2M-1ms");
  assertEquals(parse(["--help"]), null);
});

/** Rows whose aims BBR meets, and for how many seconds they run here. */
const MET: readonly (readonly [row: string, seconds: number])[] = [
  ["queue-0.1", 20],
  ["queue-1", 6],
  ["loss-1", 6],
  ["loss-5-there", 6],
  ["loss-20", 20],
  ["loss-20-there", 6],
  ["10M-20ms", 20],
  ["10M-100ms", 10],
  ["100M-20ms", 4],
  ["game-turbo", 6],
];

Deno.test("paths: BBR fills a path without waste and without a queue, and spares a game beside it", () => {
  const bbr = configurationOf("bbr")!;
  for (const [name, seconds] of MET) {
    const row = ROWS.find((each) => each.name === name)!;
    const verdicts = judge(row, bbr, runRow(row, bbr, 1, seconds).figures);
    assert(verdicts.length > 0, `${name} has no aims`);
    for (const { figure, value, least, most, met } of verdicts) {
      assert(met, `${name}: ${figure} is ${value}, the aim is ${least ?? ""} to ${most ?? ""}`);
    }
  }
});

Deno.test("paths: BBR does not flood a slow path at its start, and drains its queue on a short one", () => {
  const bbr = configurationOf("bbr")!;
  for (const name of ["1M-1ms", "1M-20ms", "1M-100ms", "10M-1ms"]) {
    const row = ROWS.find((each) => each.name === name)!;
    const { possible, sent, queue } = runRow(row, bbr, 1).figures;
    assert(possible! > 0.95, `${name}: ${possible} of the path`);
    // 1.017 are payload and headers.
    assert(sent! < 1.05, `${name}: sent ${sent} times the useful bytes`);
    assert(queue! < 2 * packetTime(row.path), `${name}: a queue of ${queue} ms`);
  }
});

Deno.test("paths: BBR fills a path that has become longer in its second round trip", () => {
  const row = ROWS.find(({ name }) => name === "rtt-5-to-200")!;
  // The path is changed at other moments of the cycle of probes, too.
  for (const at of [5, 5.4, 6.2, 7.8]) {
    const changed = { ...row, changes: [{ at, roundTrip: 200 }] };
    for (const name of ["bbr", "turbo"]) {
      const { recovery, sent } = runRow(changed, configurationOf(name)!, 1, at + 2).figures;
      assertEquals(recovery, 2, `${name}, after ${at} s`);
      assert(sent! < 1.05, `${name}, after ${at} s: sent ${sent} times the useful bytes`);
    }
  }
});

Deno.test("paths: a sender whose window is smaller than 16 segments fills a short path", () => {
  const cases = [["10M-1ms", "fast"], ["10M-1ms", "turbo"], ["100M-1ms", "cubic"]];
  for (const [name, configuration] of cases) {
    const row = ROWS.find((each) => each.name === name)!;
    const { possible } = runRow(row, configurationOf(configuration)!, 1, 8).figures;
    assert(possible! >= 0.9, `${configuration} uses ${possible} of the path of ${name}`);
  }
});

Deno.test("paths: a flow does not stay small because its peer holds acknowledgments back for 30 ms", () => {
  const row = ROWS.find(({ name }) => name === "100M-1ms")!;
  const { possible } = runRow(row, configurationOf("fast")!, 1, 5).figures;
  assert(possible! > 0.9, `${possible} of the path`);
});
