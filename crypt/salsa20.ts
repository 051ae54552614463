import { salsa20 } from "@noble/ciphers/salsa.js";
import { type KernelMemory, KernelModule } from "../kcp/kernel.ts";
import { setChecksumTables } from "./crc32.ts";
import { ChecksumCipher, HEADER_SIZE } from "./none.ts";
import { type PacketFunctions, PacketKernel } from "./packet_kernel.ts";
import { WASM } from "./salsa20_wasm.ts";

/** Bytes of a packet that stay clear, which are the nonce of Salsa20. */
const CLEAR = 8;
/** "expand 32-byte k", the constants of the state. */
export const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/**
 * The 8 words of a key of 32 bytes, low byte first.
 *
 * @throws {RangeError} If it has another length.
 */
export function keyWords(name: string, key: Uint8Array): Uint32Array {
  if (key.length !== 32) {
    throw new RangeError(`Cannot key ${name} with ${key.length} bytes: allowed are 32`);
  }
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
}

/** Where the kernel has its state and its list: see `memory.as.ts`. */
const STATE = 19_456;
const LIST = STATE + 512;

/** The kernel in a memory: four blocks at once with SIMD, and the checksum. */
class Salsa20Kernel extends PacketKernel {
  readonly #state: Uint32Array;

  constructor(functions: PacketFunctions, memory: KernelMemory) {
    super(functions, memory, LIST);
    setChecksumTables(memory);
    this.#state = new Uint32Array(memory.bytes.buffer, STATE, 16);
    SIGMA.forEach((word, i) => this.#state[5 * i] = word);
  }

  /** Takes a key. */
  protected override setKey(words: Uint32Array): void {
    this.#state.set(words.subarray(0, 4), 1);
    this.#state.set(words.subarray(4), 11);
  }
}

const KERNEL = new KernelModule<PacketFunctions, Salsa20Kernel>(
  [WASM],
  (functions, memory) => new Salsa20Kernel(functions, memory),
);

/**
 * Packets under Salsa20, as kcp-go has them: `nonce 16 | checksum 4 | payload`, of which the first 8 bytes stay
 * clear as the nonce of Salsa20 and all others are XORed with its key stream, from block 0 on.
 *
 * Where there is WebAssembly with SIMD, a kernel does all of it; elsewhere `@noble/ciphers` does.
 *
 * Source: D. Bernstein, "Salsa20 specification", 2005.
 */
export class Salsa20Cipher extends ChecksumCipher {
  readonly #key: Uint8Array;
  readonly #words: Uint32Array;
  readonly #portable: boolean;

  /**
   * @param key 32 bytes, which are kept.
   * @param portable Whether the kernel is left alone.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("salsa20");
    this.#key = key;
    this.#words = keyWords("Salsa20", key);
    this.#portable = portable;
  }

  /** Whether the kernel does the work. */
  get accelerated(): boolean {
    return this.#kernelFor(this.#key, 0) !== null;
  }

  /** The kernel for what lies in `bytes`, if it takes so much of it. */
  #kernelFor(bytes: Uint8Array, length: number): Salsa20Kernel | null {
    const kernel = this.#portable ? null : KERNEL.for(bytes);
    return kernel?.takes(bytes, length) ? kernel : null;
  }

  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte, which is the nonce's.
   * @param end Offset after its last byte.
   * @throws {RangeError} If the packet has no room for its header.
   */
  override seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.check(start, end);
    const kernel = this.#kernelFor(bytes, end - start);
    if (kernel) kernel.seal(this.#words, bytes, start, end);
    else super.seal(bytes, start, end);
  }

  /**
   * Seals several packets in place, as {@linkcode Salsa20Cipher.seal} does one after the other.
   *
   * @param bytes The memory that the packets lie in, each behind the one before.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @throws {RangeError} If a packet has no room for its header.
   */
  sealAll(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void {
    let longest = 0;
    for (let i = first; i < last; i++) {
      this.check(starts[i], ends[i]);
      longest = Math.max(longest, ends[i] - starts[i]);
    }
    const kernel = this.#kernelFor(bytes, longest);
    if (kernel) kernel.sealAll(this.#words, bytes, starts, ends, first, last);
    else for (let i = first; i < last; i++) this.seal(bytes, starts[i], ends[i]);
  }

  /**
   * Opens a packet in place. One that fails is wiped, so that nobody takes it for a payload.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the checksum is that of the payload.
   */
  override open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    const kernel = end - start < HEADER_SIZE ? null : this.#kernelFor(bytes, end - start);
    if (!kernel) return super.open(bytes, start, end);
    if (kernel.open(this.#words, bytes, start, end)) return true;
    bytes.fill(0, start, end);
    return false;
  }

  /** Encrypts a packet in place, without the kernel. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const first = start + CLEAR;
    const data = bytes.subarray(first, end);
    salsa20(this.#key, bytes.subarray(start, first), data, data);
  }

  /** Decrypts a packet in place, without the kernel. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.encrypt(bytes, start, end);
  }
}
