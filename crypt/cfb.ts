import type { BlockCipher } from "./block_cipher.ts";
import { MemoryView } from "./memory_view.ts";
import { ChecksumCipher } from "./checksum_cipher.ts";

/**
 * The IV of every packet. Ciphers with 8-byte blocks use its first 8 bytes. Source: kcp-go.
 *
 * It may be fixed because each packet begins with 16 random bytes. They are encrypted first, and
 * CFB feeds their ciphertext into all blocks after them.
 */
export const PACKET_IV = [167, 115, 79, 156, 18, 172, 27, 1, 164, 21, 242, 193, 252, 120, 230, 107];

/**
 * Cipher feedback of whole blocks, in place: CFB128 or CFB64 of NIST SP 800-38A §6.3.
 *
 * If the last block is not full, its bytes are XORed with the first bytes of the key stream.
 */
export class Cfb {
  readonly #cipher: BlockCipher;
  /** The encrypted IV. All packets share it. */
  readonly #first: Int32Array;
  /** The key stream of one block, then the ciphertext that is fed back. */
  readonly #block: Int32Array;
  readonly #memory = new MemoryView();

  /**
   * @param cipher A block cipher with its key.
   * @param iv The IV: one block.
   * @throws {RangeError} If the IV has another length.
   */
  constructor(cipher: BlockCipher, iv: Uint8Array) {
    const { blockSize, littleEndian } = cipher;
    if (iv.length !== blockSize) {
      throw new RangeError(
        `Cannot start CFB from an IV of ${iv.length} bytes: allowed are ${blockSize}`,
      );
    }
    const view = new DataView(iv.buffer, iv.byteOffset, iv.byteLength);
    this.#cipher = cipher;
    this.#block = new Int32Array(blockSize / 4);
    this.#first = this.#block.map((_, word) => view.getInt32(4 * word, littleEndian));
    cipher.encrypt(this.#first);
  }

  /** CFB with the IV of packets. */
  static ofPackets(cipher: BlockCipher): Cfb {
    return new Cfb(cipher, Uint8Array.from(PACKET_IV.slice(0, cipher.blockSize)));
  }

  /** XORs the last bytes of the data, less than a block, with the key stream. */
  #finish(bytes: Uint8Array, start: number, end: number): void {
    const block = this.#block;
    const flip = this.#cipher.littleEndian ? 0 : 24;
    for (let i = start; i < end; i++) {
      const k = i - start;
      bytes[i] ^= block[k >> 2] >>> (8 * (k & 3) ^ flip);
    }
  }

  /** Encrypts the bytes from `start` to before `end` in place. */
  encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const cipher = this.#cipher;
    const le = cipher.littleEndian;
    const view = this.#memory.of(bytes);
    const block = this.#block;
    const first = this.#first;
    block[0] = first[0];
    block[1] = first[1];
    let i = start;
    if (cipher.blockSize === 8) {
      for (; i + 8 <= end; i += 8) {
        view.setInt32(i, block[0] ^= view.getInt32(i, le), le);
        view.setInt32(i + 4, block[1] ^= view.getInt32(i + 4, le), le);
        if (i + 8 < end) cipher.encrypt(block);
      }
    } else {
      block[2] = first[2];
      block[3] = first[3];
      for (; i + 16 <= end; i += 16) {
        view.setInt32(i, block[0] ^= view.getInt32(i, le), le);
        view.setInt32(i + 4, block[1] ^= view.getInt32(i + 4, le), le);
        view.setInt32(i + 8, block[2] ^= view.getInt32(i + 8, le), le);
        view.setInt32(i + 12, block[3] ^= view.getInt32(i + 12, le), le);
        if (i + 16 < end) cipher.encrypt(block);
      }
    }
    this.#finish(bytes, i, end);
  }

  /** Decrypts the bytes from `start` to before `end` in place. */
  decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    const cipher = this.#cipher;
    const le = cipher.littleEndian;
    const view = this.#memory.of(bytes);
    const block = this.#block;
    const first = this.#first;
    block[0] = first[0];
    block[1] = first[1];
    let i = start;
    if (cipher.blockSize === 8) {
      for (; i + 8 <= end; i += 8) {
        const c0 = view.getInt32(i, le);
        const c1 = view.getInt32(i + 4, le);
        view.setInt32(i, block[0] ^ c0, le);
        view.setInt32(i + 4, block[1] ^ c1, le);
        block[0] = c0;
        block[1] = c1;
        if (i + 8 < end) cipher.encrypt(block);
      }
    } else {
      block[2] = first[2];
      block[3] = first[3];
      for (; i + 16 <= end; i += 16) {
        const c0 = view.getInt32(i, le);
        const c1 = view.getInt32(i + 4, le);
        const c2 = view.getInt32(i + 8, le);
        const c3 = view.getInt32(i + 12, le);
        view.setInt32(i, block[0] ^ c0, le);
        view.setInt32(i + 4, block[1] ^ c1, le);
        view.setInt32(i + 8, block[2] ^ c2, le);
        view.setInt32(i + 12, block[3] ^ c3, le);
        block[0] = c0;
        block[1] = c1;
        block[2] = c2;
        block[3] = c3;
        if (i + 16 < end) cipher.encrypt(block);
      }
    }
    this.#finish(bytes, i, end);
  }
}

/**
 * Packets encrypted with a block cipher in CFB mode, in the format of kcp-go:
 * `nonce 16 | checksum 4 | payload`. The whole packet is encrypted, from the first byte of the
 * nonce on, with a fixed IV.
 */
export class CfbCipher extends ChecksumCipher {
  readonly #cfb: Cfb;

  /**
   * @param name The name of the cipher, as for `createCipher`.
   * @param cipher A block cipher with its key.
   */
  constructor(name: string, cipher: BlockCipher) {
    super(name);
    this.#cfb = Cfb.ofPackets(cipher);
  }

  /** Encrypts a packet in place. */
  protected override encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.#cfb.encrypt(bytes, start, end);
  }

  /** Decrypts a packet in place. */
  protected override decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.#cfb.decrypt(bytes, start, end);
  }
}
