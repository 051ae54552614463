import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import {
  MAX_CODE_BYTES,
  MAX_PATTERN_BYTES,
  ReedSolomon,
  reedSolomon,
  sharedCodeBytes,
} from "../../fec/reed_solomon.ts";
import { ShardSum } from "../../fec/shard_sum.ts";
import { Random } from "../../transport/link/random.ts";

/**
 * Data shards, parity shards, and the SHA-256 of all parity shards when the data shards are the
 * rows of the identity matrix. Byte c of parity shard r is then the factor of data shard c, so the
 * parity shards are the coding matrix. Source: klauspost/reedsolomon v1.14.2, `New(data, parity)`.
 */
const MATRICES: [number, number, string][] = [
  [1, 255, "175be60de5d178d0daff538a3217e713c065abd8bdfa2c286d5d2d1ed21089af"],
  [2, 254, "32be596a76801d23c5d67ae8a32a2502b27abe93d7c4665523979ca946fa4268"],
  [3, 253, "4b8a79342b7523d01c16add447c7349f59efff913e4892596e1475eb8bfc44fc"],
  [4, 252, "ac7c6b2570affd83a2959419e541f0837206e968217581f345ae99a08f56f7bc"],
  [5, 251, "7ce4bf44e060ee4641a51fe0c03ca4674dcb4ee0b8a42efa2901ce1471d90598"],
  [10, 246, "2d2bd99c4fa2d583833990b5e1a370b4533d8d23ebfd61e2f803a40153461f88"],
  [20, 236, "3b6d2c72880440fb34207b76c422f9ceca3ccd586766a7aa4d2bc87cc75a7fc7"],
  [30, 226, "57840dc6e31f554c0d639b20fc8b967598e2decd53c564f10be6042b3f3e7416"],
  [64, 192, "11a41fbdcdc910f82f5a82d6e18a0f62c3277a02fd91a5f6ff35d7dfb43591ef"],
  [128, 128, "717316a094a226c545a1683611d996bb62dcbb1dde0104f45dc71fcccf4c5997"],
  [200, 56, "d53286766f2f92d2de3c1d477abab7025ee741109c117536b4d83d9af202e150"],
  [254, 2, "bfc65acf6bdfe122d90e2f0ae5df6a653f72106b4dbdd859d17ff55bfabebf21"],
  [255, 1, "175be60de5d178d0daff538a3217e713c065abd8bdfa2c286d5d2d1ed21089af"],
];

/**
 * Data shards, parity shards, their length, and the parity shards for the data of `generated`, one
 * after the other. Long parity is given as its SHA-256. Source: klauspost/reedsolomon v1.14.2,
 * `New(data, parity)`.
 */
