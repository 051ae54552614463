/**
 * The interface of the block ciphers.
 *
 * @module
 */

/**
 * A block cipher with an expanded key. It can only encrypt blocks: CFB mode never decrypts a block.
 */
export interface BlockCipher {
  /** Bytes in a block. */
  readonly blockSize: 8 | 16;
  /** Whether the cipher's specification reads the words of a block as little-endian. */
  readonly littleEndian: boolean;
  /**
   * Encrypts one block in place.
   *
   * @param block The 32-bit words of the block in the cipher's byte order: 2 or 4 of them.
   */
  encrypt(block: Int32Array): void;
}
