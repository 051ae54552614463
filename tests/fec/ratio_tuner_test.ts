import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { FecRatio } from "../../fec/ratio.ts";
import { RatioTuner } from "../../fec/ratio_tuner.ts";
import { Random } from "../../transport/link/random.ts";
import { limitOf, nameOf, ratioOf, reorder, totalOf } from "./harness.ts";

/** The input of a tuner for one shard. */
interface Sample {
  seqid: number;
  parity: boolean;
}

/** Groups that are sent, and how they arrive. */
interface Scene {
  ratio: FecRatio;
  groups: number;
  loss?: number;
  /** Parity shards of group g. Default: all. */
  parity?: (g: number) => number;
  /** Share of packets that arrive twice. */
  twice?: number;
  /** By how many places a packet may be late. */
  late?: number;
  /** The first seqid. */
  from?: number;
  /** Packets at the beginning that do not arrive. */
  skip?: number;
}

function samples(scene: Scene, random: Random): Sample[] {
  const { ratio, groups, loss = 0, twice = 0, late = 0, from = 0, skip = 0 } = scene;
  const { dataShards, parityShards } = ratio;
  const total = totalOf(ratio);
  const sent: Sample[] = [];
  for (let g = 0; g < groups; g++) {
    const first = (from + g * total) % limitOf(total);
    const count = dataShards + (scene.parity?.(g) ?? parityShards);
    for (let i = 0; i < count; i++) {
      if (random.chance(loss)) continue;
      sent.push({ seqid: first + i, parity: i >= dataShards });
      if (random.chance(twice)) sent.push(sent.at(-1)!);
    }
  }
  return reorder(sent.slice(skip), late, random);
}

/** Gives samples to a tuner until it finds a ratio. `after` is the number of samples until then. */
function tune(
  list: readonly Sample[],
  guess: FecRatio | null = null,
): { found: FecRatio | null; after: number } {
  const tuner = new RatioTuner();
  for (const [i, { seqid, parity }] of list.entries()) {
    const found = tuner.note(seqid, parity, guess);
    if (found) return { found, after: i + 1 };
  }
  return { found: null, after: Infinity };
}

/**
 * The earliest time at which the ratio can be known. It tries every ratio.
 *
 * @returns `exact`: after how many samples exactly one ratio fits them all. `sized`: after how many
 * samples, with both types of shards, exactly one group size fits. `Infinity` for never.
 */
function knowable(list: readonly Sample[]): { sized: number; exact: number } {
  let pairs: [d: number, total: number][] = [];
  for (let total = 2; total <= 256; total++) {
    for (let d = 1; d < total; d++) pairs.push([d, total]);
  }
  const seen = new Set<boolean>();
  let sized = Infinity;
  for (const [i, { seqid, parity }] of list.entries()) {
    seen.add(parity);
    pairs = pairs.filter(([d, total]) => parity === (seqid % total >= d));
    assert(pairs.length > 0, "the real ratio must fit");
    if (seen.size < 2 || pairs.some(([, total]) => total !== pairs[0][1])) continue;
    sized = Math.min(sized, i + 1);
    if (pairs.length === 1) return { sized, exact: i + 1 };
  }
  return { sized, exact: Infinity };
}

/** A tuner does not search at every sample, so it may find the ratio this late. */
function withSearchDelay(samples: number): number {
  return samples + Math.max(4, Math.ceil(samples / 64) + 1);
}

/** Asserts that a tuner finds the real ratio, not before it can be known, and soon after that. */
function checkTuner(list: readonly Sample[], ratio: FecRatio, scene: string): void {
  const earliest = knowable(list);
  const { found, after } = tune(list);
  if (found) {
    assertEquals(found, ratio, `${scene}: the ratio is ${nameOf(ratio)}`);
    assert(after >= earliest.exact, `${scene}: after ${after} of ${earliest.exact} it was a guess`);
  }
  const within = Math.min(list.length, 1024);
  if (withSearchDelay(earliest.exact) <= within) {
    assert(
      after <= withSearchDelay(earliest.exact),
      `${scene}: ${after} samples for ${nameOf(ratio)}, ${earliest.exact} suffice`,
    );
  }
  // A right guess needs only the group size, and as many packets as eight groups have.
  const guessed = tune(list, ratio);
  if (guessed.found) assertEquals(guessed.found, ratio, `${scene}: with a right guess`);
  const least = Math.min(earliest.exact, Math.max(earliest.sized, 8 * totalOf(ratio)));
  if (withSearchDelay(least) <= within) {
    assert(
      guessed.after <= withSearchDelay(least),
      `${scene}: ${guessed.after} samples to confirm ${nameOf(ratio)}, ${least} suffice`,
    );
  }
}

