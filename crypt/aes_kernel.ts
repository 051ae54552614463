import { type OwnMemory, startKernel } from "../kcp/kernel.ts";
import { aesTables } from "./aes_tables.ts";
import { RELAXED_WASM, WASM } from "./aes_wasm.ts";
import { PACKET_IV } from "./cfb.ts";
import { fitting } from "./packet_cipher.ts";

/** Where the kernel has the IV of CFB, and where what belongs to a key begins and ends. */
const IV = 640;
const KEY = 1024;
const KEY_END = 4304;
/** Where it has the start and the end of each packet, and where the packets. */
const PACKETS = 4864;
const DATA = 16_384;
/** Bytes of all packets at once, and how many there may be: less than fit. */
const CAPACITY = 65_536;
const MAX_PACKETS = 1024;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** The functions of the kernel: `aes.as.ts` says what each does. */
interface Kernel extends OwnMemory {
  setKey(words: number, hashes: boolean): void;
  encryptCfb(length: number): void;
  encryptCfbs(count: number): void;
  decryptCfb(length: number): void;
  sealGcm(length: number): void;
  openGcm(length: number): number;
}

/** What the kernel has computed from a key. */
export type ExpandedKey = Uint8Array<ArrayBuffer>;

/** AES on packets, in constant time, by a WebAssembly kernel. All ciphers share it: each call names the key. */
export class AesKernel {
  /** Bytes of the longest packet that it takes. */
  static readonly MAX_PACKET = CAPACITY;
  readonly #kernel: Kernel;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #packets: Uint32Array<ArrayBuffer>;
  /** The key that the kernel has now. */
  #resident: ExpandedKey | null = null;

  /** @param kernel The running kernel. */
  constructor(kernel: Kernel) {
    const memory = kernel.memory.buffer as ArrayBuffer;
    this.#kernel = kernel;
    this.#bytes = new Uint8Array(memory);
    this.#packets = new Uint32Array(memory, PACKETS, 2 * MAX_PACKETS);
    this.#bytes.set(aesTables());
    this.#bytes.set(PACKET_IV, IV);
  }

  /**
   * Expands a key.
   *
   * @param key 16, 24 or 32 bytes.
   * @param hashes Whether it is for GCM, too.
   */
  expand(key: Uint8Array, hashes: boolean): ExpandedKey {
    this.#bytes.set(key, DATA);
    this.#kernel.setKey(key.length / 4, hashes);
    return this.#resident = this.#bytes.slice(KEY, KEY_END);
  }

  #take(key: ExpandedKey): void {
    if (this.#resident === key) return;
    this.#bytes.set(key, KEY);
    this.#resident = key;
  }

  /** Encrypts a packet of at least a block in CFB mode, in place. */
  encryptCfb(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): void {
    this.#take(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    this.#kernel.encryptCfb(end - start);
    bytes.set(this.#bytes.subarray(DATA, DATA + end - start), start);
  }

  /** Decrypts a packet of at least a block in CFB mode, in place. */
  decryptCfb(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): void {
    this.#take(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    this.#kernel.decryptCfb(end - start);
    bytes.set(this.#bytes.subarray(DATA, DATA + end - start), start);
  }

  /**
   * Encrypts several packets of at least a block in CFB mode, in place.
   *
   * @param starts Offset of each packet's first byte: each lies behind the one before.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last one.
   */
  encryptCfbs(
    key: ExpandedKey,
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void {
    this.#take(key);
    while (first < last) {
      const next = fitting(starts, ends, first, Math.min(last, first + MAX_PACKETS), CAPACITY);
      const base = starts[first];
      const count = next - first;
      for (let i = 0; i < count; i++) {
        this.#packets[2 * i] = starts[first + i] - base;
        this.#packets[2 * i + 1] = ends[first + i] - base;
      }
      const end = ends[next - 1];
      this.#bytes.set(bytes.subarray(base, end), DATA);
      this.#kernel.encryptCfbs(count);
      bytes.set(this.#bytes.subarray(DATA, DATA + end - base), base);
      first = next;
    }
  }

  /** Seals a packet in Galois/Counter Mode, in place. */
  sealGcm(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): void {
    this.#take(key);
    this.#bytes.set(bytes.subarray(start, end - TAG_SIZE), DATA);
    this.#kernel.sealGcm(end - start - NONCE_SIZE - TAG_SIZE);
    bytes.set(this.#bytes.subarray(DATA + NONCE_SIZE, DATA + end - start), start + NONCE_SIZE);
  }

  /** Opens a packet in Galois/Counter Mode, in place, and returns whether its tag is right. If not, it stays as it is. */
  openGcm(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): boolean {
    this.#take(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    if (this.#kernel.openGcm(end - start - NONCE_SIZE - TAG_SIZE) === 0) return false;
    bytes.set(
      this.#bytes.subarray(DATA + NONCE_SIZE, DATA + end - start - TAG_SIZE),
      start + NONCE_SIZE,
    );
    return true;
  }
}

/** Starts a kernel of its own; null where it can't be. */
export function startAesKernel(...modules: string[]): AesKernel | null {
  const kernel = startKernel<Kernel>(...modules);
  return kernel && new AesKernel(kernel);
}

let shared: AesKernel | null | undefined;

/** The kernel that all ciphers share, started at first use; null where it can't be. */
export function sharedAesKernel(): AesKernel | null {
  return shared === undefined ? shared = startAesKernel(RELAXED_WASM, WASM) : shared;
}
