import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { FecRatio } from "../../fec/ratio.ts";
import { RatioTuner } from "../../fec/ratio_tuner.ts";
import { Random } from "../../transport/link/random.ts";
import { limitOf, nameOf, ratioOf, reorder, totalOf } from "./harness.ts";

/** What a tuner is told of a shard. */
interface Sample {
  seqid: number;
  parity: boolean;
}

/** What is to be seen of groups: the loss, how much parity there is, and how it arrives. */
interface Scene {
  ratio: FecRatio;
  groups: number;
  loss?: number;
  /** Parity shards of group g; all unless given. */
  parity?: (g: number) => number;
  /** Share of packets that come twice. */
  twice?: number;
  /** By how many places a packet may be late. */
  late?: number;
  /** The first seqid. */
  from?: number;
  /** Packets at the beginning that are not seen, such as those of an earlier session. */
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

/** Feeds a tuner until it gives a ratio; `after` counts the samples that it took. */
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
 * After how many samples only one ratio is left that none contradicts (`exact`), and after how many only one size of
 * groups (`sized`), both kinds of shards having been seen; `Infinity` when that is never so. It tries every pair
 * there is.
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
    assert(pairs.length > 0, "the truth fits");
    if (seen.size < 2 || pairs.some(([, total]) => total !== pairs[0][1])) continue;
    sized = Math.min(sized, i + 1);
    if (pairs.length === 1) return { sized, exact: i + 1 };
  }
  return { sized, exact: Infinity };
}

/** How late a tuner may be for its thrift with attempts. */
function patient(samples: number): number {
  return samples + Math.max(4, Math.ceil(samples / 64) + 1);
}

/** Asserts that a tuner finds the truth, no sooner than it may be known, and no later but for its thrift. */
function checkTuner(list: readonly Sample[], ratio: FecRatio, scene: string): void {
  const earliest = knowable(list);
  const { found, after } = tune(list);
  if (found) {
    assertEquals(found, ratio, `${scene}: the truth is ${nameOf(ratio)}`);
    assert(after >= earliest.exact, `${scene}: after ${after} of ${earliest.exact} it was a guess`);
  }
  const within = Math.min(list.length, 1024);
  if (patient(earliest.exact) <= within) {
    assert(
      after <= patient(earliest.exact),
      `${scene}: ${after} samples for ${nameOf(ratio)}, ${earliest.exact} suffice`,
    );
  }
  // For a guess that is right, the size of a group and as many packets as eight groups have are enough.
  const guessed = tune(list, ratio);
  if (guessed.found) assertEquals(guessed.found, ratio, `${scene}: guess and truth`);
  const least = Math.min(earliest.exact, Math.max(earliest.sized, 8 * totalOf(ratio)));
  if (patient(least) <= within) {
    assert(
      guessed.after <= patient(least),
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

Deno.test("ratio_tuner: what it says is the truth, and it says it as soon as that can be known", () => {
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

Deno.test("ratio_tuner: with parity left out it says the truth or nothing", () => {
  fc.assert(
    fc.property(
      fc.oneof(anyRatio, smallRatio),
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 31 }),
      (ratio, loss, seed) => {
        const random = new Random(seed);
        const groups = Math.ceil(900 / totalOf(ratio));
        // A level that is low, a gap that skips all now and then, and groups that are whole.
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

Deno.test("ratio_tuner: a guess that is wrong is never taken for one that the packets contradict", () => {
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
        assertEquals(found, guess, "neither guess nor truth");
        const contradicted = list.slice(0, after)
          .some(({ seqid, parity }) => parity !== (seqid % totalOf(guess) >= guess.dataShards));
        assert(!contradicted, `${nameOf(guess)}, in truth ${nameOf(ratio)}, seed ${seed}`);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("ratio_tuner: nothing is said of a stream without parity, or without data", () => {
  for (const ratio of [ratioOf(4, 2), ratioOf(255, 1), ratioOf(1, 1)]) {
    const data = samples({ ratio, groups: 600, parity: () => 0 }, new Random(1));
    assertEquals(tune(data).found, null, `the data of ${nameOf(ratio)}`);
    const parity = samples({ ratio, groups: 600 }, new Random(1)).filter((s) => s.parity);
    assertEquals(tune(parity).found, null, `the parity of ${nameOf(ratio)}`);
  }
});

Deno.test("ratio_tuner: the first packet with parity after many without is enough, if it ends the doubt", () => {
  const ratio = ratioOf(5, 5);
  // Forty groups without parity, as of a clean link, and then a whole one.
  const list = samples(
    { ratio, groups: 42, parity: (g) => g < 40 ? 0 : 5 },
    new Random(1),
  );
  const { found, after } = tune(list);
  assertEquals(found, ratio);
  assert(after <= 200 + 5 + 6, `after ${after} packets`);
});

Deno.test("ratio_tuner: the wrap is no contradiction", () => {
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

Deno.test("ratio_tuner: after clear it knows nothing, and learns as at first", () => {
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

Deno.test("ratio_tuner: after any garbage the truth is found within 1024 packets and three groups", () => {
  const random = new Random("garbage");
  for (const ratio of [ratioOf(1, 1), ratioOf(4, 2), ratioOf(10, 3), ratioOf(60, 20)]) {
    for (const amount of [1, 2, 3, 10, 100, 1024, 3000]) {
      const tuner = new RatioTuner();
      for (let n = 0; n < amount; n++) tuner.note(random.uint32(), random.chance(0.5));
      let last: FecRatio | null = null;
      const from = totalOf(ratio) * 100;
      const list = samples({ ratio, groups: 1024 / totalOf(ratio) + 3, from }, random);
      // Until the garbage is forgotten, something wrong may fit; what comes last counts.
      for (const { seqid, parity } of list) last = tuner.note(seqid, parity) ?? last;
      assertEquals(last, ratio, `${amount} samples of garbage`);
    }
  }
});

Deno.test("ratio_tuner: a new ratio is found though the old one fills its memory, within two of its groups and 64 packets", () => {
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
    // All that is remembered is of the old ratio.
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

Deno.test("ratio_tuner: what it returns are always ratios that may be, whatever it is told", () => {
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
