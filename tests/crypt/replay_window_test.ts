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

/** Makes a nonce whose first 8 bytes are two words. */
function nonce(low: number, high: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, low, true);
  view.setInt32(4, high, true);
  return bytes;
}

/**
 * Nonce `n` of a pseudorandom sequence without repetition: each word is a permutation of the
 * numbers.
 */
function numbered(n: number): Uint8Array {
  let low = Math.imul(n + 1, 0x9e3779b1);
  low = Math.imul(low ^ low >>> 15, 0x85ebca6b);
  low = Math.imul(low ^ low >>> 13, 0xc2b2ae35);
  return nonce(low ^ low >>> 16, Math.imul(n, 0x27d4eb2f) | 1);
}

Deno.test("replay window: it has two sets, and the older is emptied when the newer is full", () => {
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
          // Adding a duplicate must not use a second slot.
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

Deno.test("replay window: it remembers the last `size` nonces, and at most twice as many", () => {
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

Deno.test("replay window: by default it remembers 65536 nonces, and grows to 2 MiB", () => {
  const window = new ReplayWindow();
  assertEquals(window.byteLength, 2048, "without nonces");
  for (let n = 0; n < 100; n++) window.add(numbered(n), 0);
  assertLessOrEqual(window.byteLength, 8 * 1024, "with 100 nonces");
  for (let n = 100; n < 65_536; n++) window.add(numbered(n), 0);
  assertLessOrEqual(window.byteLength, (1 << 20) + 1024, "with one full set");
  for (let n = 65_536; n < 300_000; n++) {
    window.add(numbered(n), 0);
    assertLessOrEqual(window.byteLength, 2 << 20);
  }
  for (let n = 300_000 - 65_536; n < 300_000; n++) assert(window.has(numbered(n), 0), `${n}`);
  for (let n = 0; n < 300_000 - 131_072; n++) assertFalse(window.has(numbered(n), 0), `${n}`);
  window.clear();
  assertEquals(window.byteLength, 2048, "after clear");
  for (let n = 299_000; n < 300_000; n++) assertFalse(window.has(numbered(n), 0));
});

Deno.test("replay window: random nonces never exchange the sets early", () => {
  // The search is longest for the last nonces before the set is full. All nonces must be
  // remembered.
  const window = new ReplayWindow(1 << 17);
  const bytes = new Uint8Array(12);
  const all: Uint8Array[] = [];
  for (let n = 0; n < 1 << 17; n++) {
    crypto.getRandomValues(bytes);
    all.push(bytes.slice());
    window.add(bytes, 0);
  }
  assert(all.every((bytes) => window.has(bytes, 0)));
  assertEquals(window.byteLength, (2 << 20) + 1024, "the sets must not be exchanged yet");
});

Deno.test("replay window: nonces made to collide need bounded time and memory", () => {
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
      // The nonces of the current set are remembered, and a set has at least as many as a search
      // can read.
      const back = Math.min(n, 20);
      assert(window.has(made(n - back), 0), `${name}: ${n - back} is known still`);
    }
    assertLessOrEqual(window.byteLength, 32 * 4096, name);
  }
  // If searches were not bounded, all 5000 nonces would be remembered.
  const window = new ReplayWindow(65_536);
  for (let n = 0; n < 5000; n++) window.add(nonce(9, n), 0);
  let known = 0;
  for (let n = 0; n < 5000; n++) if (window.has(nonce(9, n), 0)) known++;
  assertLessOrEqual(known, 2 * MAX_PROBE);
  assertGreater(known, MAX_PROBE);
});

Deno.test("replay window: if a set cannot grow, the sets are exchanged", () => {
  // In a table of 1024 slots, 256 nonces start at slot 724 and fill up to slot 979. Then 200 nonces
  // start at slot 979 and continue at the beginning of the table. When the table doubles, the
  // nonces at its beginning are moved first and take the slots from 979 on. Then the last of the
  // 256 nonces finds no slot.
  const nonces = [
    ...Array.from({ length: 256 }, (_, n) => nonce(724, n + 1)),
    ...Array.from({ length: 200 }, (_, n) => nonce(979, n + 1)),
    ...Array.from({ length: 57 }, (_, n) => nonce(400 + n, 1)),
  ];
  const window = new ReplayWindow(4096);
  for (const bytes of nonces.slice(0, 512)) window.add(bytes, 0);
  assertEquals(window.byteLength, 8 * 1024 + 1024, "the second set must be small");
  window.add(nonces[512], 0);
  assertEquals(window.byteLength, 8 * 1024 + 1024, "the first set must not grow");
  nonces.forEach((bytes, n) => assert(window.has(bytes, 0), `nonce ${n}`));
});

Deno.test("replay window: the 8 bytes from the offset on count, even if all are zero", () => {
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
  assertFalse(window.has(zeros, 0), "a free slot must not match zeros");
  window.add(zeros, 0);
  assert(window.has(zeros, 0));
});

Deno.test("replay window: a size out of range is rejected", () => {
  for (const size of [0, -1, 0.5, NaN, Infinity, 2 ** 24 + 1]) {
    assertThrows(
      () => new ReplayWindow(size),
      RangeError,
      `Cannot remember ${size} packets: allowed are whole numbers 1 to 16777216`,
    );
  }
});
