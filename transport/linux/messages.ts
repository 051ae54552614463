/**
 * The structures that `sendmmsg` and `recvmmsg` read and write: `mmsghdr` and what it points to.
 *
 * @module
 */
import { addressOf, SOL_UDP, UDP_GRO, UDP_SEGMENT } from "./libc.ts";
import { SOCKADDR_SIZE } from "./sockaddr.ts";

// Sizes of the structures in bytes on 64-bit systems.
const MMSGHDR = 64;
const IOVEC = 16;
/** `CMSG_SPACE` of an integer of up to 8 bytes. */
const CONTROL = 24;
/** Space for one address: `sockaddr_in6`, rounded up to a multiple of 8. */
const NAME_SPACE = 32;

// Offsets in `mmsghdr`.
const NAME = 0;
const NAMELEN = 8;
const IOV = 16;
const IOVLEN = 24;
const CONTROL_AT = 32;
const CONTROLLEN = 40;
const FLAGS = 48;
const LENGTH = 56;

// `cmsghdr` with one value: `CMSG_LEN` of a u16 and of an int, and offsets.
const CMSG_LEN_U16 = 18;
const CMSG_LEN_INT = 20;
const CMSG_LEVEL = 8;
const CMSG_TYPE = 12;
const CMSG_DATA = 16;

/**
 * The headers of several messages, in memory that the kernel reads and writes. One block holds
 * first all `mmsghdr`, then all `iovec`, then the control data and the addresses.
 */
export class Messages {
  /** The block; it starts with the `mmsghdr` of the first message. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same block. */
  readonly view: DataView<ArrayBuffer>;
  /** The block from the `mmsghdr` of each message on. */
  readonly headers: readonly Uint8Array<ArrayBuffer>[];
  readonly #count: number;

  /** @param count The number of messages. */
  constructor(count: number) {
    this.#count = count;
    this.bytes = new Uint8Array(count * (MMSGHDR + IOVEC + CONTROL + NAME_SPACE));
    this.view = new DataView(this.bytes.buffer);
    this.headers = Array.from({ length: count }, (_, i) => this.bytes.subarray(i * MMSGHDR));
    const base = addressOf(this.bytes);
    for (let i = 0; i < count; i++) {
      this.#setPointer(i * MMSGHDR + NAME, base + this.nameAt(i));
      this.#setPointer(i * MMSGHDR + IOV, base + this.#iovecAt(i));
      this.view.setUint32(i * MMSGHDR + IOVLEN, 1, true);
      this.#setPointer(i * MMSGHDR + CONTROL_AT, base + this.#controlAt(i));
    }
  }

  /** Offset in the block of the address of message `i`. */
  nameAt(i: number): number {
    return this.#count * (MMSGHDR + IOVEC + CONTROL) + i * NAME_SPACE;
  }

  /** Sets where the bytes of message `i` are in memory, and how many there are or may be. */
  setData(i: number, address: number, length: number): void {
    const at = this.#iovecAt(i);
    this.#setPointer(at, address);
    this.view.setUint32(at + 8, length, true);
  }

  /**
   * Sets the destination of message `i`, and how the kernel splits it.
   *
   * @param name The `sockaddr` of the destination.
   * @param segmentSize Bytes of each packet that the kernel splits the message into; 0 for one
   * packet.
   */
  setDestination(i: number, name: Uint8Array, segmentSize: number): void {
    const { view } = this;
    const at = i * MMSGHDR;
    this.bytes.set(name, this.nameAt(i));
    view.setUint32(at + NAMELEN, name.length, true);
    view.setUint32(at + CONTROLLEN, segmentSize > 0 ? CONTROL : 0, true);
    if (segmentSize > 0) {
      const control = this.#controlAt(i);
      view.setUint32(control, CMSG_LEN_U16, true);
      view.setUint32(control + CMSG_LEVEL, SOL_UDP, true);
      view.setUint32(control + CMSG_TYPE, UDP_SEGMENT, true);
      view.setUint16(control + CMSG_DATA, segmentSize, true);
    }
  }

  /** Makes message `i` ready to receive into again: `recvmmsg` overwrites these fields. */
  resetReceived(i: number): void {
    const { view } = this;
    const at = i * MMSGHDR;
    view.setUint32(at + NAMELEN, SOCKADDR_SIZE, true);
    view.setUint32(at + CONTROLLEN, CONTROL, true);
    view.setUint32(at + FLAGS, 0, true);
  }

  /** Sets the length of message `i`, as `recvmmsg` does. */
  setLength(i: number, length: number): void {
    this.view.setUint32(i * MMSGHDR + LENGTH, length, true);
  }

  /** Number of bytes that were received as message `i`. */
  length(i: number): number {
    return this.view.getUint32(i * MMSGHDR + LENGTH, true);
  }

  /**
   * Size in bytes of the packets that the kernel joined into message `i`; the last packet may be
   * shorter. 0 if the message is one packet.
   */
  segmentSize(i: number): number {
    const { view } = this;
    const control = this.#controlAt(i);
    const joined = view.getUint32(i * MMSGHDR + CONTROLLEN, true) >= CMSG_LEN_INT &&
      view.getUint32(control + CMSG_LEVEL, true) === SOL_UDP &&
      view.getUint32(control + CMSG_TYPE, true) === UDP_GRO;
    return joined ? view.getInt32(control + CMSG_DATA, true) : 0;
  }

  #iovecAt(i: number): number {
    return this.#count * MMSGHDR + i * IOVEC;
  }

  #controlAt(i: number): number {
    return this.#count * (MMSGHDR + IOVEC) + i * CONTROL;
  }

  #setPointer(at: number, address: number): void {
    this.view.setUint32(at, address, true);
    this.view.setUint32(at + 4, address / 0x1_0000_0000, true);
  }
}
