import { assertEquals, assertThrows } from "@std/assert";
import { Aes } from "../../crypt/aes.ts";
import { bytes } from "./harness.ts";

/** Encrypts a block. The block and the result are in hexadecimal. */
function encrypted(cipher: Aes, hex: string): string {
  const from = new DataView(bytes(hex).buffer);
  const block = Int32Array.from({ length: 4 }, (_, i) => from.getInt32(4 * i, true));
  cipher.encrypt(block);
  const to = new DataView(new ArrayBuffer(16));
  block.forEach((word, i) => to.setInt32(4 * i, word, true));
  return Array.from(
    new Uint8Array(to.buffer),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** The key 000102… of a given length in bytes. */
function counting(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i);
}

Deno.test("aes: the examples of FIPS 197 appendix C", () => {
  const plain = "00112233445566778899aabbccddeeff";
  assertEquals(encrypted(new Aes(counting(16)), plain), "69c4e0d86a7b0430d8cdb78070b4c55a");
  assertEquals(encrypted(new Aes(counting(24)), plain), "dda97ca4864cdfe06eaf70a0ec0d7191");
  assertEquals(encrypted(new Aes(counting(32)), plain), "8ea2b7ca516745bfeafc49904b496089");
});

Deno.test("aes: the ECB examples of NIST SP 800-38A F.1.1", () => {
  const cipher = new Aes(bytes("2b7e151628aed2a6abf7158809cf4f3c"));
  const examples = [
    ["6bc1bee22e409f96e93d7e117393172a", "3ad77bb40d7a3660a89ecaf32466ef97"],
    ["ae2d8a571e03ac9c9eb76fac45af8e51", "f5d3d58503b9699de785895a96fdbaaf"],
    ["30c81c46a35ce411e5fbc1191a0a52ef", "43b1cd7f598ece23881b00e3ed030688"],
    ["f69f2445df4f9b17ad2b417be66c3710", "7b0c785e27e8ad3f8223207104725dd4"],
  ];
  for (const [plain, expected] of examples) assertEquals(encrypted(cipher, plain), expected);
});

Deno.test("aes: the key may be at any offset in its buffer, and is copied", () => {
  const memory = new Uint8Array(21);
  const key = memory.subarray(5);
  key.set(counting(16));
  const cipher = new Aes(key);
  assertEquals(key, counting(16), "the constructor must not change the key");
  memory.fill(0);
  assertEquals(
    encrypted(cipher, "00112233445566778899aabbccddeeff"),
    "69c4e0d86a7b0430d8cdb78070b4c55a",
  );
});

Deno.test("aes: a key of another length is an error that says what is allowed", () => {
  for (const length of [0, 15, 17, 31, 33, 64]) {
    assertThrows(
      () => new Aes(new Uint8Array(length)),
      RangeError,
      `Cannot key AES with ${length} bytes: allowed are 16, 24 or 32`,
    );
  }
});