const PARITY: [number, number, number, string][] = [
  [1, 1, 16, "5596ca2eaac81e173f5867bbaa80af4d"],
  [2, 1, 16, "3d7434d8c2dcededf6de6f2312c3e893"],
  [3, 1, 16, "dbb6308e4d8de1717bf381f46a77c343"],
  [1, 3, 8, "56c52841ff47fbec56c52841ff47fbec56c52841ff47fbec"],
  [2, 2, 16, "6b09f0286ab9e3b5ad92140ba6fe59a569f0e9ea269de0240bd51f53a98e5b72"],
  [3, 2, 16, "3556b87812ad83071fbd2417dac4dba4903f21d3f83b0827da120f9368da4b40"],
  [
    4,
    3,
    16,
    "5c89c454d6c36df6ee892886471f6aa7eb047bb810d65106066905d0a60142d9c1d7669e6eef22a1" +
    "90e171bdfc3dee2c",
  ],
  [
    5,
    5,
    12,
    "d1437596083fd371ace426ac76d7a9a13411fd943e9423c860b33feca262719c85ab4fb75852839c" +
    "2c2d9210c606a78e2f4609c53ea815ee14e5a8e4",
  ],
  [10, 1, 16, "f221e22de05f078a1b9367479b0fea1e"],
  [
    10,
    3,
    24,
    "545b492c4acedce681bd4215400ad9295bab0c655eaf6f65676d7de52a574be52a1206d80efeeb6f" +
    "19b5a946d36d2b0a85eac21ef59a1558f241352b80cd408de18238a26bf22061",
  ],
  [10, 4, 9, "23fcc36ecdc2e30969d806f60679c295631f51bdeffe2fce5f1636acdc29b0862fee5750"],
  [
    20,
    8,
    6,
    "a81270400c990aea05f5b8f1a71663bc7b46c57dbea6b5f2b1106e026f5d617b5be80df04139b200" +
    "c7fc3d7ab329406d",
  ],
  [
    20,
    10,
    6,
    "566f8caa989c2d43a95ec451b995fedfc162eb1422f65fe127b24bec7c155d2dab9ce29198fdeddc" +
    "fc952a0dcf8dc0992e11ecdc48c15355d59ec374",
  ],
  [
    30,
    15,
    4,
    "d2c9c269aabcb5335405084da18345105e5c0517a3ce72bebe609c2f31281cf203ea3be7b7422f4a" +
    "9050a5a77ae35a424607a44c93954f061effa05d",
  ],
  [
    70,
    30,
    2,
    "27ca501380509127080c1212ccb34fdd08fec0940fff5637af2ec24939a55d6643837dbd473d905a" +
    "b8dd248e2639d74e8db1c2f40bf3cbfa8f518080",
  ],
  [255, 1, 16, "948c192de68086397f35d3ef1f225b92"],
  [
    250,
    6,
    8,
    "315c9e6896ba173af039366a27ccb440ce2b13ac29a6ef4f77f1a3f611ea7ea4b5a1f77201cb4bf1" +
    "fa53e10b723fb7f0",
  ],
  [128, 128, 1400, "sha256 22059300393cce9863f3376942a3573e89c685b3e0192f80a19f8c0825a33048"],
  [1, 255, 1400, "sha256 fc143ac0a777d87959f767daba7bd89dace62ef4182c9077a39a152f8a680770"],
  [255, 1, 1400, "sha256 3adafdfd3c7656e2a5774d095649e7338ffc62ec5f83065461304ba7aa946fac"],
  [10, 3, 65507, "sha256 db4f31a80491a0718cde66eb6f5dbf302a91126a19f41a6024ff38ee3e4d4d7f"],
  [64, 16, 5000, "sha256 3c56465940016e0d097358087e8d53b43dcf14a201fc6a38d6c09952c25568b2"],
];

