/**
 * The interface of the packet ciphers.
 *
 * @module
 */

/**
 * A source of random bytes. It fills the target with unpredictable bytes, as
 * `crypto.getRandomValues` does.
 *
 * @param target The memory to fill, at most 65536 bytes.
 */
export type Entropy = (target: Uint8Array<ArrayBuffer>) => void;

/**
 * Encrypts and decrypts whole packets in place.
 *
 * A sealed packet is `nonce | checksum? | payload | tag?`. The cipher has no source of random
 * bytes: before a packet is sealed, the caller writes {@linkcode PacketCipher.nonceSize} random
 * bytes at its start.
 */
export interface PacketCipher {
  /** The name of the cipher, as for `createCipher`: for example `aes-128`. */
  readonly name: string;
  /** Random bytes at the start of a packet. Every packet needs new ones. */
  readonly nonceSize: number;
  /** Bytes before the payload: the nonce, and the checksum if the cipher has one. */
  readonly headroom: number;
  /** Bytes after the payload: the authentication tag if the cipher has one, else 0. */
  readonly tailroom: number;
  /** Whether the cipher detects forged packets. A checksum detects only accidental damage. */
  readonly authenticates: boolean;
  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte. The nonce begins there.
   * @param end Offset after its last byte, and after the tag if there is one.
   * @throws {RangeError} If the packet is shorter than `headroom + tailroom`.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;
  /**
   * Seals several packets in place, as if {@linkcode PacketCipher.seal} were called for each of
   * them. Only ciphers that are faster with several packets at a time have this method.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @throws {RangeError} If a packet is shorter than `headroom + tailroom`.
   */
  sealAll?(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
  ): void;
  /**
   * Opens a packet in place. Hostile bytes never throw. If the packet opens, its nonce is the one
   * that the sender wrote.
   *
   * @param bytes The memory that holds the packet.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the packet is valid. If so, its payload is from `start + headroom` to before
   * `end - tailroom`. If not, the packet's bytes are undefined.
   */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean;
  /**
   * Opens several packets in place, as if {@linkcode PacketCipher.open} were called for each of
   * them. Only ciphers that are faster with several packets at a time have this method.
   *
   * @param bytes The memory that holds the packets, in ascending order of their offsets.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Set to 1 at the index of each valid packet, and to 0 for the others.
   */
  openAll?(
    bytes: Uint8Array<ArrayBuffer>,
    starts: Int32Array,
    ends: Int32Array,
    first: number,
    last: number,
    opened: Uint8Array,
  ): void;
}

/**
 * How many packets fit into `capacity` bytes, counted from the start of the first packet, with the
 * gaps between them.
 *
 * @param starts Offset of each packet's first byte, ascending. Packets do not overlap.
 * @param ends Offset after each packet's last byte.
 * @param first Index of the first packet.
 * @param last Index after the last packet.
 * @param capacity Most bytes.
 * @returns The index after the last packet that fits. It is at least `first + 1`.
 */
export function batchEnd(
  starts: Int32Array,
  ends: Int32Array,
  first: number,
  last: number,
  capacity: number,
): number {
  let next = first + 1;
  while (next < last && ends[next] - starts[first] <= capacity) next++;
  return next;
}
