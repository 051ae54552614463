import { Aes } from "./aes.ts";
import { AesKernel, type ExpandedKey, sharedAesKernel } from "./aes_kernel.ts";
import { Cfb } from "./cfb.ts";
import { ChecksumCipher } from "./checksum_cipher.ts";
import { checkedKey } from "./key.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/**
 * Packets encrypted with AES in CFB mode: `nonce 16 | checksum 4 | payload`, in the format of
 * {@linkcode CfbCipher}.
 *
 * A block can be encrypted only after the block before it, but packets do not depend on each other.
 * Where the runtime has WebAssembly with SIMD, a kernel encrypts four packets at once. To decrypt,
 * it works on four blocks of one packet at once. Its time depends only on the lengths of packets.
 * Other runtimes use {@linkcode Aes}, whose time depends on key and data.
 */
export class AesCfbCipher extends ChecksumCipher {
  readonly #kernel: AesKernel | null;
  readonly #expanded: ExpandedKey | null;
  readonly #portable: Cfb;

  /**
   * @param name The name of the cipher, as for `createCipher`.
   * @param key 16, 24 or 32 bytes. The cipher does not keep a reference to it.
   * @param kernel The WebAssembly kernel; null to work without it. Default: the shared kernel.
   * @throws {RangeError} If the key has another length.
   */
  constructor(name: string, key: Uint8Array, kernel: AesKernel | null = sharedAesKernel()) {
    super(name);
    this.#portable = Cfb.ofPackets(new Aes(key));
    this.#kernel = kernel;
    this.#expanded = kernel && kernel.expand(key, false);
  }

  /** Whether the WebAssembly kernel is used. */
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
   * Seals several packets in place, as if `seal` were called for each of them.
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
    let longest = 0;
    for (let i = first; i < last; i++) {
      this.writeChecksum(bytes, starts[i], ends[i]);
      longest = Math.max(longest, ends[i] - starts[i]);
    }
    if (this.#kernel && this.#expanded && longest <= AesKernel.MAX_PACKET) {
      this.#kernel.encryptCfbs(this.#expanded, bytes, starts, ends, first, last);
    } else {
      for (let i = first; i < last; i++) this.#portable.encrypt(bytes, starts[i], ends[i]);
    }
  }
}

/**
 * Creates a cipher that encrypts packets with AES in CFB mode, and adds a checksum: `aes-128`,
 * `aes-192` or `aes-256` of `createCipher`.
 *
 * @param key The key, 16, 24 or 32 bytes. It is copied.
 * @throws {TypeError} If the key is not a Uint8Array.
 * @throws {RangeError} If it has another length.
 */
export function aesCfb(key: Uint8Array): PacketCipher {
  const copy = checkedKey("aes", key, [16, 24, 32]);
  return new AesCfbCipher(`aes-${8 * copy.length}`, copy);
}
