import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Tea } from "../../crypt/tea.ts";

/** The bytes that a string of hexadecimal digits stands for. */
function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** Encrypts a block, given and returned in hexadecimal, as often as told. */
function encrypted(cipher: BlockCipher, hex: string, times = 1): string {
  const block = Int32Array.from(hex.match(/.{8}/g) ?? [], (word) => parseInt(word, 16));
  for (let i = 0; i < times; i++) cipher.encrypt(block);
  return Array.from(block, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

Deno.test("tea: 64 rounds, the vectors of ironclad, Bouncy Castle and TeaCrypt", () => {
  for (
    const [key, plaintext, ciphertext] of [
      ["00000000000000000000000000000000", "0000000000000000", "41ea3a0a94baa940"],
      ["ffffffffffffffffffffffffffffffff", "ffffffffffffffff", "319bbefb016abdb2"],
      ["00000000000000000000000000000000", "0102030405060708", "6a2f9cf3fccf3c55"],
      ["0123456712345678234567893456789a", "0000000000000000", "34e943b0900f5dcb"],
      ["0123456712345678234567893456789a", "0102030405060708", "773dc179878a81c0"],
      ["00112233445566778899aabbccddeeff", "0102030405060708", "deb1c0a27e745db3"],
      ["00112233445566778899aabbccddeeff", "0123456789abcdef", "126c6b92c0653a3e"],
    ]
  ) {
    assertEquals(
      encrypted(new Tea(bytes(key)), plaintext),
      ciphertext,
      `key ${key}, plaintext ${plaintext}`,
    );
  }
});

Deno.test("tea: 16 rounds as kcp-go runs it: a vector of Go's tea package, and more made with it", () => {
  for (
    const [key, plaintext, ciphertext] of [
      ["00000000000000000000000000000000", "0000000000000000", "ed285da1455b33c1"],
      ["000102030405060708090a0b0c0d0e0f", "0000000000000000", "13280e6deb52b3f4"],
      ["000102030405060708090a0b0c0d0e0f", "0123456789abcdef", "4bba3193aceaa306"],
      ["00112233445566778899aabbccddeeff", "0123456789abcdef", "d6546158b8f8020c"],
      ["00112233445566778899aabbccddeeff", "ffffffffffffffff", "3d75e684248754c8"],
      ["ffffffffffffffffffffffffffffffff", "0000000000000000", "497163cc0eca288d"],
      ["ffffffffffffffffffffffffffffffff", "ffffffffffffffff", "ee45114b1d87a152"],
    ]
  ) {
    assertEquals(
      encrypted(new Tea(bytes(key), 16), plaintext),
      ciphertext,
      `key ${key}, plaintext ${plaintext}`,
    );
  }
});

Deno.test("tea: 1000 encryptions in a row, as Go's tea package does them", () => {
  for (
    const [rounds, ciphertext] of [
      [2, "8404a9ab0fb7c241"],
      [16, "66b534ade8d3cb47"],
      [64, "a8459be0dacf4e9c"],
    ] as const
  ) {
    const cipher = new Tea(bytes("00112233445566778899aabbccddeeff"), rounds);
    assertEquals(encrypted(cipher, "0000000000000000", 1000), ciphertext, `${rounds} rounds`);
  }
});

Deno.test("tea: a number of rounds that is odd, fractional, or below 2 is an error", () => {
  for (const rounds of [-2, 0, 1, 15, 2.5, NaN, Infinity]) {
    assertThrows(
      () => new Tea(new Uint8Array(16), rounds),
      RangeError,
      `Cannot run TEA for ${rounds} rounds: allowed are even numbers from 2 on`,
    );
  }
});

Deno.test("tea: it has blocks of 8 bytes and big-endian words", () => {
  const cipher = new Tea(new Uint8Array(16));
  assertEquals([cipher.blockSize, cipher.littleEndian], [8, false]);
});

Deno.test("tea: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 8, 15, 17, 32]) {
    assertThrows(
      () => new Tea(new Uint8Array(length)),
      RangeError,
      `Cannot key TEA with ${length} bytes: allowed are 16`,
    );
  }
});

Deno.test("tea: the key may lie anywhere in its memory, and is copied", () => {
  const key = bytes("00112233445566778899aabbccddeeff");
  const memory = new Uint8Array(key.length + 7).fill(0xee);
  memory.set(key, 5);
  const cipher = new Tea(memory.subarray(5, 5 + key.length));
  memory.fill(0);
  assertEquals(encrypted(cipher, "0123456789abcdef"), encrypted(new Tea(key), "0123456789abcdef"));
});

Deno.test("tea: encrypting is repeatable, and ciphers of two keys do not disturb each other", () => {
  const a = new Tea(bytes("00112233445566778899aabbccddeeff"));
  const ofA = encrypted(a, "0123456789abcdef");
  const b = new Tea(bytes("000102030405060708090a0b0c0d0e0f"));
  const ofB = encrypted(b, "0123456789abcdef");
  assertNotEquals(ofA, ofB);
  for (let i = 0; i < 3; i++) {
    assertEquals(encrypted(a, "0123456789abcdef"), ofA);
    assertEquals(encrypted(b, "0123456789abcdef"), ofB);
  }
});
