/** Packets that kcp-go sealed, checksums that Go computed, and keys that Go derived. */
import { assert, assertEquals } from "@std/assert";
import { crc32 } from "../../crypt/crc32.ts";
import { CIPHER_NAMES, type CipherName, createCipher, deriveKey } from "../../crypt/mod.ts";
import { pattern } from "./pattern.ts";
import { fromHex, readVectors } from "./vectors.ts";

const vectors = readVectors("ciphers.json");
/** Bytes before a packet in memory. The bytes around a packet must not change. */
const BEFORE = 13;
/** Bytes after it. */
const AFTER = 37;
const FILLER = 0xa5;

Deno.test("vectors: there are vectors for every cipher", () => {
  assertEquals([...new Set(vectors.map(({ cipher }) => cipher))].sort(), [...CIPHER_NAMES].sort());
});

for (const { cipher: name, key, packets } of vectors) {
  const title = `vectors: ${name}, a key of ${key.length / 2} bytes`;
  const make = () => createCipher(name as CipherName, fromHex(key));

  Deno.test(`${title}: sealed packets equal those of kcp-go`, () => {
    const cipher = make();
    for (const { seed, length, nonce, sealed } of packets) {
      const end = BEFORE + cipher.headroom + length + cipher.tailroom;
      const bytes = new Uint8Array(end + AFTER).fill(FILLER);
      bytes.set(fromHex(nonce), BEFORE);
      bytes.set(pattern(seed, length), BEFORE + cipher.headroom);
      cipher.seal(bytes, BEFORE, end);
      assertEquals(
        bytes.subarray(BEFORE, end).toHex(),
        sealed,
        `The packet with a payload of ${length} bytes is wrong`,
      );
      assertUntouched(bytes, BEFORE, end);
    }
  });

  Deno.test(`${title}: packets of kcp-go are opened`, () => {
    const cipher = make();
    for (const { seed, length, sealed } of packets) {
      const { bytes, end } = placed(sealed);
      assert(
        cipher.open(bytes, BEFORE, end),
        `The packet with a payload of ${length} bytes was rejected`,
      );
      assertEquals(
        bytes.subarray(BEFORE + cipher.headroom, end - cipher.tailroom),
        pattern(seed, length),
        `The payload of ${length} bytes is wrong`,
      );
      assertUntouched(bytes, BEFORE, end);
    }
  });

  Deno.test(`${title}: a packet of kcp-go with a flipped bit is rejected`, () => {
    const cipher = make();
    for (const { length, sealed } of packets) {
      // A checksum does not cover the nonce. With some ciphers the nonce does not affect the
      // payload.
      const first = cipher.authenticates ? 0 : cipher.nonceSize;
      const size = sealed.length / 2;
      for (let at = first; at < size; at += size > 200 ? 97 : 1) {
        const { bytes, end } = placed(sealed);
        bytes[BEFORE + at] ^= 1 << at % 8;
        assert(
          !cipher.open(bytes, BEFORE, end),
          `The packet with a payload of ${length} bytes was opened with a changed byte ${at}`,
        );
        assertUntouched(bytes, BEFORE, end);
      }
    }
  });

  Deno.test(`${title}: a truncated packet of kcp-go is rejected`, () => {
    const cipher = make();
    // The payload is long, so that no truncated packet is valid by accident.
    const { sealed } = packets.find(({ length }) => length === 100)!;
    for (let size = 0; size < sealed.length / 2; size++) {
      const { bytes, end } = placed(sealed.slice(0, 2 * size));
      assert(!cipher.open(bytes, BEFORE, end), `The first ${size} bytes of a packet were opened`);
    }
  });
}

function placed(sealed: string): { bytes: Uint8Array<ArrayBuffer>; end: number } {
  const end = BEFORE + sealed.length / 2;
  const bytes = new Uint8Array(end + AFTER).fill(FILLER);
  bytes.set(fromHex(sealed), BEFORE);
  return { bytes, end };
}

function assertUntouched(bytes: Uint8Array, start: number, end: number): void {
  const outside = [...bytes.subarray(0, start), ...bytes.subarray(end)];
  assert(outside.every((byte) => byte === FILLER), "Bytes around the packet were changed");
}

Deno.test("vectors: CRC-32 equals that of Go, at any offset", () => {
  for (const { seed, length, crc32: expected } of readVectors("checksums.json")) {
    const bytes = new Uint8Array(length + AFTER).fill(FILLER);
    const start = seed % AFTER;
    bytes.set(pattern(seed, length), start);
    assertEquals(crc32(bytes, start, start + length), expected, `${length} bytes at ${start}`);
  }
});

Deno.test("vectors: derived keys equal those of kcptun", () => {
  for (const { password, key } of readVectors("derive_key.json")) {
    const bytes = fromHex(password);
    assertEquals(deriveKey(bytes).toHex(), key, `The password ${password}`);
    const text = new TextDecoder().decode(bytes);
    const isText = new TextEncoder().encode(text).toHex() === password;
    if (isText) assertEquals(deriveKey(text).toHex(), key, `The password "${text}"`);
  }
});
