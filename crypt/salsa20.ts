import { salsa20 as xorKeyStream } from "@noble/ciphers/salsa.js";
import { type KernelMemory, KernelModule } from "../kcp/kernel.ts";
import { setChecksumTables } from "./crc32.ts";
import { ChecksumCipher, HEADER_SIZE } from "./checksum_cipher.ts";
import { checkedKey } from "./key.ts";
import { keyWords, SIGMA } from "./key_words.ts";
import type { PacketCipher } from "./packet_cipher.ts";
import { type PacketFunctions, PacketKernel } from "./packet_kernel.ts";
import { WASM } from "./salsa20_wasm.ts";

/** Bytes of a packet that are not encrypted. They are the nonce of Salsa20. */
const CLEAR = 8;
/** Address of the kernel's state, as in `memory.as.ts`. */
const STATE = 19_456;
/** Address of the kernel's list of packets. */
const LIST = STATE + 512;

/**
 * The kernel in one memory. It computes four blocks of Salsa20 at once with SIMD, and the checksum.
 */
class Salsa20Kernel extends PacketKernel {
  readonly #state: Uint32Array;

  constructor(functions: PacketFunctions, memory: KernelMemory) {
    super(functions, memory, LIST);
    setChecksumTables(memory);
    this.#state = new Uint32Array(memory.bytes.buffer, STATE, 16);
    SIGMA.forEach((word, i) => this.#state[5 * i] = word);
  }

  /** Writes a key into the kernel's state. */
  protected override setKey(words: Uint32Array): void {
    this.#state.set(words.subarray(0, 4), 1);
    this.#state.set(words.subarray(4), 11);
  }
}

const KERNEL = /* @__PURE__ */ new KernelModule<PacketFunctions, Salsa20Kernel>(
  "salsa20",
  [WASM],
  (functions, memory) => new Salsa20Kernel(functions, memory),
);

/**
 * Packets encrypted with Salsa20, in the format of kcp-go: `nonce 16 | checksum 4 | payload`. The
 * first 8 bytes are not encrypted: they are the nonce of Salsa20. All other bytes are XORed with
 * its key stream, from block 0 on.
 *
 * Where the runtime has WebAssembly with SIMD, a kernel is used; elsewhere `@noble/ciphers`.
 *
 * Source: D. Bernstein, "Salsa20 specification", 2005.
 */
export class Salsa20Cipher extends ChecksumCipher {
  readonly #key: Uint8Array;
  readonly #words: Uint32Array;
  readonly #portable: boolean;

  /**
   * @param key 32 bytes. The cipher keeps a reference to it.
   * @param portable Whether the kernel is not used. Default: false.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("salsa20");
    this.#key = key;
    this.#words = keyWords("Salsa20", key);
    this.#portable = portable;
  }

  /** Whether the WebAssembly kernel is used. */
  get accelerated(): boolean {
    return this.#kernelFor(this.#key, 0) !== null;
  }

  /** The kernel for packets in `bytes`. Null if there is none, or the packet is too long for it. */
  #kernelFor(bytes: Uint8Array, length: number): Salsa20Kernel | null {
    const kernel = this.#portable ? null : KERNEL.for(bytes);
    return kernel?.takes(bytes, length) ? kernel : null;
  }

  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte. The nonce begins there.
   * @param end Offset after its last byte.
   * @throws {RangeError} If the packet is shorter than its header.
   */
  override seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.check(start, end);
    const kernel = this.#kernelFor(bytes, end - start);
    if (kernel) kernel.seal(this.#words, bytes, start, end);
    else super.seal(bytes, start, end);
  }

  /**
   * Seals several packets in place, as if {@linkcode Salsa20Cipher.seal} were called for each of
   * them.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @throws {RangeError} If a packet is shorter than its header.
   */
  sealAll(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void {
    for (let i = first; i < last; i++) this.check(starts[i], ends[i]);
    const kernel = this.#kernelFor(bytes, 0);
    if (kernel?.takesAll(bytes, starts, ends, first, last, HEADER_SIZE)) {
      kernel.sealAll(this.#words, bytes, starts, ends, first, last);
    } else {
      for (let i = first; i < last; i++) this.seal(bytes, starts[i], ends[i]);
    }
  }

  /**
   * Opens a packet in place. A packet that fails the check is filled with zeros, so that no code
   * uses it by mistake.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the payload matches the checksum.
   */
  override open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    const kernel = end - start < HEADER_SIZE ? null : this.#kernelFor(bytes, end - start);
    if (!kernel) return super.open(bytes, start, end);
    if (kernel.open(this.#words, bytes, start, end)) return true;
    bytes.fill(0, start, end);
    return false;
  }

  /**
   * Opens several packets in place, as if {@linkcode Salsa20Cipher.open} were called for each of them.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Set to 1 at the index of each packet whose payload matches the checksum, and to 0 for
   * the others. Those are filled with zeros.
   */
  openAll(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
    opened: Uint8Array,
  ): void {
    const kernel = this.#kernelFor(bytes, 0);
    if (kernel?.takesAll(bytes, starts, ends, first, last, HEADER_SIZE)) {
      kernel.openAll(this.#words, bytes, starts, ends, first, last, opened);
    } else {
      for (let i = first; i < last; i++) opened[i] = Number(this.open(bytes, starts[i], ends[i]));
    }
  }

  /** Encrypts a packet in place, without the kernel. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const first = start + CLEAR;
    const data = bytes.subarray(first, end);
    xorKeyStream(this.#key, bytes.subarray(start, first), data, data);
  }

  /** Decrypts a packet in place, without the kernel. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.encrypt(bytes, start, end);
  }
}

/**
 * Creates a cipher that encrypts packets with Salsa20, and adds a checksum: `salsa20` of
 * `createCipher`.
 *
 * @param key The key, 32 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function salsa20(key: Uint8Array): PacketCipher {
  return new Salsa20Cipher(checkedKey("salsa20", key, [32]));
}
