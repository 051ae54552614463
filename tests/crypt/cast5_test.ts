import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Cast5 } from "../../crypt/cast5.ts";

/** The bytes that a string of hexadecimal digits stands for. */
function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** Encrypts a block, given and returned in hexadecimal. */
function encrypted(cipher: BlockCipher, hex: string): string {
  const block = Int32Array.from(hex.match(/.{8}/g) ?? [], (word) => parseInt(word, 16));
  cipher.encrypt(block);
  return Array.from(block, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

Deno.test("cast5: the example of RFC 2144 appendix B.1", () => {
  const cipher = new Cast5(bytes("0123456712345678234567893456789a"));
  assertEquals(encrypted(cipher, "0123456789abcdef"), "238b4fe5847e44b2");
});

/** The maintenance test of RFC 2144 appendix B.2: two values key the encryption of each other. */
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

Deno.test("cast5: the maintenance test of RFC 2144 appendix B.2, shortened, as Go's cast5 package does it", () => {
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

Deno.test("cast5: it has blocks of 8 bytes and big-endian words", () => {
  const cipher = new Cast5(new Uint8Array(16));
  assertEquals([cipher.blockSize, cipher.littleEndian], [8, false]);
});

Deno.test("cast5: ciphers with different keys don't disturb each other, and each repeats itself", () => {
  const blocks = ["0000000000000000", "0123456789abcdef", "ffffffffffffffff"];
  const keys = [new Uint8Array(16).fill(0x35), new Uint8Array(16).fill(0x9c)];
  const alone = keys.map((key) => blocks.map((block) => encrypted(new Cast5(key), block)));
  const ciphers = keys.map((key) => new Cast5(key));
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < blocks.length; i++) {
      for (const [n, cipher] of ciphers.entries()) {
        assertEquals(encrypted(cipher, blocks[i]), alone[n][i], `round ${round}, cipher ${n}`);
      }
    }
  }
  assertNotEquals(alone[0], alone[1]);
});

Deno.test("cast5: the key is read once, from where it lies in its buffer", () => {
  const key = new Uint8Array(16).fill(0x35);
  const expected = encrypted(new Cast5(key), "0123456789abcdef");
  const buffer = new Uint8Array(16 + 8).fill(0xff);
  const inside = buffer.subarray(3, 3 + 16);
  inside.set(key);
  const cipher = new Cast5(inside);
  assertEquals(encrypted(cipher, "0123456789abcdef"), expected);
  buffer.fill(0);
  assertEquals(encrypted(cipher, "0123456789abcdef"), expected, "after the key was erased");
  assertEquals(key, new Uint8Array(16).fill(0x35), "the constructor leaves the key alone");
});
