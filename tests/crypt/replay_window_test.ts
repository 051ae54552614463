import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLessOrEqual,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { MAX_PROBE, ReplayWindow } from "../../crypt/replay_window.ts";

/** A nonce whose first 8 bytes are two words. */
function nonce(low: number, high: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, low, true);
  view.setInt32(4, high, true);
  return bytes;
}

/** Nonce number `n` of a sequence that looks random: both words are permutations of the numbers. */
function numbered(n: number): Uint8Array {
  let low = Math.imul(n + 1, 0x9e3779b1);
  low = Math.imul(low ^ low >>> 15, 0x85ebca6b);
  low = Math.imul(low ^ low >>> 13, 0xc2b2ae35);
  return nonce(low ^ low >>> 16, Math.imul(n, 0x27d4eb2f) | 1);
}

Deno.test("replay window: it knows what two sets know, of which the older goes when the newer is full", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.nat(400), { maxLength: 1500, size: "max" }),
      (size, numbers) => {
        const window = new ReplayWindow(size);
        let current = new Set<number>(), previous = new Set<number>();
        for (const n of numbers) {
          const known = current.has(n) || previous.has(n);
          assertEquals(window.has(numbered(n), 0), known, `nonce ${n}`);
          // A duplicate that is added all the same takes no second place.
          window.add(numbered(n), 0);
          if (current.has(n)) continue;
          if (current.size === size) {
            previous = current;
            current = new Set();
          }
          current.add(n);
        }
        for (let n = 0; n <= 400; n++) {
          assertEquals(window.has(numbered(n), 0), current.has(n) || previous.has(n), `${n}`);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("replay window: the last `size` nonces are known at every moment, and at most twice as many", () => {
  for (const size of [1, 2, 3, 63, 64, 65, 128, 129, 1000]) {
    const window = new ReplayWindow(size);
    const count = Math.min(3 * size + 5, 700);
    for (let n = 0; n < count; n++) {
      assertFalse(window.has(numbered(n), 0), `${n} is new to a window of ${size}`);
      window.add(numbered(n), 0);
      for (let k = Math.max(0, n - size + 1); k <= n; k++) {
        assert(window.has(numbered(k), 0), `${k} after ${n} in a window of ${size}`);
      }
      for (let k = 0; k <= n - 2 * size; k++) {
        assertFalse(window.has(numbered(k), 0), `${k} after ${n} in a window of ${size}`);
      }
    }
  }
});

Deno.test("replay window: the default remembers 65536, in 2 MiB, and grows to that as nonces come", () => {
  const window = new ReplayWindow();
  assertEquals(window.byteLength, 2048, "at first");
  for (let n = 0; n < 100; n++) window.add(numbered(n), 0);
  assertLessOrEqual(window.byteLength, 8 * 1024, "with 100");
  for (let n = 100; n < 65_536; n++) window.add(numbered(n), 0);
  assertLessOrEqual(window.byteLength, (1 << 20) + 1024, "with one set");
  for (let n = 65_536; n < 300_000; n++) {
    window.add(numbered(n), 0);
    assertLessOrEqual(window.byteLength, 2 << 20);
  }
  for (let n = 300_000 - 65_536; n < 300_000; n++) assert(window.has(numbered(n), 0), `${n}`);
  for (let n = 0; n < 300_000 - 131_072; n++) assertFalse(window.has(numbered(n), 0), `${n}`);
  window.clear();
  assertEquals(window.byteLength, 2048, "memory is given back");
  for (let n = 299_000; n < 300_000; n++) assertFalse(window.has(numbered(n), 0));
});

Deno.test("replay window: random nonces never begin a set early", () => {
  // The last nonce added before the set is full needs the longest search: all must be there still.
  const window = new ReplayWindow(1 << 17);
  const bytes = new Uint8Array(12);
  const all: Uint8Array[] = [];
  for (let n = 0; n < 1 << 17; n++) {
    crypto.getRandomValues(bytes);
    all.push(bytes.slice());
    window.add(bytes, 0);
  }
  assert(all.every((bytes) => window.has(bytes, 0)));
  assertEquals(window.byteLength, (2 << 20) + 1024, "the second set has not begun");
});

Deno.test("replay window: nonces made to collide are searched in bounded chains, in bounded memory", () => {
  const attacks: [string, (n: number) => Uint8Array][] = [
    ["the first word is the same", (n) => nonce(0x12345678, n + 1)],
    ["the low bits of the first word are the same", (n) => nonce(n << 20 | 5, 1)],
    ["the first word counts up within a few slots", (n) => nonce(n & 7, n + 1)],
    ["chains run around the end of the table", (n) => nonce(-1 - (n & 3), n + 1)],
    ["half of them are random", (n) => n & 1 ? numbered(n) : nonce(77, n)],
  ];
  for (const [name, made] of attacks) {
    const window = new ReplayWindow(4096);
    for (let n = 0; n < 5000; n++) {
      assertFalse(window.has(made(n), 0), `${name}: ${n} is new`);
      window.add(made(n), 0);
      assert(window.has(made(n), 0), `${name}: ${n} is known once it was added`);
      // What was added in the current set is known, and a set takes as many as a chain has at least.
      const back = Math.min(n, 20);
      assert(window.has(made(n - back), 0), `${name}: ${n - back} is known still`);
    }
    assertLessOrEqual(window.byteLength, 32 * 4096, name);
  }
  // Were chains not bounded, all 5000 would be known.
  const window = new ReplayWindow(65_536);
  for (let n = 0; n < 5000; n++) window.add(nonce(9, n), 0);
  let known = 0;
  for (let n = 0; n < 5000; n++) if (window.has(nonce(9, n), 0)) known++;
  assertLessOrEqual(known, 2 * MAX_PROBE);
  assertGreater(known, MAX_PROBE);
});

Deno.test("replay window: where a set cannot grow another begins, and nothing is forgotten", () => {
  // In the table of 1024 slots, 256 nonces want slot 724 and 200 want slot 979, where the last of the former lies: they
  // run around the end of the table. When it is doubled, those from its beginning are moved first and take the slots
  // from 979 on, and the last of the 256 finds none within reach.
  const nonces = [
    ...Array.from({ length: 256 }, (_, n) => nonce(724, n + 1)),
    ...Array.from({ length: 200 }, (_, n) => nonce(979, n + 1)),
    ...Array.from({ length: 57 }, (_, n) => nonce(400 + n, 1)),
  ];
  const window = new ReplayWindow(4096);
  for (const bytes of nonces.slice(0, 512)) window.add(bytes, 0);
  assertEquals(window.byteLength, 8 * 1024 + 1024, "the second set is still small");
  window.add(nonces[512], 0);
  assertEquals(window.byteLength, 8 * 1024 + 1024, "and the first did not grow");
  nonces.forEach((bytes, n) => assert(window.has(bytes, 0), `nonce ${n}`));
});

Deno.test("replay window: the first 8 bytes count, from the offset on, and may all be zero", () => {
  const window = new ReplayWindow(10);
  const memory = new Uint8Array(40).fill(0xaa);
  memory.set(numbered(3), 11);
  window.add(memory, 11);
  assert(window.has(numbered(3), 0));
  assertFalse(window.has(memory, 10));
  for (let i = 0; i < 8; i++) {
    const other = numbered(3);
    other[i] ^= 0x40;
    assertFalse(window.has(other, 0), `byte ${i} counts`);
  }
  const zeros = new Uint8Array(12);
  assertFalse(window.has(zeros, 0), "though a free slot is all zeros too");
  window.add(zeros, 0);
  assert(window.has(zeros, 0));
});

Deno.test("replay window: it cannot remember nothing, nor more than 2^24", () => {
  for (const size of [0, -1, 0.5, NaN, Infinity, 2 ** 24 + 1]) {
    assertThrows(
      () => new ReplayWindow(size),
      RangeError,
      `Cannot remember ${size} packets: allowed are whole numbers 1 to 16777216`,
    );
  }
});
