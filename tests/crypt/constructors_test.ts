/**
 * A function for each cipher: what it makes is what `createCipher` makes.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import * as crypt from "../../crypt/mod.ts";
import { CIPHER_NAMES, type CipherName, createCipher, type PacketCipher } from "../../crypt/mod.ts";

/** The function of each cipher, and the lengths of its key in bytes. */
const FUNCTIONS: Record<
  string,
  [create: (key: Uint8Array) => PacketCipher, keys: Partial<Record<CipherName, number[]>>]
> = {
  aesCfb: [crypt.aesCfb, { "aes-128": [16], "aes-192": [24], "aes-256": [32] }],
  aesGcm: [crypt.aesGcm, { "aes-128-gcm": [16], "aes-192-gcm": [24], "aes-256-gcm": [32] }],
  blowfishCfb: [crypt.blowfishCfb, { blowfish: [1, 16, 56] }],
  cast5Cfb: [crypt.cast5Cfb, { cast5: [16] }],
  chacha20Poly1305: [crypt.chacha20Poly1305, { "chacha20-poly1305": [32] }],
  noEncryption: [crypt.noEncryption, { none: [0] }],
  salsa20: [crypt.salsa20, { salsa20: [32] }],
  simpleXor: [crypt.simpleXor, { xor: [1, 100] }],
  sm4Cfb: [crypt.sm4Cfb, { sm4: [16] }],
  teaCfb: [crypt.teaCfb, { tea: [16] }],
  tripleDesCfb: [crypt.tripleDesCfb, { "3des": [24] }],
  twofishCfb: [crypt.twofishCfb, { twofish: [16, 24, 32] }],
  xteaCfb: [crypt.xteaCfb, { xtea: [16] }],
};

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => 7 * i + 1);
}

/** A packet, sealed. */
function sealed(cipher: PacketCipher): Uint8Array<ArrayBuffer> {
  const packet = bytes(cipher.headroom + 300 + cipher.tailroom);
  cipher.seal(packet, 0, packet.length);
  return packet;
}

Deno.test("constructors: each cipher has one, and each function of the entry is known here", () => {
  const names = Object.values(FUNCTIONS).flatMap(([, keys]) => Object.keys(keys));
  assertEquals(names.sort(), [...CIPHER_NAMES].sort());
  const others = ["createCipher", "createCipherFromPassword", "deriveKey"];
  const functions = Object.entries(crypt).filter(([, value]) => typeof value === "function");
  assertEquals(
    functions.map(([name]) => name).filter((name) => !others.includes(name)).sort(),
    Object.keys(FUNCTIONS).sort(),
  );
});

for (const [name, [create, keys]] of Object.entries(FUNCTIONS)) {
  Deno.test(`constructors: ${name} makes the cipher that createCipher makes`, () => {
    for (const [cipherName, sizes] of Object.entries(keys)) {
      for (const size of sizes) {
        const key = bytes(size);
        const cipher = create(key);
        const other = createCipher(cipherName as CipherName, key);
        assertEquals(cipher.name, cipherName);
        assertEquals(cipher.constructor, other.constructor);
        const packet = sealed(cipher);
        assertEquals(packet, sealed(other));
        // The key was copied.
        key.fill(0);
        assertEquals(sealed(cipher), packet);
        assertEquals(cipher.open(packet, 0, packet.length), true);
      }
    }
  });

  if (name === "noEncryption") continue;
  Deno.test(`constructors: ${name} refuses a key of a wrong length or type, and keeps it secret`, () => {
    const secret = "a password of 20 char";
    const wrong = create as (key: unknown) => PacketCipher;
    for (const key of [undefined, null, secret, 16, [1, 2], new ArrayBuffer(16)]) {
      const { message } = assertThrows(() => wrong(key), TypeError, "it must be a Uint8Array");
      assertEquals(message.includes(secret), false, message);
    }
    const tooShort = assertThrows(() => create(new Uint8Array(0)), RangeError, "with 0 bytes");
    assertEquals(/: allowed are \d+/.test(tooShort.message), true, tooShort.message);
  });
}

Deno.test("constructors: a function that takes several lengths names them", () => {
  for (const create of [crypt.aesCfb, crypt.aesGcm]) {
    assertThrows(() => create(new Uint8Array(17)), RangeError, "allowed are 16, 24 or 32");
  }
  // The name says which one it is.
  assertThrows(() => createCipher("aes-128", new Uint8Array(24)), RangeError, "allowed are 16");
  assertThrows(() => createCipher("aes-256-gcm", new Uint8Array(16)), RangeError, "allowed are 32");
});
