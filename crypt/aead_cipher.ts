import type { PacketCipher } from "./packet_cipher.ts";

/** Random bytes at the start of a packet. */
export const NONCE_SIZE = 12;
/** The authentication tag at its end. */
export const TAG_SIZE = 16;
/** What is not payload. */
export const OVERHEAD = NONCE_SIZE + TAG_SIZE;

/**
 * What the ciphers that authenticate have in common: a packet is `nonce 12 | ciphertext | tag 16`, and there
 * is no additional data.
 */
export abstract class AeadCipher implements PacketCipher {
  /** The name by which `createCipher` knows it. */
  readonly name: string;
  /** Random bytes that a packet begins with. */
  readonly nonceSize = NONCE_SIZE;
  /** Bytes in front of the payload. */
  readonly headroom = NONCE_SIZE;
  /** Bytes behind the payload. */
  readonly tailroom = TAG_SIZE;
  /** Forged packets are told from real ones. */
  readonly authenticates = true;

  /** @param name The name by which `createCipher` knows it. */
  constructor(name: string) {
    this.name = name;
  }

  /** Encrypts the payload in place, and writes the tag. */
  protected abstract encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /** Decrypts the payload in place if the tag is right; otherwise what it is then means nothing. */
  protected abstract decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean;

  /** @throws {RangeError} If a packet has no room for nonce and tag. */
  protected check(start: number, end: number): void {
    if (end - start >= OVERHEAD) return;
    throw new RangeError(
      `Cannot seal ${end - start} bytes with ${this.name}: allowed are ${OVERHEAD} or more`,
    );
  }

  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte, which is the nonce's.
   * @param end Offset after its last byte, which is the tag's.
   * @throws {RangeError} If the packet has no room for nonce and tag.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.check(start, end);
    this.encrypt(bytes, start, end);
  }

  /**
   * Opens a packet in place. One that fails is wiped; the nonce of one that does not stays as it was.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the tag is right: someone with the key sealed this packet.
   */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    if (end - start < OVERHEAD) return false;
    if (this.decrypt(bytes, start, end)) return true;
    bytes.fill(0, start, end);
    return false;
  }
}
