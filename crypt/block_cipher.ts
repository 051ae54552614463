/**
 * What the block ciphers have in common.
 *
 * @module
 */

/** A block cipher with an expanded key. Only its forward direction exists: CFB mode needs no other. */
export interface BlockCipher {
  /** Bytes in a block. */
  readonly blockSize: 8 | 16;
  /** Whether the cipher's specification reads the words of a block with their low byte first. */
  readonly littleEndian: boolean;
  /**
   * Encrypts one block in place.
   *
   * @param block Its 32-bit words, 2 or 4 by block size, read in the cipher's byte order.
   */
  encrypt(block: Int32Array): void;
}
