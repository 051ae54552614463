import { assertEquals, assertThrows } from "@std/assert";
import { Cast5 } from "../../crypt/cast5.ts";
import { bytes, encrypted, testBlockCipher } from "./harness.ts";

Deno.test("cast5: the example of RFC 2144 appendix B.1", () => {
  const cipher = new Cast5(bytes("0123456712345678234567893456789a"));
  assertEquals(encrypted(cipher, "0123456789abcdef"), "238b4fe5847e44b2");
});

/**
 * The maintenance test of RFC 2144 appendix B.2: each of two values is the key that encrypts the
 * other.
 */
function maintenance(iterations: number): [a: string, b: string] {
  let a = "0123456712345678234567893456789a";
  let b = a;
  for (let i = 0; i < iterations; i++) {
    let cipher = new Cast5(bytes(b));
    a = encrypted(cipher, a.slice(0, 16)) + encrypted(cipher, a.slice(16));
    cipher = new Cast5(bytes(a));
    b = encrypted(cipher, b.slice(0, 16)) + encrypted(cipher, b.slice(16));
  }
  return [a, b];
}

Deno.test("cast5: the maintenance test of RFC 2144 appendix B.2, shortened as in Go", () => {
  assertEquals(maintenance(1000), [
    "23f73b14b02a2ad7dfb9f2c35644798d",
    "e5bf37eff14c456a40b21ce369370a9f",
  ], "1000 iterations");
  assertEquals(maintenance(10_000), [
    "fd9f563662cc64d7f2fb6be67d23a0f8",
    "e8c3c8eae136a412228cf7414395373b",
  ], "10,000 iterations");
});

Deno.test("cast5: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 5, 10, 15, 17, 32]) {
    assertThrows(
      () => new Cast5(new Uint8Array(length)),
      RangeError,
      `Cannot key CAST5 with ${length} bytes: allowed are 16`,
    );
  }
});

testBlockCipher("cast5", (key) => new Cast5(key), {
  keyLength: 16,
  blockSize: 8,
  littleEndian: false,
});
