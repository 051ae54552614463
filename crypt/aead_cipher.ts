import type { PacketCipher } from "./packet_cipher.ts";

/** Bytes of the random nonce at the start of a packet. */
export const NONCE_SIZE = 12;
/** Bytes of the authentication tag at the end of a packet. */
export const TAG_SIZE = 16;
/** Bytes of a packet that are not payload. */
export const OVERHEAD = NONCE_SIZE + TAG_SIZE;

/**
 * The base class of the ciphers that authenticate (AEAD). A packet is
 * `nonce 12 | ciphertext | tag 16`, without additional data.
 */
export abstract class AeadCipher implements PacketCipher {
  /** The name of the cipher, as for `createCipher`. */
  readonly name: string;
  /** Random bytes at the start of a packet. */
  readonly nonceSize = NONCE_SIZE;
  /** Bytes before the payload. */
  readonly headroom = NONCE_SIZE;
  /** Bytes after the payload. */
  readonly tailroom = TAG_SIZE;
  /** The cipher detects forged packets. */
  readonly authenticates = true;

  /** @param name The name of the cipher, as for `createCipher`. */
  constructor(name: string) {
    this.name = name;
  }

  /** Encrypts the payload in place and writes the tag. */
  protected abstract encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /**
   * Checks the tag. If it is right, decrypts the payload in place. Else the payload is undefined.
   *
   * @returns Whether the tag is right.
   */
  protected abstract decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean;

  /** @throws {RangeError} If a packet is shorter than nonce and tag. */
  protected check(start: number, end: number): void {
    if (end - start >= OVERHEAD) return;
    throw new RangeError(
      `Cannot seal ${end - start} bytes with ${this.name}: allowed are ${OVERHEAD} or more`,
    );
  }

  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte. The nonce begins there.
   * @param end Offset after its last byte. The tag ends there.
   * @throws {RangeError} If the packet is shorter than nonce and tag.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.check(start, end);
    this.encrypt(bytes, start, end);
  }

  /**
   * Opens a packet in place. If it opens, its nonce does not change. If it fails, it is filled with
   * zeros.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the tag is right. Then the packet was sealed with the same key.
   */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    if (end - start < OVERHEAD) return false;
    if (this.decrypt(bytes, start, end)) return true;
    bytes.fill(0, start, end);
    return false;
  }
}
