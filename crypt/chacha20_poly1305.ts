import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type KernelMemory, KernelModule } from "../kcp/kernel.ts";
import { AeadCipher, NONCE_SIZE, OVERHEAD, TAG_SIZE } from "./aead_cipher.ts";
import { RELAXED_WASM, WASM } from "./chacha20_poly1305_wasm.ts";
import { type PacketFunctions, PacketKernel } from "./packet_kernel.ts";
import { keyWords, SIGMA } from "./salsa20.ts";

/** Where the kernel has its state and its list: see `memory.as.ts`. */
const STATE = 0;
const LIST = STATE + 1024;

/** The functions of the kernel. */
interface Functions extends PacketFunctions {
  /** Prepares the memory, once. */
  prepare(): void;
}

/** The kernel in a memory: four blocks at once with SIMD, and Poly1305 beside them. */
class ChaCha20Poly1305Kernel extends PacketKernel {
  readonly #state: Uint32Array;

  constructor(functions: Functions, memory: KernelMemory) {
    super(functions, memory, LIST);
    functions.prepare();
    this.#state = new Uint32Array(memory.bytes.buffer, STATE, 16);
    this.#state.set(SIGMA);
  }

  /** Takes a key. */
  protected override setKey(words: Uint32Array): void {
    this.#state.set(words, 4);
  }
}

const KERNEL = new KernelModule<Functions, ChaCha20Poly1305Kernel>(
  [RELAXED_WASM, WASM],
  (functions, memory) => new ChaCha20Poly1305Kernel(functions, memory),
);

/**
 * Packets under ChaCha20-Poly1305 (RFC 8439 §2.8).
 *
 * Where there is WebAssembly with SIMD, a kernel does all of it; elsewhere `@noble/ciphers` does. Both take a time that
 * depends on nothing but the packet's length.
 */
export class ChaCha20Poly1305Cipher extends AeadCipher {
  readonly #key: Uint8Array;
  readonly #words: Uint32Array;
  readonly #portable: boolean;

  /**
   * @param key 32 bytes, which are kept.
   * @param portable Whether the kernel is left alone.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("chacha20-poly1305");
    this.#key = key;
    this.#words = keyWords("ChaCha20-Poly1305", key);
    this.#portable = portable;
  }

  /** Whether the kernel does the work. */
  get accelerated(): boolean {
    return this.#kernelFor(this.#key, 0) !== null;
  }

  /** The kernel for what lies in `bytes`, if it takes so much of it. */
  #kernelFor(bytes: Uint8Array, length: number): ChaCha20Poly1305Kernel | null {
    const kernel = this.#portable ? null : KERNEL.for(bytes);
    return kernel?.takes(bytes, length) ? kernel : null;
  }

  /**
   * Seals several packets in place, as `seal` does one after the other.
   *
   * @param bytes The memory that the packets lie in, each behind the one before.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @throws {RangeError} If a packet has no room for nonce and tag.
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
    else for (let i = first; i < last; i++) this.encrypt(bytes, starts[i], ends[i]);
  }

  /**
   * Opens several packets in place, as `open` does one after the other.
   *
   * @param bytes The memory that the packets lie in, each behind the one before.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Becomes 1 for each packet, with its index, whose tag is right, and 0 for the others, which are wiped.
   */
  openAll(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
    opened: Uint8Array,
  ): void {
    let longest = 0, shortest = Infinity;
    for (let i = first; i < last; i++) {
      longest = Math.max(longest, ends[i] - starts[i]);
      shortest = Math.min(shortest, ends[i] - starts[i]);
    }
    const kernel = shortest < OVERHEAD ? null : this.#kernelFor(bytes, longest);
    if (!kernel) {
      for (let i = first; i < last; i++) opened[i] = Number(this.open(bytes, starts[i], ends[i]));
      return;
    }
    kernel.openAll(this.#words, bytes, starts, ends, first, last, opened);
    for (let i = first; i < last; i++) {
      if (opened[i] === 0) bytes.fill(0, starts[i], ends[i]);
    }
  }

  /** Encrypts the payload in place, and writes the tag. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const kernel = this.#kernelFor(bytes, end - start);
    if (kernel) {
      kernel.seal(this.#words, bytes, start, end);
      return;
    }
    const payload = start + NONCE_SIZE;
    chacha20poly1305(this.#key, bytes.subarray(start, payload))
      .encrypt(bytes.subarray(payload, end - TAG_SIZE), bytes.subarray(payload, end));
  }

  /** Decrypts the payload in place if the tag is right. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    const kernel = this.#kernelFor(bytes, end - start);
    if (kernel) return kernel.open(this.#words, bytes, start, end);
    const payload = start + NONCE_SIZE;
    const cipher = chacha20poly1305(this.#key, bytes.subarray(start, payload));
    try {
      cipher.decrypt(bytes.subarray(payload, end), bytes.subarray(payload, end - TAG_SIZE));
      return true;
    } catch {
      // All that it throws for is the tag. A packet that fails costs no more than one that opens.
      return false;
    }
  }
}
