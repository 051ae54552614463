/**
 * What the tests of the ciphers share.
 *
 * @module
 */
import { assertEquals, assertNotEquals } from "@std/assert";
import type { BlockCipher } from "../../crypt/block_cipher.ts";

/** The bytes that a string of hexadecimal digits stands for. */
export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** Encrypts a block, given and returned in hexadecimal, as often as told. */
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

/** What holds for every block cipher. */
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

  Deno.test(`${name}: ciphers with different keys don't disturb each other, and each repeats itself`, () => {
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

  Deno.test(`${name}: the key is read once, from where it lies in its buffer`, () => {
    const [key] = keys;
    const before = key.slice();
    const expected = encrypted(make(key), blocks[1]);
    const buffer = new Uint8Array(keyLength + 8).fill(0xff);
    const inside = buffer.subarray(3, 3 + keyLength);
    inside.set(key);
    const cipher = make(inside);
    assertEquals(encrypted(cipher, blocks[1]), expected);
    buffer.fill(0);
    assertEquals(encrypted(cipher, blocks[1]), expected, "after the key was erased");
    assertEquals(key, before, "the constructor leaves the key alone");
  });
}