/** Asserts that two objects are not the same object. They may be equal. */
function assertOther(actual: object, known: object, message = ""): void {
  assert(actual !== known, message);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((value) => value.toString(16).padStart(2, "0")).join("");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** The bytes of shards, one after the other. */
function joined(shards: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const { length } = shards[0];
  const bytes = new Uint8Array(length * shards.length);
  shards.forEach((shard, i) => bytes.set(shard, i * length));
  return bytes;
}

/** Data shards that a linear congruential generator fills, and parity shards of zeros. */
function generated(data: number, parity: number, length: number): Uint8Array[] {
  let state = data * 256 + parity;
  return Array.from({ length: data + parity }, (_, i) => {
    const shard = new Uint8Array(length);
    for (let k = 0; i < data && k < length; k++) {
      state = Math.imul(state, 1664525) + 1013904223;
      shard[k] = state >>> 24;
    }
    return shard;
  });
}

/** Random data shards with their parity. */
function encoded(code: ReedSolomon, length: number, random: Random): Uint8Array[] {
  const shards = Array.from({ length: code.total }, (_, i) => {
    const shard = new Uint8Array(length);
    return i < code.dataShards ? random.fill(shard) : shard;
  });
  code.encode(shards);
  return shards;
}

/** Removes shards, and checks what is restored. */
function checkErasure(code: ReedSolomon, shards: Uint8Array[], lost: ReadonlySet<number>): void {
  const left = shards.map((shard, i) => lost.has(i) ? null : shard);
  const before = left.slice();
  code.reconstructData(left);
  for (let i = 0; i < code.total; i++) {
    const name = `shard ${i} of ${code.dataShards}/${code.parityShards} without ${[...lost]}`;
    if (i < code.dataShards) assertEquals(left[i], shards[i], name);
    if (!lost.has(i) || i >= code.dataShards) assertStrictEquals(left[i], before[i], name);
  }
}

Deno.test("reed-solomon: the coding matrices equal those of klauspost/reedsolomon", async () => {
  for (const [data, parity, expected] of MATRICES) {
    const code = new ReedSolomon(data, parity);
    const { parityCoefficients } = code;
    assertEquals([parityCoefficients.rows, parityCoefficients.columns], [parity, data]);
    const rows = new Uint8Array(data * parity);
    for (let i = 0; i < rows.length; i++) {
      rows[i] = parityCoefficients.at(Math.floor(i / data), i % data);
    }
    assertEquals(await sha256(rows), expected, `${data}/${parity}`);
  }
});

Deno.test("reed-solomon: encode gives the same parity as klauspost/reedsolomon", async () => {
  for (const [data, parity, length, expected] of PARITY) {
    const shards = generated(data, parity, length);
    const before = joined(shards.slice(0, data));
    const code = new ReedSolomon(data, parity);
    assertEquals([code.dataShards, code.parityShards, code.total], [data, parity, data + parity]);
    // Old content of the parity arrays must not matter, nor an earlier call.
    shards.slice(data).forEach((shard) => shard.fill(0xee));
    code.encode(shards);
    code.encode(shards);
    const bytes = joined(shards.slice(data));
    const digest = expected.startsWith("sha256 ");
    const got = digest ? `sha256 ${await sha256(bytes)}` : hex(bytes);
    assertEquals(got, expected, `${data}/${parity}, shards of ${length} bytes`);
    assertEquals(joined(shards.slice(0, data)), before, "the data shards must not change");
  }
});

Deno.test("reed-solomon: a parity shard does not depend on the number of them", () => {
  for (const data of [1, 2, 7, 10, 100]) {
    const most = new ReedSolomon(data, 256 - data).parityCoefficients;
    for (const parity of [1, 3, 56]) {
      const { parityCoefficients } = new ReedSolomon(data, parity);
      for (let r = 0; r < parity; r++) {
        for (let c = 0; c < data; c++) {
          if (parityCoefficients.at(r, c) !== most.at(r, c)) {
            assertEquals(parityCoefficients.at(r, c), most.at(r, c), `${data}/${parity}`);
          }
        }
      }
    }
  }
});

Deno.test("reed-solomon: a shorter shard counts as if zeros followed it", async () => {
  for (const [data, parity, length, expected] of PARITY) {
    if (data * parity * length > 1e6) continue;
    const sum = new ShardSum(reedSolomon(data, parity).parityCoefficients);
    const random = new Random(`${data}/${parity}`);
    const code = new ReedSolomon(data, parity);
    const shards = generated(data, parity, length);
    const lengths = shards.map(() => random.below(length + 1));
    lengths[random.below(data)] = length;
    const write = () =>
      shards.slice(data).forEach((shard, row) => sum.write(row, shard, 0, length));
    for (let i = 0; i < data; i++) sum.add(i, shards[i], 0, length);
    write();
    const bytes = joined(shards.slice(data));
    const digest = expected.startsWith("sha256 ");
    const got = digest ? `sha256 ${await sha256(bytes)}` : hex(bytes);
    assertEquals(got, expected, `${data}/${parity}`);

    sum.reset();
    for (let i = 0; i < data; i++) sum.add(i, shards[i], 0, lengths[i]);
    assertEquals(sum.length, length);
    write();
    const short = joined(shards.slice(data));
    for (let i = 0; i < data; i++) shards[i].fill(0, lengths[i]);
    code.encode(shards);
    assertEquals(short, joined(shards.slice(data)), `${data}/${parity} of lengths ${lengths}`);
  }
});

Deno.test("reed-solomon: in small codes every repairable erasure is restored, and no other", () => {
  for (const [data, parity] of [[1, 1], [1, 3], [2, 1], [3, 1], [2, 2], [3, 2], [4, 3], [5, 5]]) {
    const code = new ReedSolomon(data, parity);
    const shards = encoded(code, 11, new Random(`${data}/${parity}`));
    for (let mask = 0; mask < 1 << code.total; mask++) {
      const lost = new Set(shards.keys().filter((i) => mask >> i & 1));
      if (lost.size <= parity) {
        checkErasure(code, shards, lost);
        continue;
      }
      const left = shards.map((shard, i) => lost.has(i) ? null : shard);
      const before = left.slice();
      assertThrows(
        () => code.reconstructData(left),
        RangeError,
        `Cannot reconstruct data from ${code.total - lost.size} shards: allowed are ${data} to`,
      );
      left.forEach((shard, i) => assertStrictEquals(shard, before[i]));
    }
  }
});

Deno.test("reed-solomon: random erasures are restored in large codes", () => {
  const random = new Random("erasures");
  const ratios = [[10, 3], [10, 10], [20, 8], [70, 30], [128, 128], [255, 1], [1, 255], [9, 247]];
  for (const [data, parity] of ratios) {
    const code = new ReedSolomon(data, parity);
    const shards = encoded(code, 1 + random.below(50), random);
    for (let n = 0; n < 30; n++) {
      const lost = new Set<number>();
      // In half of the cases, as many erasures as the code can repair.
      const count = random.chance(0.5) ? parity : random.below(parity + 1);
      while (lost.size < count) lost.add(random.below(code.total));
      checkErasure(code, shards, lost);
    }
  }
});

Deno.test("reed-solomon: all data can be restored from as much parity", () => {
  for (const size of [1, 2, 10, 128]) {
    const code = new ReedSolomon(size, size);
    const shards = encoded(code, 30, new Random(size));
    checkErasure(code, shards, new Set(Array(size).keys()));
  }
});

Deno.test("reed-solomon: long shards are restored completely", () => {
  const code = new ReedSolomon(4, 2);
  for (const length of [4095, 4096, 4097, 8192, 65_507, 1_000_003]) {
    checkErasure(code, encoded(code, length, new Random(length)), new Set([1, 3]));
  }
});

Deno.test("reed-solomon: an empty array is a missing shard; parity is not restored", () => {
  const code = new ReedSolomon(3, 2);
  const shards = encoded(code, 5, new Random("empty"));
  const empty = new Uint8Array(0);
  const left = [shards[0], empty, shards[2], empty, shards[4]];
  code.reconstructData(left);
  assertEquals(left[1], shards[1]);
  assertStrictEquals(left[3], empty);
});

Deno.test("reed-solomon: recovery has a row for each missing shard", () => {
  const random = new Random("recovery");
  for (const [data, parity] of [[4, 3], [10, 3], [6, 9], [20, 10]]) {
    const code = new ReedSolomon(data, parity);
    const shards = encoded(code, 40, random);
    for (let n = 0; n < 50; n++) {
      const count = 1 + random.below(Math.min(data, parity));
      const pick = (below: number) => {
        const picked = new Set<number>();
        while (picked.size < count) picked.add(random.below(below));
        return [...picked];
      };
      const missing = pick(data).sort((a, b) => a - b);
      // Random parity shards, in random order.
      const rows = pick(parity);
      const coefficients = code.recovery(missing, rows);
      assertEquals([coefficients.rows, coefficients.columns], [count, data]);
      const sum = new ShardSum(coefficients);
      for (let i = 0; i < data; i++) {
        const place = missing.indexOf(i);
        sum.add(i, place < 0 ? shards[i] : shards[data + rows[place]], 0, 40);
      }
      missing.forEach((index, row) => {
        const restored = new Uint8Array(40);
        sum.write(row, restored, 0, 40);
        assertEquals(restored, shards[index], `${data}/${parity}: ${missing} from ${rows}`);
      });
    }
  }
});

Deno.test("reed-solomon: a known pattern gives the same solution, for any type of array", () => {
  const code = new ReedSolomon(10, 4);
  const first = code.recovery([1, 5], [0, 2]);
  assertStrictEquals(code.recovery([1, 5], [0, 2]), first);
  assertStrictEquals(code.recovery(Int32Array.of(1, 5), Int32Array.of(0, 2)), first);
  for (const [missing, parity] of [[[1, 5], [2, 0]], [[1, 6], [0, 2]], [[1, 5], [0, 3]]]) {
    assertOther(code.recovery(missing, parity), first, `${missing} from ${parity}`);
  }
  // The code must not keep the array, because the caller may reuse it.
  const missing = [3];
  const third = code.recovery(missing, [1]);
  missing[0] = 4;
  const fourth = code.recovery(missing, [1]);
  assertOther(fourth, third);
  assertStrictEquals(code.recovery([3], [1]), third);
  assertEquals(fourth.at(0, 4) === third.at(0, 4), false, "the factors must differ");
});

Deno.test("reed-solomon: patterns with the same hash are not confused", () => {
  const collisions = [
    [[[4, 34, 42], [3, 4, 6]], [[8, 10, 27], [1, 4, 6]]],
    [[[0, 4, 25], [1, 5, 6]], [[8, 12, 37], [0, 1, 2]]],
    [[[0, 1, 2], [59, 176, 24]], [[0, 1, 2], [64, 1, 2]]],
    [[[0, 38, 39, 67], [0, 1, 2, 3]], [[8, 17, 18, 32], [0, 1, 2, 3]]],
  ];
  const solution = (code: ReedSolomon, [missing, parity]: number[][]) => {
    const coefficients = code.recovery(missing, parity);
    const { rows, columns } = coefficients;
    const size = rows * columns;
    return Array.from(
      { length: size },
      (_, i) => coefficients.at(Math.floor(i / columns), i % columns),
    );
  };
  const shared = new ReedSolomon(70, 180);
  for (const patterns of collisions) {
    for (const pattern of [...patterns, ...patterns]) {
      const alone = solution(new ReedSolomon(70, 180), pattern);
      assertEquals(solution(shared, pattern), alone, `${pattern[0]} from ${pattern[1]}`);
    }
  }
});

Deno.test("reed-solomon: the 256 most recently used patterns are kept", () => {
  const code = new ReedSolomon(10, 26);
  const patterns = Array.from({ length: 257 }, (_, i) => [[i % 10], [Math.floor(i / 10)]]);
  const solve = (i: number) => code.recovery(patterns[i][0], patterns[i][1]);
  const solutions = patterns.slice(0, 256).map((_, i) => solve(i));
  assertStrictEquals(solve(0), solutions[0], "all 256 are kept; now the second one is the oldest");
  solve(256);
  assertStrictEquals(solve(0), solutions[0]);
  for (let i = 2; i < 256; i++) assertStrictEquals(solve(i), solutions[i], `pattern ${i}`);
  const again = solve(1);
  assertOther(again, solutions[1], "the oldest one is removed");
  for (let c = 0; c < 10; c++) assertEquals(again.at(0, c), solutions[1].at(0, c));
});

Deno.test("reed-solomon: large codes keep fewer patterns", () => {
  const code = new ReedSolomon(128, 128);
  const first = code.recovery([0], [0]);
  for (let i = 1; i < 32; i++) code.recovery([i], [0]);
  assertStrictEquals(code.recovery([0], [0]), first, "32 patterns are kept");
  for (let i = 32; i < 128; i++) code.recovery([i], [0]);
  assertOther(code.recovery([0], [0]), first);
});

/** Solves 300 patterns of a code, and builds their tables, as a decoder does. */
function solveMany(code: ReedSolomon): void {
  const { dataShards, parityShards } = code;
  const count = Math.min(dataShards, parityShards, 16);
  const sum = new ShardSum(code.parityCoefficients);
  for (let i = 0; i < 300; i++) {
    const lost = new Set(Array.from({ length: count }, (_, k) => (i + k * k) % dataShards));
    const missing = [...lost].sort((a, b) => a - b);
    sum.reset(code.recovery(missing, missing.map((_, k) => (i + k) % parityShards)));
  }
}

Deno.test("reed-solomon: the solutions of a code have a bound that counts the kernel's tables", () => {
  for (const [data, parity] of [[10, 3], [60, 16], [62, 16], [128, 128], [240, 16]]) {
    const code = new ReedSolomon(data, parity);
    const alone = code.bytes;
    solveMany(code);
    assertLess(code.bytes, alone + MAX_PATTERN_BYTES + 1);
    assertLess(alone, code.bytes);
  }
});

Deno.test("reed-solomon: the bytes of a code are those of its arrays", () => {
  for (const [data, parity, rows] of [[10, 3, 2], [62, 16, 16], [100, 30, 30]]) {
    const code = new ReedSolomon(data, parity);
    const missing = Array.from({ length: rows }, (_, i) => i);
    const before = code.bytes;
    const coefficients = code.recovery(missing, missing);
    const tables = coefficients.kernelTables?.length ?? 0;
    const added = code.bytes - before;
    assertLess(data * rows + tables, added);
    assertLess(added, data * rows + tables + 1024);
    const { parityCoefficients } = code;
    const empty = code.bytes;
    for (let column = 0; column < data; column++) parityCoefficients.table(0, column);
    parityCoefficients.table(0, 0);
    assertEquals(code.bytes, empty + 1024 * data);
  }
});

Deno.test("reed-solomon: the shared codes have a bound in bytes, whatever their ratios and patterns", () => {
  for (let i = 0; i < 40; i++) {
    const code = reedSolomon(62 - i % 8, 16 + Math.floor(i / 8));
    solveMany(code);
    assertLess(sharedCodeBytes(), MAX_CODE_BYTES + 1);
  }
  // The tables of a large encoder.
  const code = reedSolomon(128, 128);
  for (let column = 0; column < 128; column++) {
    for (let pass = 0; pass < 32; pass++) code.parityCoefficients.table(pass, column);
  }
  solveMany(code);
  assertStrictEquals(reedSolomon(128, 128), code, "the code in use is kept");
  assertLess(sharedCodeBytes(), MAX_CODE_BYTES + 1);
  assertLess(MAX_CODE_BYTES / 4, sharedCodeBytes(), "recent codes are kept");
});

Deno.test("reed-solomon: codes are shared, and the 32 most recently used are kept", () => {
  const codes = Array.from({ length: 32 }, (_, i) => reedSolomon(i + 1, 2));
  codes.forEach((code, i) => {
    assertEquals([code.dataShards, code.parityShards], [i + 1, 2]);
    assertStrictEquals(reedSolomon(i + 1, 2), code);
  });
  assertStrictEquals(reedSolomon(1, 2), codes[0], "now the second one is the oldest");
  reedSolomon(2, 1);
  assertStrictEquals(reedSolomon(1, 2), codes[0]);
  for (let i = 2; i < 32; i++) assertStrictEquals(reedSolomon(i + 1, 2), codes[i]);
  assertOther(reedSolomon(2, 2), codes[1], "the oldest one is removed");
});

Deno.test("reed-solomon: ratios out of range throw, and 256 shards are allowed", () => {
  const make = [(d: number, p: number) => new ReedSolomon(d, p), reedSolomon];
  for (const code of make) {
    for (const [data, parity] of [[1, 255], [255, 1], [128, 128]]) {
      assertEquals(code(data, parity).total, 256);
    }
    for (const value of [0, -1, 1.5, 256, NaN, Infinity]) {
      assertThrows(() => code(value, 1), RangeError, `Cannot set dataShards to ${value}`);
      assertThrows(() => code(1, value), RangeError, `Cannot set parityShards to ${value}`);
    }
    for (const [data, parity] of [[255, 2], [2, 255], [129, 128]]) {
      assertThrows(() => code(data, parity), RangeError, `${data} data and ${parity} parity`);
    }
    assertThrows(() => code("3" as unknown as number, 1), TypeError, "dataShards to 3");
  }
});

Deno.test("reed-solomon: encode rejects wrong numbers and lengths of shards", () => {
  const code = new ReedSolomon(2, 2);
  const shard = (length: number) => new Uint8Array(length).fill(7);
  const refused = (shards: Uint8Array[], message: string) => {
    assertThrows(() => code.encode(shards), RangeError, message);
    for (const bytes of shards) assert(bytes.every((value) => value === 7));
  };
  refused([], "Cannot work on 0 shards: allowed are 4");
  refused([shard(3), shard(3), shard(3)], "Cannot work on 3 shards: allowed are 4");
  refused(Array(5).fill(shard(3)), "Cannot work on 5 shards: allowed are 4");
  refused([shard(3), shard(4), shard(3), shard(3)], "shards of 3 and 4 bytes");
  refused([shard(3), shard(3), shard(3), shard(2)], "shards of 3 and 2 bytes");
  refused(Array(4).fill(shard(0)), "shards of 0 bytes");
  const holes = [shard(3), null, shard(3), shard(3)] as Uint8Array[];
  assertThrows(() => code.encode(holes), TypeError, "Cannot encode shard 1, which is null");
});

Deno.test("reed-solomon: reconstructData rejects wrong numbers and lengths of shards", () => {
  const code = new ReedSolomon(2, 2);
  const shard = (length: number) => new Uint8Array(length);
  assertThrows(() => code.reconstructData([shard(1), null]), RangeError, "2 shards: allowed are 4");
  assertThrows(
    () => code.reconstructData([shard(3), null, shard(4), null]),
    RangeError,
    "shards of 3 and 4 bytes",
  );
  assertThrows(
    () => code.reconstructData([shard(3), null, shard(3), shard(4)]),
    RangeError,
    "shards of 3 and 4 bytes",
  );
});

Deno.test("reed-solomon: recovery rejects invalid patterns", () => {
  const code = new ReedSolomon(5, 3);
  code.recovery([1, 3], [0, 1]);
  const refused = (missing: number[], parity: number[], message: string) => {
    assertThrows(() => code.recovery(missing, parity), RangeError, message);
  };
  refused([], [], "Cannot recover 0 data shards from 0 parity shards");
  refused([1, 3], [0], "Cannot recover 2 data shards from 1 parity shards");
  refused([1], [0, 1], "Cannot recover 1 data shards from 2 parity shards");
  for (const index of [-1, 5, 256, 1.5, NaN]) {
    refused([index], [0], `Cannot recover data shard ${index}: allowed are 0 to 4`);
  }
  for (const index of [-1, 3, 256, 0.5, NaN]) {
    refused([1], [index], `Cannot recover from parity shard ${index}: allowed are 0 to 2`);
  }
  refused([3, 1], [0, 1], "Cannot recover data shard 1: allowed are 0 to 4, ascending");
  refused([3, 3], [0, 1], "Cannot recover data shard 3");
  refused([1, 3], [1, 1], "Cannot recover from parity shard 1: allowed are 0 to 2, each once");
});