const anyRatio = fc.integer({ min: 2, max: 256 })
  .chain((total) => fc.tuple(fc.integer({ min: 1, max: total - 1 }), fc.constant(total)))
  .map(([d, total]) => ratioOf(d, total - d));
const smallRatio = fc.tuple(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 12 }))
  .map(([d, p]) => ratioOf(d, p));

Deno.test("ratio_tuner: every ratio up to 40 shards is found from a stream without loss", () => {
  for (let total = 2; total <= 40; total++) {
    for (let d = 1; d < total; d++) {
      const ratio = ratioOf(d, total - d);
      const groups = Math.ceil(1000 / total);
      const list = samples({ ratio, groups }, new Random(1));
      const { found, after } = tune(list);
      assertEquals(found, ratio);
      assert(after <= Math.max(5, 2 * total + 1), `${nameOf(ratio)} after ${after} packets`);
    }
  }
});

Deno.test("ratio_tuner: the largest ratios are found within about two groups", () => {
  for (const [d, p] of [[255, 1], [1, 255], [128, 128], [200, 56], [100, 20], [250, 5]]) {
    const ratio = ratioOf(d, p);
    const { found, after } = tune(samples({ ratio, groups: 4 }, new Random(1)));
    assertEquals(found, ratio);
    assert(after <= 2.2 * (d + p), `${nameOf(ratio)} after ${after} packets`);
  }
});

Deno.test("ratio_tuner: it finds the real ratio as soon as it can be known", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyRatio, smallRatio),
      fc.double({ min: 0, max: 0.4, noNaN: true }),
      fc.double({ min: 0, max: 0.2, noNaN: true }),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 2 ** 23 }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (ratio, loss, twice, late, group, seed) => {
        const random = new Random(seed);
        const groups = Math.ceil(900 / totalOf(ratio));
        const from = group * totalOf(ratio);
        const skip = random.below(totalOf(ratio));
        const list = samples({ ratio, groups, loss, twice, late, from, skip }, random);
        checkTuner(list, ratio, `seed ${seed}`);
      },
    ),
    { numRuns: 250 },
  );
});

Deno.test("ratio_tuner: when some parity is not sent, it finds the real ratio or none", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyRatio, smallRatio),
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (ratio, loss, seed) => {
        const random = new Random(seed);
        const groups = Math.ceil(900 / totalOf(ratio));
        // Most groups have few parity shards, some have none, and some have all.
        const level = random.below(ratio.parityShards + 1);
        const whole = random.chance(0.5) ? 0 : 0.2;
        const parity = () =>
          random.chance(whole) ? ratio.parityShards : random.chance(0.2) ? 0 : level;
        checkTuner(samples({ ratio, groups, loss, parity }, random), ratio, `seed ${seed}`);
      },
    ),
    { numRuns: 250 },
  );
});

Deno.test("ratio_tuner: a guess that the packets contradict is never accepted", () => {
  fc.assert(
    fc.property(
      smallRatio,
      smallRatio,
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (ratio, guess, loss, seed) => {
        const list = samples({ ratio, groups: 40, loss }, new Random(seed));
        const { found, after } = tune(list, guess);
        if (!found || nameOf(found) === nameOf(ratio)) return;
        assertEquals(found, guess, "it is neither the guess nor the real ratio");
        const contradicted = list.slice(0, after)
          .some(({ seqid, parity }) => parity !== (seqid % totalOf(guess) >= guess.dataShards));
        assert(!contradicted, `${nameOf(guess)}, but the ratio is ${nameOf(ratio)}, seed ${seed}`);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("ratio_tuner: no ratio is found without parity, or without data", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(255, 1), ratioOf(1, 1)]) {
    const data = samples({ ratio, groups: 600, parity: () => 0 }, new Random(1));
    assertEquals(tune(data).found, null, `the data of ${nameOf(ratio)}`);
    const parity = samples({ ratio, groups: 600 }, new Random(1)).filter((s) => s.parity);
    assertEquals(tune(parity).found, null, `the parity of ${nameOf(ratio)}`);
  }
});

Deno.test("ratio_tuner: after groups without parity, one group with parity is enough", () => {
  const ratio = ratioOf(5, 5);
  // Forty groups without parity, then two with all parity.
  const list = samples(
    { ratio, groups: 42, parity: (g) => g < 40 ? 0 : 5 },
    new Random(1),
  );
  const { found, after } = tune(list);
  assertEquals(found, ratio);
  assert(after <= 200 + 5 + 6, `after ${after} packets`);
});

Deno.test("ratio_tuner: the wrap does not contradict the ratio", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(10, 3), ratioOf(20, 10), ratioOf(100, 100)]) {
    const total = totalOf(ratio);
    for (let before = 1; before < 4 * total; before += 1 + before % 7) {
      const groups = Math.ceil(before / total);
      const list = samples({
        ratio,
        groups: groups + 8,
        from: limitOf(total) - groups * total,
        skip: groups * total - before,
      }, new Random(before));
      const { found, after } = tune(list);
      assertEquals(found, ratio, `${before} packets before the wrap`);
      assert(after <= 3 * total, `${nameOf(ratio)} after ${after} packets`);
    }
  }
});

