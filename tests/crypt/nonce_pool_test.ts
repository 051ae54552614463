import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NoncePool } from "../../crypt/nonce_pool.ts";

/** An entropy source that returns 0, 1, 2 … modulo 251, and records the length of each draw. */
function counting() {
  const draws: number[] = [];
  let next = 0;
  const entropy = (target: Uint8Array) => {
    draws.push(target.length);
    for (let i = 0; i < target.length; i++) target[i] = next++ % 251;
  };
  return { draws, entropy };
}

Deno.test("nonce pool: each random byte is used once, in order", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 50 }),
    fc.array(fc.nat(120), { maxLength: 30 }),
    (size, counts) => {
      const { draws, entropy } = counting();
      const pool = new NoncePool(entropy, size);
      let next = 0;
      for (const count of counts) {
        const target = new Uint8Array(count + 7).fill(0xff);
        pool.fill(target, 3, count);
        for (let i = 0; i < count; i++) assertEquals(target[3 + i], next++ % 251);
        assertEquals(
          [...target.subarray(0, 3), ...target.subarray(3 + count)],
          Array(7).fill(0xff),
          "no byte around is touched",
        );
      }
      assertEquals(
        draws,
        Array(Math.ceil(next / size)).fill(size),
        "the pool must draw only when it is empty",
      );
    },
  ));
});

Deno.test("nonce pool: it draws 2048 bytes at a time, and nothing before the first use", () => {
  const { draws, entropy } = counting();
  const pool = new NoncePool(entropy);
  assertEquals(draws, []);
  const nonce = new Uint8Array(16);
  for (let i = 0; i < 128; i++) pool.fill(nonce, 0, 16);
  assertEquals(draws, [2048]);
  pool.fill(nonce, 0, 16);
  assertEquals(draws, [2048, 2048]);
});

Deno.test("nonce pool: with the runtime's entropy no nonce repeats", () => {
  const pool = new NoncePool((target) => crypto.getRandomValues(target), 65_536);
  const seen = new Set<string>();
  const nonce = new Uint8Array(12);
  for (let i = 0; i < 20_000; i++) {
    pool.fill(nonce, 0, 12);
    seen.add(nonce.join());
  }
  assertEquals(seen.size, 20_000);
});

Deno.test("nonce pool: after a failed draw no byte is used twice", () => {
  const { draws, entropy } = counting();
  let broken = false;
  const pool = new NoncePool((target) => {
    if (broken) throw new Error("no entropy");
    entropy(target);
  }, 10);
  const target = new Uint8Array(10);
  pool.fill(target, 0, 7);
  broken = true;
  for (let i = 0; i < 3; i++) assertThrows(() => pool.fill(target, 0, 7), Error, "no entropy");
  broken = false;
  pool.fill(target, 0, 10);
  assertEquals(Array.from(target), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert(draws.length === 2);
});

Deno.test("nonce pool: a size out of range is rejected", () => {
  for (const size of [0, -1, 1.5, NaN, 65_537, Infinity]) {
    assertThrows(
      () => new NoncePool(() => {}, size),
      RangeError,
      `Cannot make a nonce pool of ${size} bytes: allowed are whole numbers 1 to 65536`,
    );
  }
});
