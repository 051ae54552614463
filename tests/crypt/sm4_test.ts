import { assertEquals, assertThrows } from "@std/assert";
import { Sm4 } from "../../crypt/sm4.ts";
import { bytes, encrypted, testBlockCipher } from "./harness.ts";

Deno.test("sm4: the examples of GB/T 32907-2016, appendix A.1", () => {
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

Deno.test("sm4: the key stream of RFC 8998 appendix A.1 (SM4 in counter mode)", () => {
  const cipher = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  const plaintext = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd" +
    "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa";
  const ciphertext = "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735" +
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d";
  const nonce = "00001234567800000000abcd";
  // In GCM the data begins with counter 2. Counter 1 is for the tag.
  const keyStream = bytes(
    [2, 3, 4, 5].map((n) => encrypted(cipher, `${nonce}0000000${n}`)).join(""),
  );
  assertEquals(bytes(plaintext).map((byte, i) => byte ^ keyStream[i]), bytes(ciphertext));
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

testBlockCipher("sm4", (key) => new Sm4(key), {
  keyLength: 16,
  blockSize: 16,
  littleEndian: false,
});
