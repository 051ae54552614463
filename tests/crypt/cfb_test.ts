import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Aes } from "../../crypt/aes.ts";
import type { BlockCipher } from "../../crypt/block_cipher.ts";
import { Cfb, CfbCipher } from "../../crypt/cfb.ts";
import { crc32 } from "../../crypt/crc32.ts";
import { bytes, CFB128_AES } from "./harness.ts";

/**
 * A permutation of blocks that mixes all bytes with a key. It is not secure, but CFB can use it as
 * a cipher.
 */
class Toy implements BlockCipher {
  readonly blockSize: 8 | 16;
  readonly littleEndian: boolean;
  readonly #key: number;
  calls = 0;

  constructor(blockSize: 8 | 16, littleEndian: boolean, key = 0x2545f491) {
    this.blockSize = blockSize;
    this.littleEndian = littleEndian;
    this.#key = key;
  }

  encrypt(block: Int32Array): void {
    this.calls++;
    assertEquals(block.length, this.blockSize / 4, "the words of one block");
    for (let round = 0; round < 3 * block.length; round++) {
      const before = block[(round + 1) % block.length];
      const mixed = Math.imul(before ^ before >>> 15, this.#key + 2 * round | 1);
      block[round % block.length] ^= mixed ^ mixed >>> 13;
    }
  }
}

const TOYS: [8 | 16, boolean][] = [[8, false], [8, true], [16, false], [16, true]];

/** Encrypts the bytes of one block, as words in the cipher's byte order. */
function blockOf(cipher: BlockCipher, input: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = new DataView(Uint8Array.from(input).buffer);
  const words = Int32Array.from(
    { length: cipher.blockSize / 4 },
    (_, i) => from.getInt32(4 * i, cipher.littleEndian),
  );
  cipher.encrypt(words);
  const to = new DataView(new ArrayBuffer(cipher.blockSize));
  words.forEach((word, i) => to.setInt32(4 * i, word, cipher.littleEndian));
  return new Uint8Array(to.buffer);
}

/**
 * CFB encryption by its definition (NIST SP 800-38A §6.3): C = P ^ E(previous C), with the IV as
 * the first C.
 */
function defined(cipher: BlockCipher, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  const out = new Uint8Array(plain.length);
  let previous = iv;
  for (let at = 0; at < plain.length; at += cipher.blockSize) {
    const stream = blockOf(cipher, previous);
    for (let i = at; i < Math.min(at + cipher.blockSize, plain.length); i++) {
      out[i] = plain[i] ^ stream[i - at];
    }
    previous = out.subarray(at, at + cipher.blockSize);
  }
  return out;
}

Deno.test("cfb: the CFB128-AES examples of NIST SP 800-38A F.3.13 to F.3.18", () => {
  const { iv, plain, examples } = CFB128_AES;
  for (const [key, expected] of examples) {
    const cfb = new Cfb(new Aes(bytes(key)), iv);
    // CFB needs no padding, so a prefix of the plaintext gives a prefix of the ciphertext.
    for (let length = 0; length <= plain.length; length++) {
      const data = plain.slice(0, length);
      cfb.encrypt(data, 0, length);
      assertEquals(data, bytes(expected).slice(0, length), `${length} bytes encrypted`);
      cfb.decrypt(data, 0, length);
      assertEquals(data, plain.slice(0, length), `${length} bytes decrypted`);
    }
  }
});

Deno.test("cfb: it equals its definition, for both block sizes and byte orders", () => {
  for (const [blockSize, littleEndian] of TOYS) {
    const toy = new Toy(blockSize, littleEndian);
    fc.assert(fc.property(
      fc.uint8Array({ minLength: blockSize, maxLength: blockSize }),
      fc.uint8Array({ maxLength: 70 }),
      fc.nat(9),
      (iv, plain, at) => {
        const cfb = new Cfb(toy, iv);
        const memory = new Uint8Array(plain.length + at + 5).fill(0xee);
        memory.set(plain, at);
        cfb.encrypt(memory, at, at + plain.length);
        assertEquals(
          Array.from(memory.subarray(at, at + plain.length)),
          Array.from(defined(toy, iv, plain)),
        );
        cfb.decrypt(memory, at, at + plain.length);
        const expected = new Uint8Array(memory.length).fill(0xee);
        expected.set(plain, at);
        assertEquals(memory, expected, "the bytes around must not change");
      },
    ));
  }
});

Deno.test("cfb: each call starts from the IV, even if the memory changes between calls", () => {
  for (const [blockSize, littleEndian] of TOYS) {
    const cfb = new Cfb(new Toy(blockSize, littleEndian), new Uint8Array(blockSize));
    const plain = Uint8Array.from({ length: 43 }, (_, i) => i);
    const whole = new Uint8Array(200);
    const copies = [plain.slice(), whole.subarray(3, 46), whole.subarray(101, 144), plain.slice()];
    for (const copy of copies) {
      copy.set(plain);
      cfb.encrypt(copy, 0, 43);
      assertEquals(copy, copies[0]);
    }
    for (const copy of copies.reverse()) cfb.decrypt(copy, 0, 43);
    for (const copy of copies) assertEquals(copy, plain);
  }
});

Deno.test("cfb: the IV is encrypted once, and no block is encrypted without need", () => {
  for (const [blockSize, littleEndian] of TOYS) {
    for (let length = 0; length < 50; length++) {
      const toy = new Toy(blockSize, littleEndian);
      const cfb = new Cfb(toy, new Uint8Array(blockSize));
      assertEquals(toy.calls, 1);
      const expected = Math.max(0, Math.ceil(length / blockSize) - 1);
      cfb.encrypt(new Uint8Array(length), 0, length);
      assertEquals(toy.calls, 1 + expected, `${length} bytes encrypted`);
      cfb.decrypt(new Uint8Array(length), 0, length);
      assertEquals(toy.calls, 1 + 2 * expected, `${length} bytes decrypted`);
    }
  }
});

Deno.test("cfb: an IV of another length than a block is rejected", () => {
  assertThrows(
    () => new Cfb(new Toy(8, false), new Uint8Array(16)),
    RangeError,
    "Cannot start CFB from an IV of 16 bytes: allowed are 8",
  );
});

Deno.test("cfb: a packet is nonce, checksum and payload, encrypted with the fixed IV", () => {
  const iv = bytes("a7734f9c12ac1b01a415f2c1fc78e66b");
  for (const [blockSize, littleEndian] of TOYS) {
    const toy = new Toy(blockSize, littleEndian);
    const cipher = new CfbCipher("toy", toy);
    assertEquals(
      [cipher.name, cipher.nonceSize, cipher.headroom, cipher.tailroom, cipher.authenticates],
      ["toy", 16, 20, 0, false],
    );
    const plain = Uint8Array.from({ length: 20 + 33 }, (_, i) => 11 * i);
    const packet = plain.slice();
    cipher.seal(packet, 0, packet.length);
    new DataView(plain.buffer).setUint32(16, crc32(plain, 20), true);
    assertEquals(packet, defined(toy, iv.subarray(0, blockSize), plain));
    assert(cipher.open(packet, 0, packet.length));
    assertEquals(packet, plain);
  }
});

Deno.test("cfb: the checksum detects a flipped bit, and the packet is filled with zeros", () => {
  const cipher = new CfbCipher("toy", new Toy(16, false));
  const sealed = Uint8Array.from({ length: 60 }, (_, i) => i);
  cipher.seal(sealed, 0, 60);
  // A flipped bit of the nonce is detected, too, because it changes the blocks after it.
  for (let bit = 0; bit < 8 * 60; bit++) {
    const packet = sealed.slice();
    packet[bit >> 3] ^= 1 << (bit & 7);
    assertFalse(cipher.open(packet, 0, 60), `bit ${bit}`);
    assertEquals(packet, new Uint8Array(60), `bit ${bit}`);
  }
});

Deno.test("cfb: the checksum does not detect a forged packet, as documented", () => {
  const cipher = new CfbCipher("toy", new Toy(16, false));
  // Checksum and payload are in the last block. A flipped bit of its ciphertext flips only the same
  // bit of the plaintext.
  const packet = new Uint8Array(20 + 12);
  packet.set(new TextEncoder().encode("pay 10 coins"), 20);
  const before = crc32(packet, 20);
  cipher.seal(packet, 0, 32);
  const change = new Uint8Array(12);
  change[5] = "0".charCodeAt(0) ^ "9".charCodeAt(0);
  const difference = (crc32(change) ^ crc32(new Uint8Array(12))) >>> 0;
  for (let i = 0; i < 12; i++) packet[20 + i] ^= change[i];
  for (let i = 0; i < 4; i++) packet[16 + i] ^= difference >>> 8 * i;
  assert(cipher.open(packet, 0, 32), "the packet was forged without the key");
  assertEquals(new TextDecoder().decode(packet.subarray(20)), "pay 19 coins");
  assertEquals(crc32(packet, 20), (before ^ difference) >>> 0);
});
