/**
 * What each layer around a KCP packet costs, in this process: ciphers, checksum, error correction.
 *
 * @module
 */
import { cfb } from "@noble/ciphers/aes.js";
import { crc32 } from "../../crypt/crc32.ts";
import { type CipherName, createCipher } from "../../crypt/mod.ts";
import { FecDecoder } from "../../fec/decoder.ts";
import { FecEncoder } from "../../fec/encoder.ts";
import { ReedSolomon } from "../../fec/mod.ts";
import { Arena } from "../../kcp/mod.ts";
import { KEY_SIZES } from "../crypt/key_sizes.ts";

/** Bytes of a full packet. */
export const PACKET = 1400;
/** Packets that an endpoint with a cipher has in a batch. */
const BATCH = 16;
/** How long a measurement takes, in ms. */
const DURATION = 300;

/** Bytes a second of something that handles `bytes` bytes each time. */
function measure(bytes: number, step: () => void): number {
  const started = performance.now();
  let count = 0, passed: number;
  do {
    for (let i = 0; i < 16; i++) step();
    count += 16;
    passed = performance.now() - started;
  } while (passed < DURATION);
  return count * bytes / passed * 1000;
}

/** Bytes a second of what was measured together with something else. */
function without(both: number, other: number): number {
  return 1 / (1 / both - 1 / other);
}

/** A key for measurements. */
export function keyOf(name: CipherName): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: KEY_SIZES[name] }, (_, i) => i);
}

/** Memory of an arena, as that of an endpoint with a cipher. */
function memory(size: number): Uint8Array<ArrayBuffer> {
  const arena = new Arena(undefined, true);
  const at = arena.alloc(65_536);
  return arena.bytes.subarray(at, at + size);
}

/** Seals packets in place: as many at a time as an endpoint does. */
export function runSeal(name: CipherName): number {
  const cipher = createCipher(name, keyOf(name));
  const packets = memory(BATCH * PACKET);
  const starts = Int32Array.from({ length: BATCH }, (_, i) => i * PACKET);
  const ends = starts.map((start) => start + PACKET);
  return measure(BATCH * PACKET, () => {
    if (cipher.sealAll) cipher.sealAll(packets, starts, ends, 0, BATCH);
    else for (let i = 0; i < BATCH; i++) cipher.seal(packets, starts[i], ends[i]);
  });
}

/** What `@noble/ciphers` does in AES-128-CFB, with the checksum that a packet has. */
export function runNobleSeal(): number {
  const key = keyOf("aes-128");
  const packet = new Uint8Array(PACKET);
  const iv = new Uint8Array(16);
  return measure(PACKET, () => {
    packet[16] = crc32(packet, 20, PACKET);
    packet.set(cfb(key, iv).encrypt(packet));
  });
}

/** Opens packets in place; a fresh copy each time, which is not counted, as kcp-go's are always the same. */
export function runOpen(name: CipherName): number {
  const cipher = createCipher(name, keyOf(name));
  const sealed = new Uint8Array(PACKET);
  cipher.seal(sealed, 0, PACKET);
  const packet = memory(PACKET);
  const both = measure(PACKET, () => {
    packet.set(sealed);
    if (!cipher.open(packet, 0, PACKET)) throw new Error(`${name} does not open what it sealed`);
  });
  return without(both, measure(PACKET, () => packet.set(sealed)));
}

/** Checksums of packets. */
export function runChecksum(): number {
  const packet = memory(PACKET);
  return measure(PACKET, () => {
    packet[0] = crc32(packet);
  });
}

/** Data shards through an encoder, its parity taken. */
export function runEncode(dataShards: number, parityShards: number): number {
  const arena = new Arena();
  const at = arena.alloc(4096);
  const encoder = new FecEncoder({ dataShards, parityShards });
  return measure(PACKET, () => {
    encoder.seal(arena, at, at + PACKET, 0);
    while (encoder.pending > 0) encoder.takeParity(arena, at + 2048);
  });
}

/** Shards through the code alone, without packets. */
export function runCode(dataShards: number, parityShards: number): number {
  const code = new ReedSolomon(dataShards, parityShards);
  const shards = Array.from({ length: code.total }, () => new Uint8Array(PACKET));
  return measure(dataShards * PACKET, () => code.encode(shards));
}

/** Shards through a decoder, with `lost` data shards of each group missing. */
export function runDecode(dataShards: number, parityShards: number, lost: number): number {
  const arena = new Arena();
  const ratio = { dataShards, parityShards };
  const encoder = new FecEncoder(ratio);
  const decoder = new FecDecoder(arena, () => {}, ratio);
  const at = arena.alloc(4096);
  const group = () => {
    for (let i = 0; i < dataShards; i++) {
      arena.bytes.fill(i, at + 8, at + PACKET);
      encoder.seal(arena, at, at + PACKET, 0);
      if (i >= lost) decoder.input(at, at + PACKET);
    }
    while (encoder.pending > 0) decoder.input(at, encoder.takeParity(arena, at));
  };
  const sending = () => {
    for (let i = 0; i < dataShards; i++) {
      arena.bytes.fill(i, at + 8, at + PACKET);
      encoder.seal(arena, at, at + PACKET, 0);
    }
    while (encoder.pending > 0) encoder.takeParity(arena, at);
  };
  // What is measured is the difference: the shards have to be made, too.
  const both = measure(dataShards * PACKET, group);
  if (lost > 0 && decoder.stats.recovered === 0) throw new Error("The decoder restored nothing");
  const making = measure(dataShards * PACKET, sending);
  return without(both, making);
}
