import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { SessionOptions } from "../../mod.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import { Delays } from "./delays.ts";
import { APPLICATIONS, burstLoss, linkOf, TROUBLES } from "./grid.ts";
import { dominated, floorOf, type Point, pointOf } from "./point.ts";
import { runSession, type SessionJob, type SessionResult } from "./session.ts";

const GAME: SessionJob = {
  seed: 1,
  ...APPLICATIONS[0],
  messages: 1800,
  bothWays: true,
  link: { latency: 50 },
};

/** Delays of a session: the median, the 99th percentile, the longest, and how many messages. */
function figures({ delays }: SessionResult): [p50: number, p99: number, worst: number, n: number] {
  const all = new Delays();
  all.merge(delays);
  const [p50, p99, worst] = all.quantiles([0.5, 0.99, 1]);
  return [p50, p99, worst, all.messages];
}

Deno.test("frontier: without loss every message takes half of the round trip", () => {
  for (const bothWays of [false, true]) {
    for (const { rate, size } of APPLICATIONS.slice(0, 2)) {
      const result = runSession({ ...GAME, rate, size, messages: 500, bothWays }, {});
      assertEquals(figures(result), [50, 50, 50, bothWays ? 1000 : 500]);
    }
  }
});

Deno.test("frontier: jitter delays by up to its size, and reordering by up to its delay", () => {
  const linkFor = (name: string) =>
    linkOf({
      application: APPLICATIONS[0],
      way: "both-ways",
      roundTrip: 100,
      trouble: TROUBLES.find((trouble) => trouble.name === name)!,
    });
  const jitter = figures(runSession({ ...GAME, link: linkFor("jitter") }, {}));
  assert(jitter[0] > 55 && jitter[0] < 70 && jitter[2] <= 70, `jitter: ${jitter}`);
  const late = figures(runSession({ ...GAME, link: linkFor("reorder") }, {}));
  assert(late[0] === 50 && late[1] > 60 && late[2] <= 70, `reordering: ${late}`);
});

Deno.test("frontier: with loss, 99 of 100 messages need at most some retransmissions", () => {
  const [p50, p99, worst, n] = figures(
    runSession({ ...GAME, link: { latency: 50, loss: 0.05 } }, {}),
  );
  assertEquals([p50, n], [50, 3600]);
  // A retransmission arrives after 1.5 round trips at the soonest: 50 + 50 + 50 ms.
  assert(p99 > 150 && p99 < 300 && worst >= p99, `p99 ${p99}, worst ${worst}`);
});

Deno.test("frontier: the same seed gives the same figures, and another seed others", () => {
  const link = { latency: 50, burstLoss: burstLoss(0.1, 3) };
  const options: SessionOptions = { fec: "auto" };
  const first = runSession({ ...GAME, link }, options);
  assertEquals(runSession({ ...GAME, link }, options), first);
  const other = runSession({ ...GAME, seed: 2, link }, options);
  assert(other.bytes !== first.bytes, `${other.bytes} bytes with either seed`);
});

Deno.test("frontier: losses have the average and the mean length that they are said to have", () => {
  const packet = new Uint8Array(1);
  const count = 400_000;
  for (const { name, link: options } of TROUBLES) {
    const match = /^(\d+)(?:x(\d+))?$/.exec(name);
    if (!match || name === "0") continue;
    const share = Number(match[1]) / 100;
    const link = new Link(options, new Random(1));
    let lost = 0;
    let bursts = 0;
    let before = false;
    for (let i = 0; i < count; i++) {
      let arrived = false;
      link.transmit(packet, 0, () => arrived = true);
      if (!arrived) lost++;
      if (!arrived && !before) bursts++;
      before = !arrived;
    }
    // Independent losses in a row are as long as chance makes them.
    const length = match[2] ? Number(match[2]) : 1 / (1 - share);
    // The lengths are geometric: their standard deviation is below their mean.
    const spread = 4 / Math.sqrt(bursts);
    assertAlmostEquals(lost / bursts, length, spread * length, `the length of bursts of ${name}`);
    assertAlmostEquals(lost / count, share, 1.5 * spread * share, `the loss of ${name}`);
  }
});

Deno.test("frontier: percentiles are those of the nearest rank", () => {
  const delays = new Delays();
  for (let i = 1; i <= 100; i++) delays.add(i);
  assertEquals(delays.quantiles([0.5, 0.99, 0.999, 1]), [50, 99, 100, 100]);
  delays.merge([[2000, 1]]);
  assertEquals(delays.quantiles([0.5, 0.99, 1]), [51, 100, 200]);
  assertEquals(new Delays().quantiles([0.5]), [NaN]);
});

Deno.test("frontier: the bytes of a point are compared with the floor", () => {
  const result = (bytes: number): SessionResult => ({
    delays: [[500, 9], [1000, 1]],
    bytes,
    packets: 20,
    sent: 10,
  });
  const floor = floorOf([result(1000)]);
  const point = pointOf("ours", "none", [result(1100), result(1300)], floor);
  assertEquals([point.bytes, point.packets, point.messages], [1.2, 1, 20]);
  assertEquals([point.mean, point.p50, point.p99, point.worst], [55, 50, 100, 100]);
});

Deno.test("frontier: a point is dominated by one with a lower p99 and fewer bytes", () => {
  const point = (implementation: "ours" | "kcp-go", p99: number, bytes: number) =>
    ({ implementation, p99, bytes }) as Point;
  const [slow, fast] = [point("ours", 200, 1.1), point("ours", 100, 1.3)];
  const cheap = point("kcp-go", 150, 1.05);
  const dear = point("kcp-go", 90, 1.4);
  assertEquals(dominated([slow, fast, cheap, dear]), [{ theirs: cheap, ours: slow }]);
});

/** The figures of several sessions of a game with a share of loss. */
function measure(loss: number, options: SessionOptions): Point {
  const results = [1, 2, 3, 4].map((seed) =>
    runSession({ ...GAME, seed, messages: 3600, link: { latency: 50, loss } }, options)
  );
  return pointOf("ours", "", results, floorOf(results));
}

Deno.test("frontier: error correction shortens the long waits of a game, for the bytes that it costs", () => {
  for (const loss of [0.05, 0.1]) {
    const without = measure(loss, {});
    const fixed = measure(loss, { fec: { dataShards: 10, parityShards: 3 } });
    const auto = measure(loss, { fec: "auto" });
    const told = `at a loss of ${loss}: ${JSON.stringify({ without, fixed, auto })}`;
    assert(fixed.p99 < 0.8 * without.p99, told);
    assert(auto.p99 < 0.8 * without.p99, told);
    const cost = (point: Point) => point.bytesPerMessage / without.bytesPerMessage;
    assert(cost(fixed) < 1.7 && cost(auto) < 2.2, told);
  }
});

Deno.test("frontier: on a clean link, adaptive error correction costs its headers and little more", () => {
  const without = measure(0, {});
  const auto = measure(0, { fec: "auto" });
  const cost = auto.bytesPerMessage / without.bytesPerMessage;
  assert(cost < 1.08, `${cost} times the bytes`);
  assertEquals(auto.p99, without.p99);
});