Deno.test("ratio_tuner: after clear it learns as a new tuner does", () => {
  const list = samples({ ratio: ratioOf(10, 3), groups: 4 }, new Random(1));
  const tuner = new RatioTuner();
  const learn = () => list.findIndex(({ seqid, parity }) => tuner.note(seqid, parity) !== null);
  const first = learn();
  for (const { seqid, parity } of samples({ ratio: ratioOf(7, 5), groups: 3 }, new Random(1))) {
    tuner.note(seqid, parity);
  }
  tuner.clear();
  assertEquals(learn(), first);
  assert(first > 0);
});

Deno.test("ratio_tuner: random samples delay it by 1024 packets and 3 groups at most", () => {
  const random = new Random("garbage");
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(60, 20)]) {
    for (const amount of [1, 2, 3, 10, 100, 1024, 3000]) {
      const tuner = new RatioTuner();
      for (let n = 0; n < amount; n++) tuner.note(random.uint32(), random.chance(0.5));
      let last: FecRatio | null = null;
      const from = totalOf(ratio) * 100;
      const list = samples({ ratio, groups: 1024 / totalOf(ratio) + 3, from }, random);
      // A wrong ratio may fit until the random samples are forgotten. Only the last result counts.
      for (const { seqid, parity } of list) last = tuner.note(seqid, parity) ?? last;
      assertEquals(last, ratio, `${amount} random samples`);
    }
  }
});

Deno.test("ratio_tuner: a new ratio is found within two groups and 64 packets", () => {
  const random = new Random("change");
  for (
    const [old, next] of [
      [ratioOf(10, 3), ratioOf(4, 2)],
      [ratioOf(4, 2), ratioOf(10, 3)],
      [ratioOf(4, 2), ratioOf(8, 4)],
      [ratioOf(8, 4), ratioOf(4, 2)],
      [ratioOf(1, 1), ratioOf(2, 2)],
      [ratioOf(20, 10), ratioOf(5, 5)],
    ]
  ) {
    const tuner = new RatioTuner();
    // All remembered packets are of the old ratio.
    const before = samples({ ratio: old, groups: 1100 / totalOf(old) }, random);
    for (const { seqid, parity } of before) tuner.note(seqid, parity);
    const from = Math.ceil(1200 / totalOf(next)) * totalOf(next);
    const after = samples({ ratio: next, groups: 200, from }, random);
    const bound = 64 + 2 * totalOf(next);
    let last: FecRatio | null = null;
    let right = Infinity;
    for (const [i, { seqid, parity }] of after.entries()) {
      const found = tuner.note(seqid, parity);
      if (found) last = found;
      if (found && nameOf(found) === nameOf(next)) right = Math.min(right, i + 1);
    }
    assertEquals(last, next);
    assert(right <= bound, `${nameOf(old)} to ${nameOf(next)}: after ${right}, not ${bound}`);
  }
});

Deno.test("ratio_tuner: it returns only valid ratios, for any samples", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 600 }), fc.boolean()), { maxLength: 300 }),
      fc.integer({ min: 0, max: 0xffffffff - 600 }),
      (list, from) => {
        const tuner = new RatioTuner();
        for (const [offset, parity] of list) {
          const found = tuner.note(from + offset, parity);
          if (!found) continue;
          const { dataShards, parityShards } = found;
          assert(dataShards >= 1 && parityShards >= 1 && dataShards + parityShards <= 256);
        }
      },
    ),
    { numRuns: 500 },
  );
});
