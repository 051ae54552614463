import { type KernelMemory, KernelModule } from "../kcp/kernel.ts";
import { WASM } from "./crc32_wasm.ts";

/** The polynomial of IEEE 802.3, x^32 + x^26 + … + x + 1, in bit-reversed form. */
const POLYNOMIAL = 0xedb88320;
/** Bytes processed at once. In V8, 1, 4, 8 and 16 bytes reach 0.4, 1.0, 1.4 and 1.6 GB/s. */
const SLICES = 16;

let shared: Int32Array | undefined;

/**
 * The tables, built at first use: 256 entries for each of the 16 bytes that are processed at once.
 *
 * Entry `b` of table `k` is the remainder of the byte `b` followed by `k` zero bytes.
 */
function tables(): Int32Array {
  if (shared) return shared;
  const built = new Int32Array(SLICES << 8);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = remainder >>> 1 ^ (remainder & 1 ? POLYNOMIAL : 0);
    }
    built[byte] = remainder;
  }
  for (let i = 256; i < built.length; i++) {
    const before = built[i - 256];
    built[i] = before >>> 8 ^ built[before & 0xff];
  }
  return shared = built;
}

// The layout of the kernel's memory, as in `checksum.as.ts`. START and TAKEN follow 16 zero bytes
// each.

/** Address of the tables. */
const TABLES = 2048;
/** Address of four bytes of ones: the start value of the remainder. */
const START = TABLES + 16_384 + 16;
/** Address of 16 bytes of ones: a mask. */
const TAKEN = TABLES + 16_432 + 16;
/** For fewer bytes than this, TypeScript is as fast as the kernel. */
const MIN_DATA = 256;

/** The functions of the kernel. */
interface Functions {
  /** The checksum of the bytes from `start` to before `end`, as a signed number. */
  crc32(start: number, end: number): number;
}

/** Writes the constants for checksums into a kernel's memory. */
export function setChecksumTables({ bytes }: KernelMemory): void {
  const words = new Int32Array(bytes.buffer);
  words.set(tables(), TABLES / 4);
  words[START / 4] = -1;
  words.fill(-1, TAKEN / 4, TAKEN / 4 + 4);
}

/** The kernel in one memory. */
class ChecksumKernel {
  readonly #crc32: Functions["crc32"];
  readonly #memory: KernelMemory;

  constructor({ crc32 }: Functions, memory: KernelMemory) {
    this.#crc32 = crc32;
    this.#memory = memory;
    setChecksumTables(memory);
  }

  /** The checksum; null if there are more bytes than the kernel takes at a time. */
  checksum(bytes: Uint8Array, start: number, end: number): number | null {
    if (end - start > this.#memory.capacity(bytes)) return null;
    const offset = this.#memory.enter(bytes, start, end);
    return this.#crc32(start + offset, end + offset) >>> 0;
  }
}

const KERNEL = /* @__PURE__ */ new KernelModule<Functions, ChecksumKernel>(
  "crc32",
  [WASM],
  (functions, memory) => new ChecksumKernel(functions, memory),
);

/**
 * The CRC-32 of IEEE 802.3, which Ethernet, gzip and kcp-go use.
 *
 * It detects accidental damage. It does not detect deliberate changes, because an attacker can
 * compute how a change of the packet changes the checksum.
 *
 * Source of the method to process several bytes at once: M. Kounavis, F. Berry, "A Systematic
 * Approach to Building High Performance Software-based CRC Generators", 2005.
 *
 * @param bytes The memory that holds the data.
 * @param start Offset of its first byte. Default: 0.
 * @param end Offset after its last byte. Default: the end of `bytes`.
 * @returns The checksum, from 0 to 2^32 - 1.
 */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const kernel = end - start >= MIN_DATA ? KERNEL.for(bytes) : null;
  return kernel?.checksum(bytes, start, end) ?? portableCrc32(bytes, start, end);
}

/** {@linkcode crc32} without the kernel: for short data, and for runtimes without WebAssembly. */
export function portableCrc32(bytes: Uint8Array, start: number, end: number): number {
  const t = tables();
  let crc = -1;
  let i = start;
  for (const last = end - SLICES; i <= last; i += SLICES) {
    crc = t[0xf00 | (crc & 0xff) ^ bytes[i]] ^
      t[0xe00 | (crc >>> 8 & 0xff) ^ bytes[i + 1]] ^
      t[0xd00 | (crc >>> 16 & 0xff) ^ bytes[i + 2]] ^
      t[0xc00 | crc >>> 24 ^ bytes[i + 3]] ^
      t[0xb00 | bytes[i + 4]] ^
      t[0xa00 | bytes[i + 5]] ^
      t[0x900 | bytes[i + 6]] ^
      t[0x800 | bytes[i + 7]] ^
      t[0x700 | bytes[i + 8]] ^
      t[0x600 | bytes[i + 9]] ^
      t[0x500 | bytes[i + 10]] ^
      t[0x400 | bytes[i + 11]] ^
      t[0x300 | bytes[i + 12]] ^
      t[0x200 | bytes[i + 13]] ^
      t[0x100 | bytes[i + 14]] ^
      t[bytes[i + 15]];
  }
  for (; i < end; i++) crc = crc >>> 8 ^ t[(crc ^ bytes[i]) & 0xff];
  return ~crc >>> 0;
}
