import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { Random } from "../../../transport/link/random.ts";

function draw(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.uint32());
}

Deno.test("sfc32 gives the outputs that PractRand published for its seed", () => {
  // From the reference code of PractRand 0.94, as published in the tests of Apache Commons RNG
  // (DotyHumphreySmallFastCounting32Test).
  // deno-fmt-ignore
  const expected = [
    0x89b5c414, 0x7ee57639, 0xdbe18f7b, 0x94aa0162, 0xa22bff0a, 0x21c91fb8, 0x2c6fd6fe, 0xcda90d13,
    0x019684ca, 0xe5b400c0, 0x459d8590, 0x3aec0a1e, 0x254dac77, 0xbe10ae80, 0x9ac27819, 0xd17d10c6,
    0x71a69026, 0x4bb2bdda, 0x70853646, 0xda28f272, 0x879200d9, 0x8c2f8b5b, 0x8a87cb78, 0x27ffdced,
    0x988a2b7b, 0xf220ef9b, 0x13b8984f, 0x345d1732, 0x8f5bc6fc, 0x092b09ff, 0x046bd2b0, 0xa5a99fc5,
    0x19400604, 0xb76e7394, 0x037addd5, 0xe916ed79, 0x94f10dc6, 0xf2ecb45e, 0x69834355, 0xb814aeb2,
  ];
  assertEquals(draw(Random.fromWords(0xbb3c4104, 0x02294965, 0xda1ce2a9), 40), expected);
});

Deno.test("a seed gives the same stream in every version: old failures can be repeated", () => {
  // Computed by an independent implementation in Python. Its hash gives the published value of
  // MurmurHash3 for four zero bytes, 2362f9de.
  const streams: [Random, number[]][] = [
    [new Random(1), [0x8bc93d72, 0xfc605c95, 0xd5edee5f, 0xd9238279]],
    [new Random("replay 17"), [0xf5165ff3, 0x2d107389, 0xb4a2e090, 0x36c815ec]],
    [new Random("😀 é"), [0xfa544734, 0xeabd5e57, 0x8a8607fa, 0x7124a055]],
    [new Random(1).fork("loss"), [0x95b4ff1b, 0x63aa9ff4, 0xe4e46804, 0x02706a61]],
  ];
  for (const [random, expected] of streams) assertEquals(draw(random, 4), expected);
});

Deno.test("a number and its text are the same seed, different seeds give different streams", () => {
  assertEquals(draw(new Random(42), 8), draw(new Random("42"), 8));
  const firsts = new Set<string>();
  for (let seed = 0; seed < 20_000; seed++) firsts.add(draw(new Random(seed), 2).join());
  assertEquals(firsts.size, 20_000, "two of the seeds 0 to 19,999 start with the same 64 bits");
});

Deno.test("a fork depends only on seed and label, not on draws or other forks", () => {
  const plain = new Random("s").fork("b");
  const busy = new Random("s");
  draw(busy, 1000);
  draw(busy.fork("a"), 1000);
  assertEquals(draw(busy.fork("b"), 50), draw(plain, 50));
  assertNotEquals(draw(busy.fork("b"), 4), draw(busy.fork("c"), 4));
  assertNotEquals(draw(busy.fork("b"), 4), draw(new Random("s"), 4));
  assertNotEquals(draw(busy.fork("b").fork("c"), 4), draw(busy.fork("c").fork("b"), 4));
  assertNotEquals(
    draw(Random.fromWords(1, 2, 3).fork("b"), 4),
    draw(Random.fromWords(1, 2, 4).fork("b"), 4),
  );
});

Deno.test("forks are not correlated with each other or with their parent", () => {
  const streams = [
    new Random(7),
    ...["0", "1", "a", "b"].map((label) => new Random(7).fork(label)),
  ];
  const count = 20_000;
  const drawn = streams.map((s) => Array.from({ length: count }, () => s.next() - 0.5));
  for (let i = 0; i < streams.length; i++) {
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let k = 0; k < count; k++) sum += drawn[i][k] * drawn[j][k];
      // The correlation of independent streams has a standard deviation of 1 / sqrt(count).
      const correlation = 12 * sum / count;
      assert(Math.abs(correlation) < 5 / Math.sqrt(count), `${j} and ${i}: ${correlation}`);
    }
  }
});

Deno.test("next is in [0, 1) and uniform", () => {
  const random = new Random("uniform");
  const bins = new Array(100).fill(0);
  const count = 200_000;
  for (let i = 0; i < count; i++) {
    const x = random.next();
    assert(x >= 0 && x < 1, `drew ${x}`);
    bins[Math.floor(x * 100)]++;
  }
  const expected = count / 100;
  const chiSquare = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
  // With 99 degrees of freedom, 1 in 1000 values is above 148.2, and 1 in 1000 is below 50.1.
  assert(chiSquare > 50.1 && chiSquare < 148.2, `chi-square is ${chiSquare}`);
});

Deno.test("below(n) is an integer in [0, n) and has no bias", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, n) => {
      const drawn = new Random(seed).below(n);
      return Number.isInteger(drawn) && drawn >= 0 && drawn < n;
    }),
  );
  // With a plain modulo, the lowest third of 3 * 2^30 values would be twice as likely.
  const random = new Random("bias");
  const n = 3 * 2 ** 30;
  let lowest = 0;
  for (let i = 0; i < 30_000; i++) if (random.below(n) < 2 ** 30) lowest++;
  const deviation = Math.sqrt(30_000 * (1 / 3) * (2 / 3));
  assert(Math.abs(lowest - 10_000) < 4 * deviation, `${lowest} of 30,000 in the lowest third`);
  assertEquals(new Set(Array.from({ length: 200 }, () => random.below(6))).size, 6);
});

Deno.test("chance follows its probability, and each call draws one number", () => {
  const random = new Random("chance");
  let heads = 0;
  for (let i = 0; i < 50_000; i++) if (random.chance(0.2)) heads++;
  const deviation = Math.sqrt(50_000 * 0.2 * 0.8);
  assert(Math.abs(heads - 10_000) < 4 * deviation, `${heads} of 50,000 at 0.2`);

  for (const p of [0, 0.5, 1]) {
    const drawing = new Random("one");
    const chances = Array.from({ length: 100 }, () => drawing.chance(p));
    if (p === 0) assert(!chances.includes(true), "0 is never");
    if (p === 1) assert(!chances.includes(false), "1 is always");
    const skipped = new Random("one");
    draw(skipped, 100);
    assertEquals(drawing.uint32(), skipped.uint32());
  }
});

Deno.test("fill writes the words of the stream, little-endian, to every byte", () => {
  for (let length = 0; length < 12; length++) {
    const bytes = new Uint8Array(length);
    assertStrictEquals(new Random(5).fill(bytes), bytes);
    const words = new Uint8Array(12);
    const view = new DataView(words.buffer);
    const random = new Random(5);
    for (let i = 0; i < length; i += 4) view.setUint32(i, random.uint32(), true);
    assertEquals(bytes, words.subarray(0, length));
  }
});

Deno.test("misuse throws with the value", () => {
  assertThrows(() => new Random(NaN), RangeError, "NaN");
  assertThrows(() => new Random(Infinity), RangeError, "Infinity");
  assertThrows(() => new Random(undefined as unknown as string), TypeError, "undefined");
  const random = new Random(0);
  for (const n of [0, -1, 1.5, NaN, 2 ** 32 + 1]) {
    assertThrows(() => random.below(n), RangeError, String(n));
  }
  for (const p of [-0.1, 1.1, NaN]) assertThrows(() => random.chance(p), RangeError, String(p));
});
