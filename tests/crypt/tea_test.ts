import { assertEquals, assertThrows } from "@std/assert";
import { Tea } from "../../crypt/tea.ts";
import { bytes, encrypted, testBlockCipher } from "./harness.ts";

Deno.test("tea: with 64 rounds, the vectors of ironclad, Bouncy Castle and TeaCrypt", () => {
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

Deno.test("tea: with 16 rounds, as in kcp-go, vectors of Go's tea package", () => {
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

Deno.test("tea: a chain of 1000 encryptions equals that of Go's tea package", () => {
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

Deno.test("tea: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 8, 15, 17, 32]) {
    assertThrows(
      () => new Tea(new Uint8Array(length)),
      RangeError,
      `Cannot key TEA with ${length} bytes: allowed are 16`,
    );
  }
});

testBlockCipher("tea", (key) => new Tea(key), {
  keyLength: 16,
  blockSize: 8,
  littleEndian: false,
});
