import { assertEquals, assertThrows } from "@std/assert";
import { Xtea } from "../../crypt/xtea.ts";
import { bytes, encrypted, testBlockCipher } from "./harness.ts";

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

Deno.test("xtea: a chain of 1000 encryptions equals that of Go's xtea package", () => {
  for (
    const [key, ciphertext] of [
      ["000102030405060708090a0b0c0d0e0f", "fad4b5cfd4069ee2"],
      ["ffeeddccbbaa99887766554433221100", "c6607037a4f9fed7"],
    ]
  ) {
    assertEquals(encrypted(new Xtea(bytes(key)), "0000000000000000", 1000), ciphertext, key);
  }
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

testBlockCipher("xtea", (key) => new Xtea(key), {
  keyLength: 16,
  blockSize: 8,
  littleEndian: false,
});
