import { salsa20 } from "@noble/ciphers/salsa.js";
import { type KernelMemory, startKernel } from "../kcp/kernel.ts";
import { KERNEL_DATA, MAX_KERNEL_DATA, setChecksumTables } from "./crc32.ts";
import { ChecksumCipher, HEADER_SIZE } from "./none.ts";
import { fitting } from "./packet_cipher.ts";
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

/** The kernel: four blocks at once with SIMD, and the checksum. */
interface Kernel extends KernelMemory {
  /** Seals a packet that lies there. */
  seal(start: number, end: number): void;
  /** Opens it, and returns 1 if its checksum is right. */
  open(start: number, end: number): number;
}

/** The running kernel, which works on one packet at a time, whoever's it is. */
class Salsa20Kernel {
  readonly #kernel: Kernel;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #state: Uint32Array<ArrayBuffer>;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#bytes = new Uint8Array(kernel.memory.buffer as ArrayBuffer);
    this.#state = new Uint32Array(kernel.memory.buffer as ArrayBuffer, 0, 16);
    setChecksumTables(kernel);
  }

  /** Takes a key: its 8 words, low byte first. */
  setKey(words: Uint32Array): void {
    const state = this.#state;
    for (let i = 0; i < 4; i++) {
      state[5 * i] = SIGMA[i];
      state[1 + i] = words[i];
      state[11 + i] = words[4 + i];
    }
    state[8] = state[9] = 0;
  }

  /** Seals some packets in place, which all fit. */
  seal(
    bytes: Uint8Array<ArrayBuffer>,
    starts: ArrayLike<number>,
    ends: ArrayLike<number>,
    first: number,
    last: number,
  ): void {
    const base = starts[first];
    const end = ends[last - 1];
    this.#bytes.set(bytes.subarray(base, end), KERNEL_DATA);
    const offset = KERNEL_DATA - base;
    for (let i = first; i < last; i++) this.#kernel.seal(starts[i] + offset, ends[i] + offset);
    bytes.set(this.#bytes.subarray(KERNEL_DATA, end + offset), base);
  }

  /** Opens a packet in place, and returns whether its checksum is right. If not, it stays as it is. */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    this.#bytes.set(bytes.subarray(start, end), KERNEL_DATA);
    if (this.#kernel.open(KERNEL_DATA, KERNEL_DATA + end - start) === 0) return false;
    bytes.set(this.#bytes.subarray(KERNEL_DATA, KERNEL_DATA + end - start), start);
    return true;
  }
}

let shared: Salsa20Kernel | null | undefined;
/** The cipher whose key the kernel has. */
let owner: Salsa20Cipher | null = null;

/** The kernel, started at first use; null where it can't be. */
function sharedKernel(): Salsa20Kernel | null {
  if (shared === undefined) {
    const kernel = startKernel<Kernel>(WASM);
    shared = kernel && new Salsa20Kernel(kernel);
  }
  return shared;
}

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
  readonly #kernel: Salsa20Kernel | null;

  /**
   * @param key 32 bytes, which are kept.
   * @param portable Whether the kernel is left alone.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("salsa20");
    this.#key = key;
    this.#words = keyWords("Salsa20", key);
    this.#kernel = portable ? null : sharedKernel();
  }

  /** Whether the kernel does the work. */
  get accelerated(): boolean {
    return this.#kernel !== null;
  }

  /** The kernel with this key, if it can take a packet of so many bytes. */
  #kernelFor(length: number): Salsa20Kernel | null {
    const kernel = this.#kernel;
    if (!kernel || length > MAX_KERNEL_DATA) return null;
    if (owner !== this) {
      kernel.setKey(this.#words);
      owner = this;
    }
    return kernel;
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
    const kernel = this.#kernelFor(end - start);
    if (kernel) kernel.seal(bytes, [start], [end], 0, 1);
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
    for (let i = first; i < last; i++) this.check(starts[i], ends[i]);
    while (first < last) {
      const next = fitting(starts, ends, first, last, MAX_KERNEL_DATA);
      const kernel = this.#kernelFor(ends[next - 1] - starts[first]);
      if (kernel) kernel.seal(bytes, starts, ends, first, next);
      else super.seal(bytes, starts[first], ends[first]);
      first = kernel ? next : first + 1;
    }
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
    const kernel = end - start < HEADER_SIZE ? null : this.#kernelFor(end - start);
    if (!kernel) return super.open(bytes, start, end);
    if (kernel.open(bytes, start, end)) return true;
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
