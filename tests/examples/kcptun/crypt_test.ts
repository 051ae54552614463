import { assertEquals } from "@std/assert";
import { type CipherName, createCipher, deriveKey } from "../../../crypt/mod.ts";
import { cipherOf } from "../../../examples/kcptun/crypt.ts";
import { CRYPT_NAMES } from "../../../examples/kcptun/settings/flags.ts";

/** The names of kcptun 20251124, the cipher of kcp-go, and the bytes of the key. */
const CIPHERS: Record<string, [CipherName, number] | null> = {
  "aes": ["aes-256", 32],
  "aes-128": ["aes-128", 16],
  "aes-128-gcm": ["aes-128-gcm", 16],
  "aes-192": ["aes-192", 24],
  "salsa20": ["salsa20", 32],
  "blowfish": ["blowfish", 32],
  "twofish": ["twofish", 32],
  "cast5": ["cast5", 16],
  "3des": ["3des", 24],
  "tea": ["tea", 16],
  "xtea": ["xtea", 16],
  "xor": ["xor", 32],
  "sm4": ["sm4", 16],
  "none": ["none", 32],
  "null": null,
};

Deno.test("crypt: every name of kcptun is known", () => {
  assertEquals([...CRYPT_NAMES].sort(), Object.keys(CIPHERS).sort());
});

for (const [crypt, cipher] of Object.entries(CIPHERS)) {
  Deno.test(`crypt: ${crypt} is the cipher of kcptun, with as much of the key`, () => {
    const found = cipherOf(crypt, "it's a secrect");
    if (cipher === null) return assertEquals(found, undefined);
    const [name, size] = cipher;
    const expected = createCipher(name, deriveKey("it's a secrect").subarray(0, size));
    const sealed = [found!, expected].map((cipher) => {
      const packet = Uint8Array.from({ length: 100 }, (_, i) => i);
      cipher.seal(packet, 0, packet.length);
      return packet.toHex();
    });
    assertEquals(sealed[0], sealed[1]);
  });
}
