import { assertEquals } from "@std/assert";
import { crc32, portableCrc32 } from "../../crypt/crc32.ts";
import { Random } from "../../transport/link/random.ts";

/** The checksum by its definition: the remainder of a polynomial division, bit by bit. */
function divided(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const high = (remainder ^ byte >>> bit) & 1;
      remainder = remainder >>> 1 ^ (high ? 0xedb88320 : 0);
    }
  }
  return ~remainder >>> 0;
}

Deno.test("crc32: the standard check value, and values of Go's hash/crc32", () => {
  const vectors: [string, number][] = [
    ["123456789", 0xcbf43926],
    ["", 0],
    ["a", 0xe8b7be43],
    ["abc", 0x352441c2],
    ["message digest", 0x20159d7f],
    ["abcdefghijklmnopqrstuvwxyz", 0x4c2750bd],
    ["The quick brown fox jumps over the lazy dog", 0x414fa339],
  ];
  for (const [text, expected] of vectors) {
    assertEquals(crc32(new TextEncoder().encode(text)), expected, text);
  }
  assertEquals(crc32(new Uint8Array(32)), 0x190a55ad);
  assertEquals(crc32(new Uint8Array(32).fill(0xff)), 0xff6cab0b);
  assertEquals(crc32(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x91267e8a);
  assertEquals(crc32(new Uint8Array(65_507)), 0x3ec6acfe);
  assertEquals(crc32(Uint8Array.from({ length: 65_507 }, (_, i) => 7 * i + 3)), 0x0945a3be);
});

Deno.test("crc32: it equals the remainder of a division bit by bit, for every range", () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * i * 37 + (i << 2) >>> 1);
  for (let start = 0; start < 20; start++) {
    for (let end = start; end <= bytes.length; end++) {
      assertEquals(
        crc32(bytes, start, end),
        divided(bytes.subarray(start, end)),
        `from ${start} to ${end}`,
      );
    }
  }
});

Deno.test("crc32: neither the bytes around the range nor its offset count", () => {
  const memory = new Uint8Array(64).fill(0xa5);
  const text = new TextEncoder().encode("123456789");
  for (let at = 0; at < 48; at++) {
    memory.fill(at).set(text, at);
    assertEquals(crc32(memory, at, at + 9), 0xcbf43926);
    assertEquals(crc32(memory.subarray(at), 0, 9), 0xcbf43926);
  }
});

Deno.test("crc32: every single flipped bit changes the checksum", () => {
  const bytes = Uint8Array.from({ length: 67 }, (_, i) => 29 * i);
  const before = crc32(bytes);
  const seen = new Set([before]);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    seen.add(crc32(bytes));
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
  assertEquals(seen.size, 1 + 8 * bytes.length, "two flipped bits gave the same checksum");
});

Deno.test("crc32: kernel and TypeScript give the same result, for all lengths and offsets", () => {
  const bytes = new Random("kernel").fill(new Uint8Array(130_000));
  for (let length = 0; length <= 1500; length++) {
    const start = length % 9;
    assertEquals(crc32(bytes, start, start + length), portableCrc32(bytes, start, start + length));
  }
  for (const length of [65_507, 65_535, 65_536, 65_537, 130_000]) {
    assertEquals(crc32(bytes, 0, length), portableCrc32(bytes, 0, length), `${length} bytes`);
  }
});
