import { assert, assertEquals } from "@std/assert";
import { AdaptiveParity } from "../../fec/adaptive_parity.ts";
import type { FecRatio } from "../../fec/ratio.ts";
import { Random } from "../../transport/link/random.ts";
import { nameOf, ratioOf } from "./harness.ts";

/** The result of sending some groups over a link. */
interface Report {
  /** Parity shards of each group. */
  parity: number[];
  /** The level after each group. */
  levels: number[];
  /** Share of the data shards that were lost and not repaired. */
  visible: number;
  /** How often the level changed. */
  changes: number;
}

/**
 * A sender and a model of a link. Each shard is lost with probability `loss`. If parity repairs a
 * group, then the sender sees no loss. Otherwise each lost data shard of the group counts as a
 * retransmission.
 */
class Link {
  readonly adaptive: AdaptiveParity;
  readonly #random: Random;
  #acknowledged = 0;
  #lost = 0;

  constructor(readonly ratio: FecRatio, seed: string, readonly burst = 1) {
    this.adaptive = new AdaptiveParity(ratio);
    this.#random = new Random(seed);
  }

  #bad = 0;
  #lose(loss: number): boolean {
    if (this.#bad > 0) {
      this.#bad--;
      return true;
    }
    if (!this.#random.chance(loss / this.burst)) return false;
    this.#bad = this.burst - 1;
    return true;
  }

