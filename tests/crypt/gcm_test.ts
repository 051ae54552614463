import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { startAesKernel } from "../../crypt/aes_kernel.ts";
import { RELAXED_WASM, WASM } from "../../crypt/aes_wasm.ts";
import { ChaCha20Poly1305Cipher } from "../../crypt/chacha20_poly1305.ts";
import { GcmCipher } from "../../crypt/gcm.ts";
import type { PacketCipher } from "../../crypt/packet_cipher.ts";
import { bytes } from "./harness.ts";

/** The AES kernels; null for no kernel. */
const KERNELS = [startAesKernel(RELAXED_WASM), startAesKernel(WASM), null];

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A sealed packet, at an offset in its memory. */
function sealed(cipher: PacketCipher, nonce: Uint8Array, plain: Uint8Array, at = 0): Uint8Array {
  const end = at + 12 + plain.length + 16;
  const memory = new Uint8Array(end);
  memory.set(nonce, at);
  memory.set(plain, at + 12);
  cipher.seal(memory, at, end);
  return memory.slice(at);
}

/**
 * Checks that nonce and plaintext are sealed as `nonce | ciphertext | tag`, and that this packet
 * opens.
 */
function check(cipher: PacketCipher, nonce: string, plain: string, ciphertextAndTag: string): void {
  for (let at = 0; at < 5; at++) {
    const packet = sealed(cipher, bytes(nonce), bytes(plain), at);
    assertEquals(hexadecimal(packet), nonce + ciphertextAndTag, `at ${at}`);
    const memory = new Uint8Array(at + packet.length);
    memory.set(packet, at);
    assert(cipher.open(memory, at, memory.length), `at ${at}`);
    assertEquals(hexadecimal(memory.slice(at, -16)), nonce + plain, `at ${at}`);
  }
}

