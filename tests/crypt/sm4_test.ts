import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Sm4 } from "../../crypt/sm4.ts";

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

Deno.test("sm4: the examples of GB/T 32907-2016 and draft-ribose-cfrg-sm4, appendix A.1", () => {
  const first = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  assertEquals(
    encrypted(first, "0123456789abcdeffedcba9876543210"),
    "681edf34d206965e86b3e94f536e4246",
  );
  const second = new Sm4(bytes("fedcba98765432100123456789abcdef"));
  assertEquals(
    encrypted(second, "000102030405060708090a0b0c0d0e0f"),
    "f766678f13f01adeac1b3ea955adb594",
  );
});

Deno.test("sm4: the standard's example of 1,000,000 encryptions", () => {
  const cipher = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  assertEquals(
    encrypted(cipher, "0123456789abcdeffedcba9876543210", 1_000_000),
    "595298c7c6fd271f0402f804c33d3f66",
  );
});

Deno.test("sm4: the key stream of RFC 8998 appendix A.1, which is SM4 in counter mode", () => {
  const cipher = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  const plaintext = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd" +
    "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa";
  const ciphertext = "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735" +
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d";
  const nonce = "00001234567800000000abcd";
  // GCM counts from 2: counter 1 is the tag's.
  const keyStream = bytes(
    [2, 3, 4, 5].map((n) => encrypted(cipher, `${nonce}0000000${n}`)).join(""),
  );
  assertEquals(bytes(plaintext).map((byte, i) => byte ^ keyStream[i]), bytes(ciphertext));
});

Deno.test("sm4: it has blocks of 16 bytes and big-endian words", () => {
  const cipher = new Sm4(new Uint8Array(16));
  assertEquals([cipher.blockSize, cipher.littleEndian], [16, false]);
});

Deno.test("sm4: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 15, 17, 24, 32]) {
    assertThrows(
      () => new Sm4(new Uint8Array(length)),
      RangeError,
      `Cannot key SM4 with ${length} bytes: allowed are 16`,
    );
  }
});

Deno.test("sm4: the key may lie anywhere in its memory, and is copied", () => {
  const key = bytes("0123456789abcdeffedcba9876543210");
  const memory = new Uint8Array(key.length + 7).fill(0xee);
  memory.set(key, 5);
  const cipher = new Sm4(memory.subarray(5, 5 + key.length));
  memory.fill(0);
  assertEquals(
    encrypted(cipher, "0123456789abcdeffedcba9876543210"),
    encrypted(new Sm4(key), "0123456789abcdeffedcba9876543210"),
  );
});

Deno.test("sm4: encrypting is repeatable, and ciphers of two keys do not disturb each other", () => {
  const a = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  const ofA = encrypted(a, "0123456789abcdeffedcba9876543210");
  const b = new Sm4(bytes("fedcba98765432100123456789abcdef"));
  const ofB = encrypted(b, "0123456789abcdeffedcba9876543210");
  assertNotEquals(ofA, ofB);
  for (let i = 0; i < 3; i++) {
    assertEquals(encrypted(a, "0123456789abcdeffedcba9876543210"), ofA);
    assertEquals(encrypted(b, "0123456789abcdeffedcba9876543210"), ofB);
  }
});
