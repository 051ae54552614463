/**
 * Helpers for the tests of the ciphers.
 *
 * @module
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";

/** Bytes from hexadecimal digits. */
export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/**
 * The CFB128-AES examples of NIST SP 800-38A F.3.13 to F.3.18: keys and ciphertexts. IV and
 * plaintext are common.
 */
export const CFB128_AES: {
  iv: Uint8Array<ArrayBuffer>;
  plain: Uint8Array<ArrayBuffer>;
  examples: [key: string, ciphertext: string][];
} = {
  iv: bytes("000102030405060708090a0b0c0d0e0f"),
  plain: bytes(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  ),
  examples: [
    [
      "2b7e151628aed2a6abf7158809cf4f3c",
      "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b" +
      "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
    ],
    [
      "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
      "cdc80d6fddf18cab34c25909c99a417467ce7f7f81173621961a2b70171d3d7a" +
      "2e1e8a1dd59b88b1c8e60fed1efac4c9c05f9f9ca9834fa042ae8fba584b09ff",
    ],
    [
      "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
      "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407b" +
      "df10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
    ],
  ],
};

/** Encrypts a block `times` times. The block and the result are in hexadecimal. */
export function encrypted(cipher: BlockCipher, hex: string, times = 1): string {
  const { littleEndian } = cipher;
  const view = new DataView(bytes(hex).buffer);
  const length = view.byteLength / 4;
  const block = Int32Array.from({ length }, (_, i) => view.getInt32(4 * i, littleEndian));
  for (let i = 0; i < times; i++) cipher.encrypt(block);
  block.forEach((word, i) => view.setInt32(4 * i, word, littleEndian));
  return Array.from(new Uint8Array(view.buffer), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** Defines the tests that every block cipher must pass. */
export function testBlockCipher(
  name: string,
  make: (key: Uint8Array) => BlockCipher,
  { keyLength, blockSize, littleEndian }: {
    keyLength: number;
    blockSize: 8 | 16;
    littleEndian: boolean;
  },
): void {
  const keys = [0x35, 0x9c].map((first) =>
    Uint8Array.from({ length: keyLength }, (_, i) => first + 29 * i)
  );
  const blocks = ["00", "0123456789abcdef", "ff"].map((digits) =>
    digits.repeat(2 * blockSize / digits.length)
  );

  Deno.test(`${name}: it has blocks of ${blockSize} bytes and ${littleEndian ? "little" : "big"}-endian words`, () => {
    const cipher = make(new Uint8Array(keyLength));
    assertEquals([cipher.blockSize, cipher.littleEndian], [blockSize, littleEndian]);
  });

  Deno.test(`${name}: ciphers with different keys are independent`, () => {
    const alone = keys.map((key) => blocks.map((block) => encrypted(make(key), block)));
    const ciphers = keys.map(make);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < blocks.length; i++) {
        for (const [n, cipher] of ciphers.entries()) {
          assertEquals(encrypted(cipher, blocks[i]), alone[n][i], `round ${round}, cipher ${n}`);
        }
      }
    }
    for (let i = 0; i < blocks.length; i++) assertNotEquals(alone[0][i], alone[1][i]);
  });

  Deno.test(`${name}: the key may be at any offset in its buffer, and is copied`, () => {
    const [key] = keys;
    const before = key.slice();
    const expected = encrypted(make(key), blocks[1]);
    const buffer = new Uint8Array(keyLength + 8).fill(0xff);
    const inside = buffer.subarray(3, 3 + keyLength);
    inside.set(key);
    const cipher = make(inside);
    assertEquals(encrypted(cipher, blocks[1]), expected);
    buffer.fill(0);
    assertEquals(encrypted(cipher, blocks[1]), expected, "the key must be copied");
    assertEquals(key, before, "the constructor must not change the key");
  });
}
