import { salsa20 } from "@noble/ciphers/salsa.js";
import { type KernelMemory, startKernel } from "../kcp/kernel.ts";
import { ChecksumCipher } from "./none.ts";
import { WASM } from "./salsa20_wasm.ts";

/** Bytes of a packet that stay clear, which are the nonce of Salsa20. */
const CLEAR = 8;
/** Where the kernel has its data; the state is at 0. */
const DATA = 4096;
/** Most bytes that it takes at once, more than a UDP packet has: two pages of memory, less what is before and behind. */
const MAX_DATA = 2 * 65_536 - DATA - 256;
/** "expand 32-byte k", the constants of the state. */
export const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

/** The kernel: four blocks at once with SIMD. */
interface Kernel extends KernelMemory {
  /** XORs so many bytes with the key stream. */
  xor(length: number): void;
}

/** The running kernel, which works on one packet at a time, whoever's it is. */
class Salsa20Kernel {
  readonly #xor: Kernel["xor"];
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #state: Uint32Array<ArrayBuffer>;

  constructor({ xor, memory }: Kernel) {
    this.#xor = xor;
    this.#bytes = new Uint8Array(memory.buffer as ArrayBuffer);
    this.#state = new Uint32Array(memory.buffer as ArrayBuffer, 0, 16);
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

  /** XORs bytes with the key stream of the nonce that lies `CLEAR` bytes before them. */
  xor(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const state = this.#state;
    const at = start - CLEAR;
    state[6] = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    state[7] = bytes[at + 4] | bytes[at + 5] << 8 | bytes[at + 6] << 16 | bytes[at + 7] << 24;
    this.#bytes.set(bytes.subarray(start, end), DATA);
    this.#xor(end - start);
    bytes.set(this.#bytes.subarray(DATA, DATA + end - start), start);
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
 * Where there is WebAssembly with SIMD, a kernel computes the key stream; elsewhere `@noble/ciphers` does.
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
    if (key.length !== 32) {
      throw new RangeError(`Cannot key Salsa20 with ${key.length} bytes: allowed are 32`);
    }
    this.#key = key;
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#words = Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
    this.#kernel = portable ? null : sharedKernel();
  }

  /** Whether the kernel does the work. */
  get accelerated(): boolean {
    return this.#kernel !== null;
  }

  /** Encrypts a packet in place. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const kernel = this.#kernel;
    const first = start + CLEAR;
    if (kernel && end - first <= MAX_DATA) {
      if (owner !== this) {
        kernel.setKey(this.#words);
        owner = this;
      }
      kernel.xor(bytes, first, end);
    } else {
      const data = bytes.subarray(first, end);
      salsa20(this.#key, bytes.subarray(start, first), data, data);
    }
  }

  /** Decrypts a packet in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.encrypt(bytes, start, end);
  }
}
