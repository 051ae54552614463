import { crc32 } from "./crc32.ts";
import type { PacketCipher } from "./packet_cipher.ts";

/** Bytes of the random nonce at the start of a packet. */
const NONCE_SIZE = 16;
/** Bytes of the nonce and the checksum. */
export const HEADER_SIZE = NONCE_SIZE + 4;

/**
 * The base class of the ciphers that do not authenticate. A packet is
 * `nonce 16 | checksum 4 | payload`. The checksum is the CRC-32 of the payload, little-endian. The
 * cipher encrypts all three parts.
 *
 * The checksum detects accidental damage, but not forged packets: an attacker can flip bits of the
 * payload through any of these ciphers, and can correct the checksum to match.
 */
export abstract class ChecksumCipher implements PacketCipher {
  /** The name of the cipher, as for `createCipher`. */
  readonly name: string;
  /** Random bytes at the start of a packet. */
  readonly nonceSize = NONCE_SIZE;
  /** Bytes before the payload. */
  readonly headroom = HEADER_SIZE;
  /** Bytes after the payload. */
  readonly tailroom = 0;
  /** The cipher does not detect forged packets. */
  readonly authenticates = false;

  /** @param name The name of the cipher, as for `createCipher`. */
  constructor(name: string) {
    this.name = name;
  }

  /** Encrypts a packet in place, from the first byte of its nonce on. */
  protected abstract encrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /** Decrypts a packet in place. It reverses {@linkcode ChecksumCipher.encrypt}. */
  protected abstract decrypt(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;

  /** @throws {RangeError} If a packet is shorter than its header. */
  protected check(start: number, end: number): void {
    if (end - start >= HEADER_SIZE) return;
    throw new RangeError(
      `Cannot seal ${end - start} bytes with ${this.name}: allowed are ${HEADER_SIZE} or more`,
    );
  }

  /**
   * Writes the checksum of a packet.
   *
   * @throws {RangeError} If the packet is shorter than its header.
   */
  protected writeChecksum(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
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
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte. The nonce begins there.
   * @param end Offset after its last byte.
   * @throws {RangeError} If the packet is shorter than its header.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void {
    this.writeChecksum(bytes, start, end);
    this.encrypt(bytes, start, end);
  }

  /**
   * Opens a packet in place. A packet that fails the check is filled with zeros, so that no code
   * uses it by mistake.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the payload matches the checksum.
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
