import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { type KernelMemory, KernelModule } from "../kcp/kernel.ts";
import { AeadCipher, NONCE_SIZE, OVERHEAD, TAG_SIZE } from "./aead_cipher.ts";
import { RELAXED_WASM, WASM } from "./chacha20_poly1305_wasm.ts";
import { checkedKey } from "./key.ts";
import { keyWords, SIGMA } from "./key_words.ts";
import type { PacketCipher } from "./packet_cipher.ts";
import { type PacketFunctions, PacketKernel } from "./packet_kernel.ts";

/** Address of the kernel's state, as in `memory.as.ts`. */
const STATE = 0;
/** Address of the kernel's list of packets. */
const LIST = STATE + 1024;

/** The functions of the kernel. */
interface Functions extends PacketFunctions {
  /** Prepares the kernel's memory. It is called once. */
  prepare(): void;
}

/**
 * The kernel in one memory. It computes four blocks of ChaCha20 at once with SIMD, and Poly1305
 * alongside.
 */
class ChaCha20Poly1305Kernel extends PacketKernel {
  readonly #state: Uint32Array;

  constructor(functions: Functions, memory: KernelMemory) {
    super(functions, memory, LIST);
    functions.prepare();
    this.#state = new Uint32Array(memory.bytes.buffer, STATE, 16);
    this.#state.set(SIGMA);
  }

  /** Writes a key into the kernel's state. */
  protected override setKey(words: Uint32Array): void {
    this.#state.set(words, 4);
  }
}

const KERNEL = /* @__PURE__ */ new KernelModule<Functions, ChaCha20Poly1305Kernel>(
  "chacha20Poly1305",
  [RELAXED_WASM, WASM],
  (functions, memory) => new ChaCha20Poly1305Kernel(functions, memory),
);

/**
 * Packets encrypted with ChaCha20-Poly1305 (RFC 8439 §2.8).
 *
 * Where the runtime has WebAssembly with SIMD, a kernel encrypts and authenticates. Elsewhere
 * `@noble/ciphers` does. The time of both depends only on the packet's length.
 */
export class ChaCha20Poly1305Cipher extends AeadCipher {
  readonly #key: Uint8Array;
  readonly #words: Uint32Array;
  readonly #portable: boolean;

  /**
   * @param key 32 bytes. The cipher keeps a reference to it.
   * @param portable Whether the kernel is not used. Default: false.
   * @throws {RangeError} If the key has another length.
   */
  constructor(key: Uint8Array, portable = false) {
    super("chacha20-poly1305");
    this.#key = key;
    this.#words = keyWords("ChaCha20-Poly1305", key);
    this.#portable = portable;
  }

  /** Whether the WebAssembly kernel is used. */
  get accelerated(): boolean {
    return this.#kernelFor(this.#key, 0) !== null;
  }

  /** The kernel for packets in `bytes`. Null if there is none, or the packet is too long for it. */
  #kernelFor(bytes: Uint8Array, length: number): ChaCha20Poly1305Kernel | null {
    const kernel = this.#portable ? null : KERNEL.for(bytes);
    return kernel?.takes(bytes, length) ? kernel : null;
  }

  /**
   * Seals several packets in place, as if `seal` were called for each of them.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @throws {RangeError} If a packet is shorter than nonce and tag.
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
    if (kernel?.takesAll(bytes, starts, ends, first, last, OVERHEAD)) {
      kernel.sealAll(this.#words, bytes, starts, ends, first, last);
    } else {
      for (let i = first; i < last; i++) this.encrypt(bytes, starts[i], ends[i]);
    }
  }

  /**
   * Opens several packets in place, as if `open` were called for each of them.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Set to 1 at the index of each packet whose tag is right, and to 0 for the others.
   * Those are filled with zeros.
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
    if (kernel?.takesAll(bytes, starts, ends, first, last, OVERHEAD)) {
      kernel.openAll(this.#words, bytes, starts, ends, first, last, opened);
    } else {
      for (let i = first; i < last; i++) opened[i] = Number(this.open(bytes, starts[i], ends[i]));
    }
  }

  /** Encrypts the payload in place and writes the tag. */
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

  /** Checks the tag. If it is right, decrypts the payload in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    const kernel = this.#kernelFor(bytes, end - start);
    if (kernel) return kernel.open(this.#words, bytes, start, end);
    const payload = start + NONCE_SIZE;
    const cipher = chacha20poly1305(this.#key, bytes.subarray(start, payload));
    try {
      cipher.decrypt(bytes.subarray(payload, end), bytes.subarray(payload, end - TAG_SIZE));
      return true;
    } catch {
      // `decrypt` throws only for a wrong tag. A packet that fails costs no more than one that
      // opens.
      return false;
    }
  }
}

/**
 * Creates a cipher that encrypts and authenticates packets with ChaCha20-Poly1305:
 * `chacha20-poly1305` of `createCipher`, which says how many packets a key may seal.
 *
 * @param key The key, 32 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp";
 * import { chacha20Poly1305 } from "@lowlatency/kcp/crypt";
 *
 * const crypt = chacha20Poly1305(crypto.getRandomValues(new Uint8Array(32)));
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000, crypt });
 * ```
 */
export function chacha20Poly1305(key: Uint8Array): PacketCipher {
  return new ChaCha20Poly1305Cipher(checkedKey("chacha20-poly1305", key, [32]));
}