for (const [n, kernel] of KERNELS.entries()) {
  Deno.test(`aead: the GCM specification's examples without additional data, kernel ${n}`, () => {
    // D. McGrew, J. Viega, "The Galois/Counter Mode of Operation", appendix B. NIST refers to it.
    const zero = "00".repeat(12);
    const nonce = "cafebabefacedbaddecaf888";
    const key = "feffe9928665731c6d6a8f9467308308";
    const plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    const cipher = (key: string) => new GcmCipher("gcm", bytes(key), kernel);

    const test1 = cipher("00".repeat(16));
    check(test1, zero, "", "58e2fccefa7e3061367f1d57a4e7455a");
    check(
      test1,
      zero,
      "00".repeat(16),
      "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf",
    );
    check(
      cipher(key),
      nonce,
      plain,
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e" +
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985" +
        "4d5c2af327cd64a62cf35abd2ba6fab4",
    );

    const test7 = cipher("00".repeat(24));
    check(test7, zero, "", "cd33b28ac773f74ba00ed1f312572435");
    check(
      test7,
      zero,
      "00".repeat(16),
      "98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb",
    );
    check(
      cipher(key + key.slice(0, 16)),
      nonce,
      plain,
      "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c" +
        "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710acade256" +
        "9924a7c8587336bfb118024db8674a14",
    );

    const test13 = cipher("00".repeat(32));
    check(test13, zero, "", "530f8afbc74536b9a963b4f1c4cb738b");
    check(
      test13,
      zero,
      "00".repeat(16),
      "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    );
    check(
      cipher(key + key),
      nonce,
      plain,
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad" +
        "b094dac5d93471bdec1a502270e3cc6c",
    );
  });
}

Deno.test("aead: AES-GCM equals the runtime's, for random keys, nonces and payloads", async () => {
  await fc.assert(
    fc.asyncProperty(
      // WebCrypto of Deno allows keys of 128, 192 and 256 bits.
      fc.constantFrom(16, 24, 32).chain((n) => fc.uint8Array({ minLength: n, maxLength: n })),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(7),
      async (key, nonce, plain, at) => {
        const [k, iv, data] = [key, nonce, plain].map((bytes) => Uint8Array.from(bytes));
        const imported = await crypto.subtle.importKey("raw", k, "AES-GCM", false, ["encrypt"]);
        const expected = new Uint8Array(
          await crypto.subtle.encrypt({ name: "AES-GCM", iv }, imported, data),
        );
        for (const kernel of KERNELS) {
          const packet = sealed(new GcmCipher("gcm", k, kernel), iv, data, at);
          assertEquals(packet.slice(12), expected);
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("aead: ChaCha20-Poly1305 of the text of RFC 8439 §2.8.2", () => {
  const text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip " +
    "for the future, sunscreen would be it.";
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  // The ciphertext is from the RFC. The tag in the RFC covers additional data, which packets do not
  // have. So the tag here is from golang.org/x/crypto/chacha20poly1305 without additional data.
  check(
    new ChaCha20Poly1305Cipher(key),
    "070000004041424344454647",
    hexadecimal(new TextEncoder().encode(text)),
    "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
      "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
      "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b6116" +
      "6a23a4681fd59456aea1d29f82477216",
  );
  check(
    new ChaCha20Poly1305Cipher(key),
    "070000004041424344454647",
    "",
    "a0784d7a4716f3feb4f64e7f4b39bf04",
  );
});

Deno.test("aead: ChaCha20 of RFC 8439 §2.4.2, whose counter starts at 1, too", () => {
  const text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip " +
    "for the future, sunscreen would be it.";
  const packet = sealed(
    new ChaCha20Poly1305Cipher(Uint8Array.from({ length: 32 }, (_, i) => i)),
    bytes("000000000000004a00000000"),
    new TextEncoder().encode(text),
  );
  assertEquals(
    hexadecimal(packet.slice(12, -16)),
    "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b" +
      "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8" +
      "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736" +
      "5af90bbf74a35be6b40b8eedf2785e42874d",
  );
});

const CIPHERS: PacketCipher[] = [
  ...KERNELS.map((kernel) => new GcmCipher("aes-128-gcm", new Uint8Array(16).fill(9), kernel)),
  new GcmCipher("aes-256-gcm", new Uint8Array(32).fill(9)),
  new ChaCha20Poly1305Cipher(new Uint8Array(32).fill(9)),
];

Deno.test("aead: a packet with a flipped bit is rejected, and filled with zeros", () => {
  const plain = Uint8Array.from({ length: 37 }, (_, i) => i);
  for (const cipher of CIPHERS) {
    const packet = sealed(cipher, new Uint8Array(12).fill(7), plain);
    for (let bit = 0; bit < 8 * packet.length; bit++) {
      const forged = Uint8Array.from(packet);
      forged[bit >> 3] ^= 1 << (bit & 7);
      assertFalse(cipher.open(forged, 0, forged.length), `${cipher.name}: bit ${bit}`);
      assertEquals(
        forged,
        new Uint8Array(forged.length),
        "no plaintext is there to be taken for one",
      );
    }
    const whole = Uint8Array.from(packet);
    assert(cipher.open(whole, 0, whole.length), "the original must still open");
    assertEquals(whole.slice(12, -16), plain);
  }
});

Deno.test("aead: a packet that is too short or too long is rejected", () => {
  const plain = Uint8Array.from({ length: 50 }, (_, i) => i);
  for (const cipher of CIPHERS) {
    const packet = sealed(cipher, new Uint8Array(12).fill(7), plain);
    const memory = new Uint8Array(packet.length + 20);
    for (let length = 0; length < memory.length; length++) {
      memory.fill(0);
      memory.set(packet);
      assertEquals(
        cipher.open(memory, 0, length),
        length === packet.length,
        `${cipher.name}, ${length} bytes`,
      );
    }
  }
});

Deno.test("aead: the same payload with another nonce gives another ciphertext", () => {
  for (const cipher of CIPHERS) {
    const plain = new Uint8Array(64);
    const one = sealed(cipher, new Uint8Array(12).fill(1), plain).slice(12);
    const two = sealed(cipher, new Uint8Array(12).fill(2), plain).slice(12);
    const equal = one.filter((byte, i) => byte === two[i]).length;
    assert(equal < 8, `${cipher.name}: ${equal} of 80 bytes are equal`);
  }
});

Deno.test("aead: keys of other lengths are rejected", () => {
  assertThrows(
    () => new ChaCha20Poly1305Cipher(new Uint8Array(16)),
    RangeError,
    "Cannot key ChaCha20-Poly1305 with 16 bytes: allowed are 32",
  );
  assertThrows(
    () => new GcmCipher("gcm", new Uint8Array(12)),
    RangeError,
    "Cannot key AES with 12 bytes: allowed are 16, 24 or 32",
  );
});
