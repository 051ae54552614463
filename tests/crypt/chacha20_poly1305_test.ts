import { assert, assertEquals, assertFalse } from "@std/assert";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ChaCha20Poly1305Cipher } from "../../crypt/chacha20_poly1305.ts";
import { Random } from "../../transport/link/random.ts";

const OVERHEAD = 12 + 16;

/** Seals a packet with noble. */
function sealed(key: Uint8Array, nonce: Uint8Array, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(payload.length + OVERHEAD);
  packet.set(nonce);
  packet.set(chacha20poly1305(key, nonce).encrypt(payload), 12);
  return packet;
}

Deno.test("chacha20-poly1305: the kernel equals noble, for all lengths up to 1500", () => {
  const random = new Random("chacha");
  const keys = [1, 2, 3].map((seed) => random.fork(`${seed}`).fill(new Uint8Array(32)));
  const ciphers = keys.map((key) => new ChaCha20Poly1305Cipher(key));
  assertEquals(ciphers[0].accelerated, true, "Deno has SIMD");
  assertEquals(new ChaCha20Poly1305Cipher(keys[0], true).accelerated, false);
  for (let length = 0; length <= 1500; length++) {
    // Three keys alternate, and packets are at any offset.
    const at = length & 7;
    const payload = random.fill(new Uint8Array(length));
    const nonce = random.fill(new Uint8Array(12));
    const expected = sealed(keys[length % 3], nonce, payload);
    const memory = new Uint8Array(at + length + OVERHEAD + 3).fill(0xee);
    memory.set(nonce, at);
    memory.set(payload, at + 12);
    const end = at + length + OVERHEAD;
    ciphers[length % 3].seal(memory, at, end);
    assertEquals(memory.slice(at, end), expected, `${length} bytes`);
    assert(ciphers[length % 3].open(memory, at, end));
    assertEquals(memory.slice(at + 12, end - 16), payload);
    assertEquals(memory.slice(at, at + 12), nonce);
    assertEquals([...memory.slice(0, at), ...memory.slice(end)], Array(at + 3).fill(0xee));
  }
});

Deno.test("chacha20-poly1305: the longest carries in the sums of Poly1305 are right", () => {
  const random = new Random("carry");
  for (let round = 0; round < 400; round++) {
    const key = random.fill(new Uint8Array(32));
    const nonce = random.fill(new Uint8Array(12));
    const length = 1 + random.below(400);
    // Poly1305 authenticates the ciphertext, so the ciphertext is made all ones, or nearly.
    const stream = sealed(key, nonce, new Uint8Array(length)).subarray(12, 12 + length);
    const payload = stream.map((byte) => byte ^ (random.chance(0.01) ? 0xfe : 0xff));
    const packet = sealed(key, nonce, payload);
    const own = packet.slice();
    own.set(payload, 12);
    const cipher = new ChaCha20Poly1305Cipher(key);
    cipher.seal(own, 0, own.length);
    assertEquals(own, packet);
    assert(cipher.open(own, 0, own.length));
  }
});

Deno.test("chacha20-poly1305: a packet with a flipped bit is filled with zeros", () => {
  const key = new Uint8Array(32).fill(7);
  for (const portable of [false, true]) {
    const cipher = new ChaCha20Poly1305Cipher(key, portable);
    const packet = sealed(key, new Uint8Array(12).fill(9), new Uint8Array(50).fill(1));
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const forged = packet.slice() as Uint8Array<ArrayBuffer>;
      forged[bit >> 3] ^= 1 << (bit & 7);
      assertFalse(cipher.open(forged, 0, forged.length), `bit ${bit}`);
      assertEquals(forged, new Uint8Array(forged.length));
    }
  }
});

Deno.test("chacha20-poly1305: a packet too long for the kernel is sealed without it", () => {
  const key = new Uint8Array(32).fill(5);
  for (const length of [65_507, 126_600, 126_688, 126_689, 127_000, 200_000]) {
    const packet = new Uint8Array(length);
    const other = new Uint8Array(length);
    new ChaCha20Poly1305Cipher(key).seal(packet, 0, length);
    new ChaCha20Poly1305Cipher(key, true).seal(other, 0, length);
    assert(packet.every((byte, i) => byte === other[i]), `${length} bytes`);
    assert(new ChaCha20Poly1305Cipher(key).open(packet, 0, length));
  }
});
