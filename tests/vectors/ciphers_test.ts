/** Packets that kcp-go sealed, checksums that Go computed, and keys that Go derived. */
import { assert, assertEquals } from "@std/assert";
import { crc32 } from "../../crypt/crc32.ts";
import { CIPHER_NAMES, type CipherName, createCipher, deriveKey } from "../../crypt/mod.ts";
import { pattern } from "./pattern.ts";
import { fromHex, readVectors } from "./vectors.ts";

const vectors = readVectors("ciphers.json");
/** Where a packet lies in a larger piece of memory, whose other bytes must stay as they are. */
const BEFORE = 13;
const AROUND = 37;
const FILLER = 0xa5;

Deno.test("vectors: there are some for every cipher", () => {
  assertEquals([...new Set(vectors.map(({ cipher }) => cipher))].sort(), [...CIPHER_NAMES].sort());
});

for (const { cipher: name, key, packets } of vectors) {
  const title = `vectors: ${name}, a key of ${key.length / 2} bytes`;
  const make = () => createCipher(name as CipherName, fromHex(key));

  Deno.test(`${title}: packets are sealed as kcp-go seals them`, () => {
    const cipher = make();
    for (const { seed, length, nonce, sealed } of packets) {
      const end = BEFORE + cipher.headroom + length + cipher.tailroom;
      const bytes = new Uint8Array(end + AROUND).fill(FILLER);
      bytes.set(fromHex(nonce), BEFORE);
      bytes.set(pattern(seed, length), BEFORE + cipher.headroom);
      cipher.seal(bytes, BEFORE, end);
      assertEquals(
        bytes.subarray(BEFORE, end).toHex(),
        sealed,
        `The packet with a payload of ${length} bytes is another one`,
      );
      assertUntouched(bytes, BEFORE, end);
    }
  });

  Deno.test(`${title}: packets of kcp-go are opened`, () => {
    const cipher = make();
    for (const { seed, length, sealed } of packets) {
      const { bytes, end } = laid(sealed);
      assert(cipher.open(bytes, BEFORE, end), `A payload of ${length} bytes was refused`);
      assertEquals(
        bytes.subarray(BEFORE + cipher.headroom, end - cipher.tailroom),
        pattern(seed, length),
        `The payload of ${length} bytes is another one`,
      );
      assertUntouched(bytes, BEFORE, end);
    }
  });

  Deno.test(`${title}: a packet of kcp-go with a flipped bit is refused`, () => {
    const cipher = make();
    for (const { length, sealed } of packets) {
      // A checksum does not cover the nonce, and some ciphers do not spread a change of it.
      const first = cipher.authenticates ? 0 : cipher.nonceSize;
      const size = sealed.length / 2;
      for (let at = first; at < size; at += size > 200 ? 97 : 1) {
        const { bytes, end } = laid(sealed);
        bytes[BEFORE + at] ^= 1 << at % 8;
        assert(
          !cipher.open(bytes, BEFORE, end),
          `A payload of ${length} bytes was taken although byte ${at} was changed`,
        );
        assertUntouched(bytes, BEFORE, end);
      }
    }
  });

  Deno.test(`${title}: a packet of kcp-go that was cut short is refused`, () => {
    const cipher = make();
    // One whose payload is of some length, so that a cut is not whole by accident.
    const { sealed } = packets.find(({ length }) => length === 100)!;
    for (let size = 0; size < sealed.length / 2; size++) {
      const { bytes, end } = laid(sealed.slice(0, 2 * size));
      assert(!cipher.open(bytes, BEFORE, end), `${size} bytes of a packet were taken`);
    }
  });
}

function laid(sealed: string): { bytes: Uint8Array<ArrayBuffer>; end: number } {
  const end = BEFORE + sealed.length / 2;
  const bytes = new Uint8Array(end + AROUND).fill(FILLER);
  bytes.set(fromHex(sealed), BEFORE);
  return { bytes, end };
}

function assertUntouched(bytes: Uint8Array, start: number, end: number): void {
  const outside = [...bytes.subarray(0, start), ...bytes.subarray(end)];
  assert(outside.every((byte) => byte === FILLER), "Bytes around the packet were changed");
}

Deno.test("vectors: CRC-32 is that of Go, wherever the bytes lie", () => {
  for (const { seed, length, crc32: expected } of readVectors("checksums.json")) {
    const bytes = new Uint8Array(length + AROUND).fill(FILLER);
    const start = seed % AROUND;
    bytes.set(pattern(seed, length), start);
    assertEquals(crc32(bytes, start, start + length), expected, `${length} bytes at ${start}`);
  }
});

Deno.test("vectors: keys are derived as kcptun derives them", () => {
  for (const { password, key } of readVectors("derive_key.json")) {
    const bytes = fromHex(password);
    assertEquals(deriveKey(bytes).toHex(), key, `The password ${password}`);
    const text = new TextDecoder().decode(bytes);
    const isText = new TextEncoder().encode(text).toHex() === password;
    if (isText) assertEquals(deriveKey(text).toHex(), key, `The password "${text}"`);
  }
});
