import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Xtea } from "../../crypt/xtea.ts";

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

Deno.test("xtea: the vectors of Go, Bouncy Castle and TeaCrypt", () => {
  for (
    const [key, plaintext, ciphertext] of [
      ["000102030405060708090a0b0c0d0e0f", "4142434445464748", "497df3d072612cb5"],
      ["000102030405060708090a0b0c0d0e0f", "4141414141414141", "e78f2d13744341d8"],
      ["000102030405060708090a0b0c0d0e0f", "5a5b6e278948d77f", "4141414141414141"],
      ["00000000000000000000000000000000", "4142434445464748", "a0390589f8b8efa5"],
      ["00000000000000000000000000000000", "4141414141414141", "ed23375a821a8c2d"],
      ["00000000000000000000000000000000", "70e1225d6e4e7655", "4141414141414141"],
      ["00000000000000000000000000000000", "0000000000000000", "dee9d4d8f7131ed9"],
      ["00000000000000000000000000000000", "0102030405060708", "065c1b8975c6a816"],
      ["0123456712345678234567893456789a", "0000000000000000", "1ff9a0261ac64264"],
      ["0123456712345678234567893456789a", "0102030405060708", "8c67155b2ef91ead"],
      ["00112233445566778899aabbccddeeff", "0102030405060708", "dcdd7acdc1584b79"],
      ["00112233445566778899aabbccddeeff", "0123456789abcdef", "b8bf2821622b5b30"],
    ]
  ) {
    assertEquals(
      encrypted(new Xtea(bytes(key)), plaintext),
      ciphertext,
      `key ${key}, plaintext ${plaintext}`,
    );
  }
});

Deno.test("xtea: 1000 encryptions in a row, as Go's xtea package does them", () => {
  for (
    const [key, ciphertext] of [
      ["000102030405060708090a0b0c0d0e0f", "fad4b5cfd4069ee2"],
      ["ffeeddccbbaa99887766554433221100", "c6607037a4f9fed7"],
    ]
  ) {
    assertEquals(encrypted(new Xtea(bytes(key)), "0000000000000000", 1000), ciphertext, key);
  }
});

Deno.test("xtea: it has blocks of 8 bytes and big-endian words", () => {
  const cipher = new Xtea(new Uint8Array(16));
  assertEquals([cipher.blockSize, cipher.littleEndian], [8, false]);
});

Deno.test("xtea: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 8, 15, 17, 32]) {
    assertThrows(
      () => new Xtea(new Uint8Array(length)),
      RangeError,
      `Cannot key XTEA with ${length} bytes: allowed are 16`,
    );
  }
});

Deno.test("xtea: the key may lie anywhere in its memory, and is copied", () => {
  const key = bytes("00112233445566778899aabbccddeeff");
  const memory = new Uint8Array(key.length + 7).fill(0xee);
  memory.set(key, 5);
  const cipher = new Xtea(memory.subarray(5, 5 + key.length));
  memory.fill(0);
  assertEquals(encrypted(cipher, "0123456789abcdef"), encrypted(new Xtea(key), "0123456789abcdef"));
});

Deno.test("xtea: encrypting is repeatable, and ciphers of two keys do not disturb each other", () => {
  const a = new Xtea(bytes("00112233445566778899aabbccddeeff"));
  const ofA = encrypted(a, "0123456789abcdef");
  const b = new Xtea(bytes("000102030405060708090a0b0c0d0e0f"));
  const ofB = encrypted(b, "0123456789abcdef");
  assertNotEquals(ofA, ofB);
  for (let i = 0; i < 3; i++) {
    assertEquals(encrypted(a, "0123456789abcdef"), ofA);
    assertEquals(encrypted(b, "0123456789abcdef"), ofB);
  }
});
