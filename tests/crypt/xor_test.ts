import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "../../crypt/crc32.ts";
import { XorCipher } from "../../crypt/xor.ts";

/** PBKDF2-HMAC-SHA1 of the runtime, 32 rounds and 1500 bytes, with the salt of kcp-go. */
async function tableOf(key: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey("raw", key, "PBKDF2", false, ["deriveBits"]);
  const salt = new TextEncoder().encode("sH3CIVoF#rWLtJo6");
  return new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "PBKDF2", hash: "SHA-1", salt, iterations: 32 },
      imported,
      8 * 1500,
    ),
  );
}

Deno.test("xor: a packet is XORed with a table that PBKDF2 derives from the key", async () => {
  for (const key of [new Uint8Array([7]), Uint8Array.from({ length: 32 }, (_, i) => 5 * i)]) {
    const table = await tableOf(key);
    const cipher = new XorCipher(key);
    for (const length of [20, 21, 22, 23, 24, 59, 1499, 1500, 1501, 1502, 1507, 65_507]) {
      for (const at of [0, 1, 6]) {
        const memory = Uint8Array.from({ length: at + length + 3 }, (_, i) => 13 * i);
        const plain = memory.slice();
        new DataView(plain.buffer).setUint32(at + 16, crc32(plain, at + 20, at + length), true);
        const expected = plain.slice();
        for (let i = 0; i < Math.min(length, 1500); i++) expected[at + i] ^= table[i];
        cipher.seal(memory, at, at + length);
        assertEquals(memory, expected, `${length} bytes at ${at}`);
        assert(cipher.open(memory, at, at + length));
        assertEquals(memory, plain);
      }
    }
  }
});

Deno.test("xor: packets in different memory are independent", () => {
  const cipher = new XorCipher(new Uint8Array([1, 2, 3]));
  const slab = new Uint8Array(300);
  const packets = [new Uint8Array(50), slab.subarray(7, 57), slab.subarray(200, 250)];
  for (const packet of packets) cipher.seal(packet, 0, 50);
  for (const packet of packets) assertEquals(packet, packets[0]);
  for (const packet of packets) assert(cipher.open(packet, 0, 50));
  for (const packet of packets) assertEquals(packet, packets[0]);
  assertEquals(slab.subarray(57, 200), new Uint8Array(143));
});

Deno.test("xor: an empty key is rejected", () => {
  assertThrows(
    () => new XorCipher(new Uint8Array()),
    RangeError,
    "Cannot key xor with 0 bytes: allowed are 1 or more",
  );
});
