import { type OwnMemory, SharedKernel, startKernel } from "../kcp/kernel.ts";
import { aesTables } from "./aes_tables.ts";
import { RELAXED_WASM, WASM } from "./aes_wasm.ts";
import { PACKET_IV } from "./cfb.ts";
import { batchEnd } from "./packet_cipher.ts";

// The layout of the kernel's memory, as in aes.as.ts.

/** Address of the IV of CFB. */
const IV = 640;
/** Address of the expanded key, and the address after it. */
const KEY = 1024;
const KEY_END = 4304;
/** Address of the list of packets: the start and the end of each. */
const PACKETS = 4864;
/** Address of the packets. */
const DATA = 16_384;
/** Most bytes of packets in one call. */
const CAPACITY = 65_536;
/** Most packets in one call. */
const MAX_PACKETS = 1024;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;

/** The functions of the kernel. `aes.as.ts` describes them. */
interface Kernel extends OwnMemory {
  setKey(words: number, hashes: boolean): void;
  encryptCfb(length: number): void;
  encryptCfbs(count: number): void;
  decryptCfb(length: number): void;
  sealGcm(length: number): void;
  openGcm(length: number): number;
}

/** A key in the form that the kernel needs. */
export type ExpandedKey = Uint8Array<ArrayBuffer>;

/**
 * A WebAssembly kernel that encrypts packets with AES in constant time. All ciphers share it, so
 * each call passes the key.
 */
export class AesKernel {
  /** Most bytes of a packet. */
  static readonly MAX_PACKET = CAPACITY;
  readonly #kernel: Kernel;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #packets: Uint32Array<ArrayBuffer>;
  /** The key in the kernel's memory. */
  #currentKey: ExpandedKey | null = null;

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
   * @param hashes Whether the key is for GCM, which needs the tables of GHASH too.
   */
  expand(key: Uint8Array, hashes: boolean): ExpandedKey {
    this.#bytes.set(key, DATA);
    this.#kernel.setKey(key.length / 4, hashes);
    return this.#currentKey = this.#bytes.slice(KEY, KEY_END);
  }

  #useKey(key: ExpandedKey): void {
    if (this.#currentKey === key) return;
    this.#bytes.set(key, KEY);
    this.#currentKey = key;
  }

  /** Encrypts a packet of 16 bytes or more in CFB mode, in place. */
  encryptCfb(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): void {
    this.#useKey(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    this.#kernel.encryptCfb(end - start);
    bytes.set(this.#bytes.subarray(DATA, DATA + end - start), start);
  }

  /** Decrypts a packet of 16 bytes or more in CFB mode, in place. */
  decryptCfb(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): void {
    this.#useKey(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    this.#kernel.decryptCfb(end - start);
    bytes.set(this.#bytes.subarray(DATA, DATA + end - start), start);
  }

  /**
   * Encrypts several packets of 16 bytes or more in CFB mode, in place.
   *
   * @param starts Offset of each packet's first byte, ascending. Packets do not overlap.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   */
  encryptCfbs(
    key: ExpandedKey,
    bytes: Uint8Array,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void {
    this.#useKey(key);
    while (first < last) {
      const next = batchEnd(starts, ends, first, Math.min(last, first + MAX_PACKETS), CAPACITY);
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
    this.#useKey(key);
    this.#bytes.set(bytes.subarray(start, end - TAG_SIZE), DATA);
    this.#kernel.sealGcm(end - start - NONCE_SIZE - TAG_SIZE);
    bytes.set(this.#bytes.subarray(DATA + NONCE_SIZE, DATA + end - start), start + NONCE_SIZE);
  }

  /**
   * Opens a packet in Galois/Counter Mode, in place. If its tag is wrong, the packet does not
   * change.
   *
   * @returns Whether the tag is right.
   */
  openGcm(key: ExpandedKey, bytes: Uint8Array, start: number, end: number): boolean {
    this.#useKey(key);
    this.#bytes.set(bytes.subarray(start, end), DATA);
    if (this.#kernel.openGcm(end - start - NONCE_SIZE - TAG_SIZE) === 0) return false;
    bytes.set(
      this.#bytes.subarray(DATA + NONCE_SIZE, DATA + end - start - TAG_SIZE),
      start + NONCE_SIZE,
    );
    return true;
  }
}

/** Starts a separate kernel. Null if the runtime cannot run it. */
export function startAesKernel(...modules: string[]): AesKernel | null {
  const kernel = startKernel<Kernel>(...modules);
  return kernel && new AesKernel(kernel);
}

const SHARED = /* @__PURE__ */ new SharedKernel<Kernel, AesKernel>(
  "aes",
  [RELAXED_WASM, WASM],
  (kernel) => new AesKernel(kernel),
);

/**
 * The kernel that all ciphers share. It is started at first use. Null if the runtime cannot run it.
 */
export function sharedAesKernel(): AesKernel | null {
  return SHARED.get();
}
