import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type KernelMemory, startKernel } from "../kcp/kernel.ts";
import { AeadCipher, NONCE_SIZE, OVERHEAD, TAG_SIZE } from "./aead_cipher.ts";
import { WASM } from "./chacha20_poly1305_wasm.ts";
import { keyWords, SIGMA } from "./salsa20.ts";

/** Where the kernel has the packet; the state is at 0. */
const PACKET = 4096;
/** Bytes of the longest packet that it takes: two pages of memory, less what is before and behind. */
const MAX_PACKET = 2 * 65_536 - PACKET - 288;

/** The kernel: four blocks at once with SIMD. */
interface Kernel extends KernelMemory {
  /** Seals the packet, whose payload has so many bytes. */
  seal(length: number): void;
  /** Opens it, and returns 1; 0, and nothing is decrypted, if the tag is wrong. */
  open(length: number): number;
}

/** The running kernel, which works on one packet at a time, whoever's it is. */
class ChaCha20Poly1305Kernel {
  readonly #kernel: Kernel;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #state: Uint32Array<ArrayBuffer>;
  /** The cipher whose key the kernel has. */
  #owner: Uint32Array | null = null;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#bytes = new Uint8Array(kernel.memory.buffer as ArrayBuffer);
    this.#state = new Uint32Array(kernel.memory.buffer as ArrayBuffer, 0, 16);
    this.#state.set(SIGMA);
  }

  #take(key: Uint32Array, packet: Uint8Array): void {
    if (this.#owner !== key) {
      this.#state.set(key, 4);
      this.#owner = key;
    }
    this.#bytes.set(packet, PACKET);
  }

  /** Seals a packet under a key: its 8 words, low byte first. */
  seal(key: Uint32Array, bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.#take(key, bytes.subarray(start, end - TAG_SIZE));
    this.#kernel.seal(end - start - OVERHEAD);
    bytes.set(this.#bytes.subarray(PACKET + NONCE_SIZE, PACKET + end - start), start + NONCE_SIZE);
  }

  /** Opens a packet, if its tag is right. */
  open(key: Uint32Array, bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    this.#take(key, bytes.subarray(start, end));
    if (this.#kernel.open(end - start - OVERHEAD) === 0) return false;
    const payload = this.#bytes.subarray(PACKET + NONCE_SIZE, PACKET + end - start - TAG_SIZE);
    bytes.set(payload, start + NONCE_SIZE);
    return true;
  }
}

let shared: ChaCha20Poly1305Kernel | null | undefined;

/** The kernel, started at first use; null where it can't be. */
function sharedKernel(): ChaCha20Poly1305Kernel | null {
  if (shared === undefined) {
    const kernel = startKernel<Kernel>(WASM);
    shared = kernel && new ChaCha20Poly1305Kernel(kernel);
  }
  return shared;
}

/**
 * Packets under ChaCha20-Poly1305 (RFC 8439 §2.8).
 *
 * Where there is WebAssembly with SIMD, a kernel does all of it; elsewhere `@noble/ciphers` does. Both check the tag
 * before they decrypt, and take a time that depends on nothing but the packet's length.
 */
export class ChaCha20Poly1305Cipher extends AeadCipher {
  readonly #key: Uint8Array;
  readonly #words: Uint32Array;
  readonly #kernel: ChaCha20Poly1305Kernel | null;

  /**
   * @param key 32 bytes, which are kept.
   * @param portable Whether the kernel is left alone.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("chacha20-poly1305");
    this.#key = key;
    this.#words = keyWords("ChaCha20-Poly1305", key);
    this.#kernel = portable ? null : sharedKernel();
  }

  /** Whether the kernel does the work. */
  get accelerated(): boolean {
    return this.#kernel !== null;
  }

  /** Encrypts the payload in place, and writes the tag. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    if (this.#kernel && end - start <= MAX_PACKET) {
      this.#kernel.seal(this.#words, bytes, start, end);
      return;
    }
    const payload = start + NONCE_SIZE;
    chacha20poly1305(this.#key, bytes.subarray(start, payload))
      .encrypt(bytes.subarray(payload, end - TAG_SIZE), bytes.subarray(payload, end));
  }

  /** Decrypts the payload in place if the tag is right. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    if (this.#kernel && end - start <= MAX_PACKET) {
      return this.#kernel.open(this.#words, bytes, start, end);
    }
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
