import { Aes } from "./aes.ts";
import { AesKernel, type ExpandedKey, sharedAesKernel } from "./aes_kernel.ts";
import { Cfb } from "./cfb.ts";
import { ChecksumCipher } from "./none.ts";

/**
 * Packets under AES in CFB mode: `nonce 16 | checksum 4 | payload`, as {@linkcode CfbCipher} has them.
 *
 * Within a packet each block waits for the one before to be encrypted, but packets do not wait for each other: where there
 * is WebAssembly with SIMD, a kernel encrypts four packets at once, and decrypts four blocks of one. It takes a time that
 * depends on nothing but their lengths. Elsewhere it is {@linkcode Aes}, whose time depends on key and data.
 */
export class AesCfbCipher extends ChecksumCipher {
  readonly #kernel: AesKernel | null;
  readonly #expanded: ExpandedKey | null;
  readonly #portable: Cfb;

  /**
   * @param name The name by which `createCipher` knows it.
   * @param key 16, 24 or 32 bytes, which are expanded and not kept.
   * @param kernel The kernel; null for none.
   * @throws {RangeError} If the key has another length.
   */
  constructor(name: string, key: Uint8Array, kernel: AesKernel | null = sharedAesKernel()) {
    super(name);
    this.#portable = Cfb.ofPackets(new Aes(key));
    this.#kernel = kernel;
    this.#expanded = kernel && kernel.expand(key, false);
  }

  /** Whether a kernel does the work. */
  get accelerated(): boolean {
    return this.#kernel !== null;
  }

  /** Encrypts a packet in place. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    if (this.#kernel && this.#expanded && end - start <= AesKernel.MAX_PACKET) {
      this.#kernel.encryptCfb(this.#expanded, bytes, start, end);
    } else {
      this.#portable.encrypt(bytes, start, end);
    }
  }

  /** Decrypts a packet in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    if (this.#kernel && this.#expanded && end - start <= AesKernel.MAX_PACKET) {
      this.#kernel.decryptCfb(this.#expanded, bytes, start, end);
    } else {
      this.#portable.decrypt(bytes, start, end);
    }
  }

  /**
   * Seals several packets in place, as `seal` does one after the other.
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
      this.stamp(bytes, starts[i], ends[i]);
      longest = Math.max(longest, ends[i] - starts[i]);
    }
    if (this.#kernel && this.#expanded && longest <= AesKernel.MAX_PACKET) {
      this.#kernel.encryptCfbs(this.#expanded, bytes, starts, ends, first, last);
    } else {
      for (let i = first; i < last; i++) this.#portable.encrypt(bytes, starts[i], ends[i]);
    }
  }
}