  run(groups: number, loss: number): Report {
    const { dataShards } = this.ratio;
    const report: Report = { parity: [], levels: [], visible: 0, changes: 0 };
    let visible = 0;
    for (let g = 0; g < groups; g++) {
      const before = this.adaptive.level;
      const parity = this.adaptive.next(this.#acknowledged, this.#lost);
      const { level } = this.adaptive;
      let lostData = 0;
      let lostParity = 0;
      for (let i = 0; i < dataShards + parity; i++) {
        if (!this.#lose(loss)) continue;
        if (i < dataShards) lostData++;
        else lostParity++;
      }
      const seen = lostData + lostParity > parity ? lostData : 0;
      this.#acknowledged += dataShards;
      this.#lost += seen;
      visible += seen;
      report.parity.push(parity);
      report.levels.push(level);
      if (level !== before) report.changes++;
    }
    report.visible = visible / (groups * dataShards);
    return report;
  }
}

const RATIOS = [ratioOf(5, 5), ratioOf(10, 10), ratioOf(3, 2), ratioOf(20, 10)];

const mean = (list: readonly number[]) => list.reduce((sum, n) => sum + n, 0) / list.length;

/** The probability that a data shard is lost and its group cannot be repaired. */
function expectedVisible(loss: number, { dataShards }: FecRatio, parity: number): number {
  // The shard is lost, and at least `parity` other shards of the group.
  const others = dataShards + parity - 1;
  let few = 0;
  for (let k = 0, choose = 1; k < parity; choose = choose * (others - k) / (k + 1), k++) {
    few += choose * loss ** k * (1 - loss) ** (others - k);
  }
  return loss * (1 - few);
}

Deno.test("adaptive_parity: the first three groups get all parity, to teach the ratio", () => {
  for (const ratio of RATIOS) {
    const { parity } = new Link(ratio, "first").run(4, 0);
    assertEquals(parity.slice(0, 3), Array(3).fill(ratio.parityShards));
    assertEquals(parity[3], 0);
  }
});

Deno.test("adaptive_parity: without loss only the first three groups get parity", () => {
  for (const ratio of RATIOS) {
    const { parity, levels } = new Link(ratio, "clean").run(5000, 0);
    assertEquals(new Set(parity.slice(3)), new Set([0]), nameOf(ratio));
    assertEquals(new Set(levels), new Set([0]));
  }
});

Deno.test("adaptive_parity: at a loss of 0.1 % it sends at most one or two parity shards", () => {
  for (const ratio of RATIOS) {
    const { levels, parity } = new Link(ratio, "nearly clean").run(20_000, 0.001);
    assert(mean(levels) < 1.5, `${nameOf(ratio)}: a level of ${mean(levels)} on average`);
    assert(mean(parity) < 2, `${nameOf(ratio)}: ${mean(parity)}`);
  }
});

Deno.test("adaptive_parity: at 1, 5, 10 and 20 % loss, few losses stay visible", () => {
  for (const ratio of [ratioOf(5, 5), ratioOf(10, 10), ratioOf(20, 10)]) {
    for (const loss of [0.01, 0.05, 0.1, 0.2]) {
      const link = new Link(ratio, `settle ${loss}`);
      link.run(3000, loss);
      const { visible, levels } = link.run(10_000, loss);
      const scene = `${nameOf(ratio)} at ${loss}`;
      const least = expectedVisible(loss, ratio, ratio.parityShards);
      assert(visible < Math.max(0.01, 1.5 * least), `${scene}: ${visible} of all are visible`);
      assert(visible < loss / 2, `${scene}: ${visible}`);
      assert(mean(levels) > 0, scene);
    }
  }
});

Deno.test("adaptive_parity: it sends at most two parity shards more than needed", () => {
  for (const ratio of [ratioOf(5, 5), ratioOf(10, 10), ratioOf(20, 10)]) {
    for (const loss of [0.01, 0.05, 0.1]) {
      const link = new Link(ratio, `thrift ${loss}`);
      link.run(3000, loss);
      const { levels } = link.run(10_000, loss);
      // The least level with a visible loss of at most 0.3 %, below which the level is lowered.
      let enough = 0;
      while (enough < ratio.parityShards && expectedVisible(loss, ratio, enough) > 0.003) enough++;
      const scene = `${nameOf(ratio)} at ${loss}: ${mean(levels)} on average, ${enough} suffice`;
      assert(mean(levels) <= enough + 2, scene);
    }
  }
});

Deno.test("adaptive_parity: the level changes rarely under a steady loss", () => {
  for (const ratio of [ratioOf(5, 5), ratioOf(10, 10), ratioOf(20, 10)]) {
    for (const loss of [0.01, 0.05, 0.1, 0.2]) {
      const link = new Link(ratio, `swing ${loss}`);
      link.run(8000, loss);
      const { changes, levels } = link.run(10_000, loss);
      const segments = 10_000 * ratio.dataShards;
      const scene = `${nameOf(ratio)} at ${loss}: ${changes} changes in ${segments} segments`;
      assert(changes <= 4 + segments / 2000, scene);
      const spread = Math.max(...levels) - Math.min(...levels);
      assert(spread <= 4, `${scene}, levels ${Math.min(...levels)} to ${Math.max(...levels)}`);
    }
  }
});

Deno.test("adaptive_parity: parity rises within 1024 segments after losses begin", () => {
  for (const ratio of [ratioOf(5, 5), ratioOf(10, 10), ratioOf(20, 10)]) {
    for (const loss of [0.05, 0.1, 0.2]) {
      const link = new Link(ratio, `answer ${loss}`);
      link.run(2000, 0);
      link.run(Math.ceil(1024 / ratio.dataShards), loss);
      const { level } = link.adaptive;
      const visible = expectedVisible(loss, ratio, level);
      assert(level > 0 && visible < loss / 2, `${nameOf(ratio)} at ${loss}: level ${level}`);
    }
  }
});

Deno.test("adaptive_parity: when the loss stops, parity falls to 0 in bounded time", () => {
  for (const ratio of RATIOS) {
    for (const loss of [0.01, 0.1, 0.3]) {
      const link = new Link(ratio, `stop ${loss}`);
      const before = link.run(3000, loss).levels.at(-1)!;
      // Each step waits for 16,384 segments at most.
      const segments = before * 16_384 + 2000;
      link.run(Math.ceil(segments / ratio.dataShards), 0);
      assertEquals(link.adaptive.level, 0, `${nameOf(ratio)} at ${loss}, from ${before}`);
      assertEquals(
        new Set(link.run(200, 0).parity),
        new Set([0]),
        "without parity, no group teaches the ratio",
      );
    }
  }
});

Deno.test("adaptive_parity: parity falls to 0 within 6000 segments after a short burst", () => {
  for (const ratio of RATIOS) {
    const link = new Link(ratio, "burst");
    link.run(1000, 0);
    link.run(Math.ceil(200 / ratio.dataShards), 0.1);
    assert(link.adaptive.level > 0, nameOf(ratio));
    link.run(Math.ceil(6000 / ratio.dataShards), 0);
    assertEquals(link.adaptive.level, 0, nameOf(ratio));
  }
});

Deno.test("adaptive_parity: parity stays within 0 and the ratio under any losses", () => {
  for (
    const ratio of [...RATIOS, ratioOf(1, 1), ratioOf(1, 255), ratioOf(255, 1), ratioOf(128, 128)]
  ) {
    const link = new Link(ratio, "any weather", 3);
    for (const loss of [0.5, 0, 0.9, 0.02, 1, 0.3, 0]) {
      const { parity, levels } = link.run(400, loss);
      for (const n of [...parity, ...levels]) {
        assert(Number.isInteger(n) && n >= 0 && n <= ratio.parityShards, `${nameOf(ratio)}: ${n}`);
      }
    }
  }
});

Deno.test("adaptive_parity: it adds parity for losses in bursts, too", () => {
  const ratio = ratioOf(10, 10);
  const link = new Link(ratio, "bursts", 4);
  link.run(3000, 0.05);
  const { visible, changes } = link.run(10_000, 0.05);
  assert(visible < 0.015, `${visible} are visible`);
  assert(changes < 100, `${changes} changes`);
});

Deno.test("adaptive_parity: while parity is sent, 3 of 64 groups teach the ratio again", () => {
  const ratio = ratioOf(10, 10);
  const link = new Link(ratio, "again");
  link.run(3000, 0.05);
  const { parity, levels } = link.run(640, 0.05);
  assert(levels.every((level) => level > 0 && level < 10), "the level is in between");
  for (let from = 0; from < 640 - 66; from++) {
    const whole = parity.slice(from, from + 67).filter((n) => n === 10).length;
    assert(whole >= 3, `${whole} of the groups from ${from} on`);
  }
});

Deno.test("adaptive_parity: the level stays while no segment is acknowledged", () => {
  const adaptive = new AdaptiveParity(ratioOf(5, 5));
  for (let g = 0; g < 10; g++) adaptive.next(0, 0);
  assertEquals(adaptive.level, 0);
  let acknowledged = 0;
  let lost = 0;
  for (let g = 0; g < 60; g++) adaptive.next(acknowledged += 5, lost += g % 2);
  const { level } = adaptive;
  assert(level > 0);
  for (let g = 0; g < 10_000; g++) adaptive.next(acknowledged, lost);
  assertEquals(adaptive.level, level, "nothing was acknowledged meanwhile");
});
