/**
 * The cost of each layer around a KCP packet, measured in this process: ciphers, checksum, error
 * correction.
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
/** Packets in a batch of an endpoint with a cipher. */
const BATCH = 16;
/** ms that a measurement takes. */
const DURATION = 300;

/** Runs a step again and again, and returns bytes per second. A step handles `bytes` bytes. */
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

/**
 * Returns the bytes per second of one part of a step. `both` is the rate of the whole step, and
 * `other` that of its other part alone.
 */
function without(both: number, other: number): number {
  return 1 / (1 / both - 1 / other);
}

/** Returns a key for measurements. */
export function keyOf(name: CipherName): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: KEY_SIZES[name] }, (_, i) => i);
}

/** Memory in an arena of the kind that an endpoint with a cipher has. */
function memory(size: number): Uint8Array<ArrayBuffer> {
  const arena = new Arena(undefined, true);
  const at = arena.alloc(65_536);
  return arena.bytes.subarray(at, at + size);
}

/** Seals packets in place, in batches of the size that an endpoint uses. */
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

/** Seals packets by AES-128-CFB of `@noble/ciphers`, with the checksum of a packet. */
export function runNobleSeal(): number {
  const key = keyOf("aes-128");
  const packet = new Uint8Array(PACKET);
  const iv = new Uint8Array(16);
  return measure(PACKET, () => {
    packet[16] = crc32(packet, 20, PACKET);
    packet.set(cfb(key, iv).encrypt(packet));
  });
}

/** Opens packets in place. Each step needs a fresh copy: the time of the copying is subtracted. */
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

/** Computes the checksums of packets. */
export function runChecksum(): number {
  const packet = memory(PACKET);
  return measure(PACKET, () => {
    packet[0] = crc32(packet);
  });
}

/** Runs data shards through an encoder, and takes its parity shards. */
export function runEncode(dataShards: number, parityShards: number): number {
  const arena = new Arena();
  const at = arena.alloc(4096);
  const encoder = new FecEncoder({ dataShards, parityShards });
  return measure(PACKET, () => {
    encoder.seal(arena, at, at + PACKET, 0);
    while (encoder.pending > 0) encoder.takeParity(arena, at + 2048);
  });
}

/** Runs shards through the Reed-Solomon code alone, without packets. */
export function runCode(dataShards: number, parityShards: number): number {
  const code = new ReedSolomon(dataShards, parityShards);
  const shards = Array.from({ length: code.total }, () => new Uint8Array(PACKET));
  return measure(dataShards * PACKET, () => code.encode(shards));
}

/** Runs shards through a decoder. `lost` data shards of each group are missing. */
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
  // The time that it takes to make the shards is subtracted.
  const both = measure(dataShards * PACKET, group);
  if (lost > 0 && decoder.stats.recovered === 0) throw new Error("The decoder restored nothing");
  const making = measure(dataShards * PACKET, sending);
  return without(both, making);
}
