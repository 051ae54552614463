import { assert, assertEquals, assertFalse } from "@std/assert";
import { cfb, gcm } from "@noble/ciphers/aes.js";
import { AesCfbCipher } from "../../crypt/aes_cfb.ts";
import { type AesKernel, sharedAesKernel, startAesKernel } from "../../crypt/aes_kernel.ts";
import { RELAXED_WASM, WASM } from "../../crypt/aes_wasm.ts";
import { PACKET_IV } from "../../crypt/cfb.ts";
import { GcmCipher } from "../../crypt/gcm.ts";
import { Random } from "../../transport/link/random.ts";
import { bytes, CFB128_AES } from "./harness.ts";

const KERNELS: [string, AesKernel | null][] = [
  ["relaxed SIMD", startAesKernel(RELAXED_WASM)],
  ["SIMD", startAesKernel(WASM)],
];
const IV = Uint8Array.from(PACKET_IV);
const KEY_SIZES = [16, 24, 32];

/** Makes the encryption of a cipher callable without its checksum. */
class Bare extends AesCfbCipher {
  run(data: Uint8Array<ArrayBuffer>, decrypt = false): Uint8Array {
    if (decrypt) this.decrypt(data, 0, data.length);
    else this.encrypt(data, 0, data.length);
    return data;
  }
}

Deno.test("aes kernel: Deno runs it, with and without relaxed SIMD, and uses it by default", () => {
  for (const [, kernel] of KERNELS) assert(kernel);
  assert(sharedAesKernel());
  assert(new AesCfbCipher("aes-128", new Uint8Array(16)).accelerated);
  assert(new GcmCipher("aes-128-gcm", new Uint8Array(16)).accelerated);
  assertFalse(new AesCfbCipher("aes-128", new Uint8Array(16), null).accelerated);
  assertFalse(new GcmCipher("aes-128-gcm", new Uint8Array(16), null).accelerated);
});

Deno.test("aes kernel: it is null if the runtime cannot compile it", () => {
  assertEquals(startAesKernel("AGFzbQEAAAD/"), null);
});

for (const [name, kernel] of KERNELS) {
  Deno.test(`aes kernel, ${name}: the CFB128-AES examples of NIST SP 800-38A F.3.13 to F.3.18`, () => {
    const { iv, plain, examples } = CFB128_AES;
    for (const [key, expected] of examples) {
      const cipher = new Bare("aes", bytes(key), kernel);
      // The first block is chosen so that its ciphertext is the IV of the example. The next blocks
      // are the example.
      const first = cipher.run(new Uint8Array(16)).map((byte, i) => byte ^ iv[i]);
      const data = Uint8Array.from([...first, ...plain]);
      assertEquals(cipher.run(data), Uint8Array.from([...iv, ...bytes(expected)]));
      assertEquals(cipher.run(data, true), Uint8Array.from([...first, ...plain]));
    }
  });

  Deno.test(`aes kernel, ${name}: CFB equals noble's, for all lengths up to 1500`, () => {
    const random = new Random("cfb");
    // All ciphers use the same kernel alternately.
    const keys = KEY_SIZES.map((size) => random.fill(new Uint8Array(size)));
    const ciphers = keys.map((key) => new Bare("aes", key, kernel));
    for (let length = 16; length <= 1500; length++) {
      const n = length % 3;
      const plain = random.fill(new Uint8Array(length));
      const data = plain.slice();
      assertEquals(ciphers[n].run(data), cfb(keys[n], IV).encrypt(plain), `${length} bytes`);
      assertEquals(ciphers[n].run(data, true), plain, `${length} bytes`);
    }
  });

  Deno.test(`aes kernel, ${name}: sealing several packets at once equals sealing each`, () => {
    const random = new Random("lanes");
    for (let round = 0; round < 300; round++) {
      const key = random.fill(new Uint8Array(KEY_SIZES[round % 3]));
      const cipher = new AesCfbCipher("aes", key, kernel);
      const portable = new AesCfbCipher("aes", key, null);
      const count = 1 + random.below(12);
      const starts = new Int32Array(count + 2), ends = new Int32Array(count + 2);
      let at = 0;
      for (let i = 0; i < count; i++) {
        at += random.chance(0.3) ? random.below(40) : 0;
        starts[i + 1] = at;
        // Some packets have whole blocks. In some rounds there are far more packets than fit into
        // one call.
        at += 20 + random.below(random.chance(0.5) ? 30 : round % 50 === 0 ? 20_000 : 1500);
        if (random.chance(0.3)) at += -(at - starts[i + 1]) & 15;
        ends[i + 1] = at;
      }
      const memory = new Uint8Array(at + 20);
      random.fill(memory);
      const expected = memory.slice();
      for (let i = 1; i <= count; i++) portable.seal(expected, starts[i], ends[i]);
      cipher.sealAll(memory, starts, ends, 1, count + 1);
      assert(memory.every((byte, i) => byte === expected[i]), `round ${round}`);
    }
  });

  Deno.test(`aes kernel, ${name}: GCM equals noble's, for all lengths up to 1500`, () => {
    const random = new Random("gcm");
    const keys = KEY_SIZES.map((size) => random.fill(new Uint8Array(size)));
    const ciphers = keys.map((key) => new GcmCipher("gcm", key, kernel));
    for (let length = 0; length <= 1500; length++) {
      const n = length % 3;
      const at = length & 7;
      const end = at + length + 28;
      const nonce = random.fill(new Uint8Array(12));
      const plain = random.fill(new Uint8Array(length));
      const memory = new Uint8Array(end + 3).fill(0xee);
      memory.set(nonce, at);
      memory.set(plain, at + 12);
      ciphers[n].seal(memory, at, end);
      const expected = gcm(keys[n], nonce).encrypt(plain);
      assertEquals(memory.slice(at + 12, end), expected, `${length} bytes`);
      assert(ciphers[n].open(memory, at, end));
      assertEquals(memory.slice(at, end - 16), Uint8Array.from([...nonce, ...plain]));
      assertEquals([...memory.slice(0, at), ...memory.slice(end)], Array(at + 3).fill(0xee));
    }
  });
}

Deno.test("aes kernel: packets that are too long for it are sealed without it", () => {
  const key = new Uint8Array(16).fill(5);
  for (const length of [65_507, 65_536, 65_537, 200_000]) {
    for (const Cipher of [AesCfbCipher, GcmCipher]) {
      const packet = new Uint8Array(length), other = new Uint8Array(length);
      const cipher = new Cipher("aes", key);
      cipher.seal(packet, 0, length);
      new Cipher("aes", key, null).seal(other, 0, length);
      assert(packet.every((byte, i) => byte === other[i]), `${length} bytes`);
      assert(cipher.open(packet, 0, length));
      if (!(cipher instanceof AesCfbCipher)) continue;
      const all = new Uint8Array(length + 100);
      cipher.sealAll(all, Int32Array.of(0, length), Int32Array.of(length, length + 100), 0, 2);
      assert(other.every((byte, i) => byte === all[i]));
      assert(cipher.open(all, length, length + 100));
    }
  }
});
