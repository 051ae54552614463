import { crc32 } from "./crc32.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** Random bytes at the start of a packet. */
const NONCE_SIZE = 16;
/** The nonce and the checksum. */
export const HEADER_SIZE = NONCE_SIZE + 4;

/**
 * What the ciphers that do not authenticate have in common: a packet is `nonce 16 | checksum 4 | payload`,
 * the checksum is the CRC-32 of the payload, little-endian, and the cipher goes over all of it.
 *
 * The checksum finds accidents, not forgers: whoever alters a packet can alter its checksum to match, since
 * all these ciphers let bits be flipped through them.
 */
export abstract class ChecksumCipher implements PacketCipher {
  /** The name by which `createCipher` knows it. */
  readonly name: string;
  /** Random bytes that a packet begins with. */
  readonly nonceSize = NONCE_SIZE;
  /** Bytes in front of the payload. */
  readonly headroom = HEADER_SIZE;
  /** Bytes behind the payload. */
  readonly tailroom = 0;
  /** Forged packets are not told from real ones. */
  readonly authenticates = false;

  /** @param name The name by which `createCipher` knows it. */
  constructor(name: string) {
    this.name = name;
  }

  /** Encrypts a packet in place, from the first byte of its nonce on. */
  protected abstract encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /** Undoes {@linkcode ChecksumCipher.encrypt}. */
  protected abstract decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /** @throws {RangeError} If a packet has no room for its header. */
  protected check(start: number, end: number): void {
    if (end - start >= HEADER_SIZE) return;
    throw new RangeError(
      `Cannot seal ${end - start} bytes with ${this.name}: allowed are ${HEADER_SIZE} or more`,
    );
  }

  /**
   * Writes the checksum of a packet.
   *
   * @throws {RangeError} If the packet has no room for its header.
   */
  protected stamp(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.check(start, end);
    const checksum = crc32(bytes, start + HEADER_SIZE, end);
    const at = start + NONCE_SIZE;
    bytes[at] = checksum;
    bytes[at + 1] = checksum >>> 8;
    bytes[at + 2] = checksum >>> 16;
    bytes[at + 3] = checksum >>> 24;
  }

  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte, which is the nonce's.
   * @param end Offset after its last byte.
   * @throws {RangeError} If the packet has no room for its header.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.stamp(bytes, start, end);
    this.encrypt(bytes, start, end);
  }

  /**
   * Opens a packet in place. One that fails is wiped, so that nobody takes it for a payload.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the checksum is that of the payload.
   */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean {
    if (end - start < HEADER_SIZE) return false;
    this.decrypt(bytes, start, end);
    const at = start + NONCE_SIZE;
    const stated = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    if (stated >>> 0 === crc32(bytes, start + HEADER_SIZE, end)) return true;
    bytes.fill(0, start, end);
    return false;
  }
}

/** The header and the checksum, and no cipher: everyone can read the packets and write them. */
export class NoneCipher extends ChecksumCipher {
  /** Takes no key. */
  constructor() {
    super("none");
  }

  /** Does nothing. */
  protected override encrypt(): void {}

  /** Does nothing. */
  protected override decrypt(): void {}
}
