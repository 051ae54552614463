/**
 * Every cipher, against packets that kcp-go sealed, and what Go computed.
 *
 * @module
 */
import { CIPHER_NAMES, type CipherName, createCipher, deriveKey } from "../../../crypt/mod.ts";
import { crc32 } from "../../../crypt/crc32.ts";
import { Arena } from "../../../kcp/mod.ts";
import checksumVectors from "../../vectors/checksums.json" with { type: "json" };
import cipherVectors from "../../vectors/ciphers.json" with { type: "json" };
import keyVectors from "../../vectors/derive_key.json" with { type: "json" };
import { pattern } from "../../vectors/pattern.ts";
import { fromHex, toHex } from "../../vectors/bytes.ts";
import { assert, assertBytes, assertSame, type Check } from "./harness.ts";

type Packet = (typeof cipherVectors)[number]["packets"][number];

/** Bytes in front of a packet in memory: packets are not aligned. */
const BEFORE = 13;

/** Where packets lie in memory: each after the one before. */
interface Layout {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly size: number;
}

/** Memory of a plain array, and of an arena, which the kernels reach without a copy. */
function* memories(size: number): Generator<Uint8Array<ArrayBuffer>> {
  yield new Uint8Array(size);
  const arena = new Arena(2 ** 30, true);
  const start = arena.alloc(size);
  yield arena.bytes.subarray(start, start + size);
}

function layout(lengths: readonly number[]): Layout {
  const starts = new Int32Array(lengths.length), ends = new Int32Array(lengths.length);
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    starts[i] = at += BEFORE;
    ends[i] = at += length;
  }
  return { starts, ends, size: at + BEFORE };
}

/** Seals and opens the packets of kcp-go, one by one and all in one call, and damaged ones. */
function checkCipher(name: CipherName, key: string, packets: readonly Packet[]): void {
  const cipher = createCipher(name, fromHex(key));
  const sealed = packets.map((packet) => fromHex(packet.sealed));
  const { starts, ends, size } = layout(sealed.map(({ length }) => length));
  const count = packets.length;
  for (const bytes of memories(size)) {
    for (const together of [false, true]) {
      const how = `${name}, ${together ? "all at once" : "one by one"}`;
      for (const [i, { seed, length, nonce }] of packets.entries()) {
        bytes.set(fromHex(nonce), starts[i]);
        bytes.set(pattern(seed, length), starts[i] + cipher.headroom);
      }
      if (together && cipher.sealAll) cipher.sealAll(bytes, starts, ends, 0, count);
      else for (let i = 0; i < count; i++) cipher.seal(bytes, starts[i], ends[i]);
      for (let i = 0; i < count; i++) {
        assertBytes(bytes.subarray(starts[i], ends[i]), sealed[i], `${how}: sealed packet ${i}`);
      }
      const opened = new Uint8Array(count);
      if (together && cipher.openAll) cipher.openAll(bytes, starts, ends, 0, count, opened);
      else for (let i = 0; i < count; i++) opened[i] = +cipher.open(bytes, starts[i], ends[i]);
      for (const [i, { seed, length }] of packets.entries()) {
        assertSame(opened[i], 1, `${how}: whether packet ${i} is opened`);
        const payload = bytes.subarray(starts[i] + cipher.headroom, ends[i] - cipher.tailroom);
        assertBytes(payload, pattern(seed, length), `${how}: the payload of packet ${i}`);
      }
    }
    for (let i = 0; i < count; i++) {
      bytes.set(sealed[i], starts[i]);
      bytes[ends[i] - 1] ^= 1;
      assert(!cipher.open(bytes, starts[i], ends[i]), `${name}: damaged packet ${i} was opened`);
    }
  }
}

/** Checks of the ciphers. */
export const cipherChecks: readonly Check[] = [
  ...CIPHER_NAMES.map((name): Check => ({
    row: `${CIPHER_NAMES.length} ciphers`,
    name,
    onBothPaths: true,
    run: () => {
      const vectors = cipherVectors.filter(({ cipher }) => cipher === name);
      assert(vectors.length > 0, `There is no vector for ${name}`);
      for (const { key, packets } of vectors) checkCipher(name, key, packets);
    },
  })),
  {
    row: "CRC-32, key derivation",
    name: "CRC-32",
    onBothPaths: true,
    run: () => {
      for (const { seed, length, crc32: expected } of checksumVectors) {
        for (const bytes of memories(length + BEFORE)) {
          bytes.set(pattern(seed, length), BEFORE);
          assertSame(crc32(bytes, BEFORE, BEFORE + length), expected, `CRC-32 of ${length} bytes`);
        }
      }
    },
  },
  {
    row: "CRC-32, key derivation",
    name: "keys that kcptun derives from passwords",
    onBothPaths: true,
    run: () => {
      for (const { password, key } of keyVectors) {
        assertSame(toHex(deriveKey(fromHex(password))), key, `The key of the password ${password}`);
      }
    },
  },
];
