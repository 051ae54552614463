/**
 * The structures that `sendmmsg` and `recvmmsg` read and write: `mmsghdr` and what it points to.
 *
 * @module
 */
import {
  IP_PKTINFO,
  IPV6_PKTINFO,
  type Libc,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
} from "./libc.ts";
import { CMSG_DATA, CMSG_LEVEL, CMSG_TYPE, CMSGHDR } from "./control.ts";
import { type Destination, SOCKADDR_SIZE } from "./sockaddr.ts";

// Sizes of the structures in bytes on 64-bit systems.
const MMSGHDR = 64;
const IOVEC = 16;
/** `CMSG_SPACE` of an integer of up to 8 bytes. */
const CMSG_SPACE_INT = 24;
/** Space for the control data: an integer and an `in6_pktinfo`. */
const CONTROL = CMSG_SPACE_INT + 40;
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

/** `CMSG_LEN` of a u16. */
const CMSG_LEN_U16 = CMSGHDR + 2;

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
  /** Result of {@linkcode Messages.readControl}. */
  segmentSize = 0;
  /** Result of {@linkcode Messages.readControl}. */
  localAt = -1;
  readonly #count: number;
  /** Where each message goes that was written before, and whether the kernel splits it. */
  readonly #destinations: (Destination | null)[];
  readonly #split: Uint8Array;

  /** @param count The number of messages. */
  constructor(libc: Libc, count: number) {
    this.#count = count;
    this.#destinations = Array(count).fill(null);
    this.#split = new Uint8Array(count);
    this.bytes = new Uint8Array(count * (MMSGHDR + IOVEC + CONTROL + NAME_SPACE));
    this.view = new DataView(this.bytes.buffer);
    this.headers = Array.from({ length: count }, (_, i) => this.bytes.subarray(i * MMSGHDR));
    const base = libc.addressOf(this.bytes);
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
   * Sets the destination of message `i`, its local address, and how the kernel splits it.
   *
   * @param segmentSize Bytes of each packet that the kernel splits the message into; 0 for one
   * packet.
   */
  setDestination(i: number, destination: Destination, segmentSize: number): void {
    const { view } = this;
    const control = this.#controlAt(i);
    // Most messages go where the one before in the same place went.
    const split = segmentSize > 0;
    if (this.#destinations[i] !== destination || this.#split[i] !== Number(split)) {
      this.#destinations[i] = destination;
      this.#split[i] = Number(split);
      this.#writeDestination(i, destination, split);
    }
    if (split) view.setUint16(control + CMSG_DATA, segmentSize, true);
  }

  #writeDestination(i: number, { name, local }: Destination, split: boolean): void {
    const { view } = this;
    const at = i * MMSGHDR;
    this.bytes.set(name, this.nameAt(i));
    view.setUint32(at + NAMELEN, name.length, true);
    const control = this.#controlAt(i);
    let end = control;
    if (split) {
      view.setUint32(control, CMSG_LEN_U16, true);
      view.setUint32(control + CMSG_LEVEL, SOL_UDP, true);
      view.setUint32(control + CMSG_TYPE, UDP_SEGMENT, true);
      end += CMSG_SPACE_INT;
    }
    if (local) {
      this.bytes.set(local, end);
      end += local.length;
    }
    view.setUint32(at + CONTROLLEN, end - control, true);
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
   * Reads the control data of a received message. Sets `segmentSize` to the size in bytes of the
   * packets that the kernel has joined; the last packet may be shorter. It is 0 if the message is
   * one packet. Sets `localAt` to the offset in the block of the local address that the packets were
   * sent to; -1 if the kernel does not tell.
   */
  readControl(i: number): void {
    const { view } = this;
    this.segmentSize = 0;
    this.localAt = -1;
    let at = this.#controlAt(i);
    const end = at + view.getUint32(i * MMSGHDR + CONTROLLEN, true);
    while (at + CMSGHDR < end) {
      const level = view.getUint32(at + CMSG_LEVEL, true);
      const type = view.getUint32(at + CMSG_TYPE, true);
      if (level === SOL_UDP && type === UDP_GRO) {
        this.segmentSize = view.getInt32(at + CMSG_DATA, true);
      } else if (level === SOL_IP && type === IP_PKTINFO) {
        // After the index of the interface: the local address to answer from.
        this.localAt = at + CMSG_DATA + 4;
      } else if (level === SOL_IPV6 && type === IPV6_PKTINFO) {
        this.localAt = at + CMSG_DATA;
      }
      at += Math.max(CMSGHDR, view.getUint32(at, true) + 7 & ~7);
    }
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
