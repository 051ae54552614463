/**
 * What every packet cipher has in common.
 *
 * @module
 */

/**
 * Fills the target with bytes that nobody can foresee, as `crypto.getRandomValues` does.
 *
 * @param target At most 65536 bytes.
 */
export type Entropy = (target: Uint8Array<ArrayBuffer>) => void;

/**
 * Encrypts and decrypts whole packets in place.
 *
 * A sealed packet is `nonce | checksum? | payload | tag?`. The cipher draws no randomness: whoever seals
 * has written {@linkcode PacketCipher.nonceSize} random bytes at the packet's start.
 */
export interface PacketCipher {
  /** The name by which `createCipher` knows it, such as `aes-128` or `chacha20-poly1305`. */
  readonly name: string;
  /** Random bytes that a packet begins with, drawn anew for each packet. */
  readonly nonceSize: number;
  /** Bytes in front of the payload: the nonce, and the checksum where there is one. */
  readonly headroom: number;
  /** Bytes behind the payload: the authentication tag, where there is one. */
  readonly tailroom: number;
  /** Whether a forged packet is told from a real one. A checksum finds accidents, not forgers. */
  readonly authenticates: boolean;
  /**
   * Seals a packet in place.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte, which is the nonce's.
   * @param end Offset after its last byte: after the tag, where there is one.
   * @throws {RangeError} If the packet is shorter than `headroom + tailroom`.
   */
  seal(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): void;
  /**
   * Seals several packets in place, as {@linkcode PacketCipher.seal} does one after the other. A cipher that is faster with
   * several at a time has it.
   *
   * @param bytes The memory that the packets lie in, each behind the one before.
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
   * Opens a packet in place. Hostile bytes never throw. In a packet that opens the nonce is what the
   * sender drew.
   *
   * @param bytes The memory that the packet lies in.
   * @param start Offset of the packet's first byte.
   * @param end Offset after its last byte.
   * @returns Whether the packet is whole; then its payload lies from `start + headroom` to before
   * `end - tailroom`. If not, what the packet's bytes are now is undefined.
   */
  open(bytes: Uint8Array<ArrayBuffer>, start: number, end: number): boolean;
  /**
   * Opens several packets in place, as {@linkcode PacketCipher.open} does one after the other. A cipher that is faster with
   * several at a time has it.
   *
   * @param bytes The memory that the packets lie in, each behind the one before.
   * @param starts Offset of each packet's first byte.
   * @param ends Offset after each packet's last byte.
   * @param first Index of the first packet.
   * @param last Index after the last packet.
   * @param opened Becomes 1 for each packet, with its index, that is whole, and 0 for the others.
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
 * Index after the last of some packets that fit together, from the start of the first one on; but one at least.
 *
 * @param starts Offset of each packet's first byte: each lies behind the one before.
 * @param ends Offset after each packet's last byte.
 * @param first Index of the first packet.
 * @param last Index after the last one.
 * @param capacity Bytes that there is room for.
 */
export function fitting(
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
