import {
  formatAddress,
  isPortZero,
  localOf,
  parseAddress,
  shortForm,
  withLocal,
} from "../session/address.ts";
import { localAddressControl } from "./control.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";

/** Size of `sockaddr_in6` in bytes; `sockaddr_in` is shorter. */
export const SOCKADDR_SIZE = 28;
/** Largest number of addresses in a cache. A full cache is cleared. */
const MAX_ADDRESSES = 4096;

/**
 * Reads an IPv6 address: gives its eight groups, then the number of its zone. It may end with an IPv4
 * address.
 */
function parseIpv6(hostname: string): number[] {
  const [address, zone = "0"] = hostname.split("%");
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const text = dotted
    ? `${dotted[1]}${(+dotted[2] << 8 | +dotted[3]).toString(16)}:${
      (+dotted[4] << 8 | +dotted[5]).toString(16)
    }`
    : address;
  const [head, tail] = text.split("::");
  const front = head ? head.split(":") : [];
  const back = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array(Math.max(0, zeros)).fill("0"), ...back].map((group) =>
    parseInt(group, 16)
  );
  const valid = groups.length === 8 && groups.every((group) => group >= 0 && group <= 0xffff);
  if (!valid || !/^\d+$/.test(zone)) {
    throw new TypeError(`Cannot use the hostname ${hostname}: it is not an IP address`);
  }
  return [...groups, Number(zone)];
}

/**
 * Converts an address into the kernel's form: `sockaddr_in` or `sockaddr_in6`.
 *
 * @param family {@linkcode AF_INET} or {@linkcode AF_INET6}: the family of the socket. For an IPv6
 * socket, an IPv4 address becomes an IPv4-mapped address. A zone must be a number.
 * @throws {TypeError} When the hostname is not an address of the family.
 */
export function encodeSockaddr(
  hostname: string,
  port: number,
  family: number,
): Uint8Array<ArrayBuffer> {
  const v6 = hostname.includes(":");
  if (family === AF_INET) {
    const parts = hostname.split(".").map(Number);
    if (!/^\d+(\.\d+){3}$/.test(hostname) || parts.some((part) => part > 255)) {
      throw new TypeError(`Cannot use the hostname ${hostname}: it is not an IPv4 address`);
    }
    return Uint8Array.of(AF_INET, 0, port >> 8, port, ...parts, 0, 0, 0, 0, 0, 0, 0, 0);
  }
  const bytes = new Uint8Array(SOCKADDR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET6, true);
  view.setUint16(2, port);
  const groups = parseIpv6(v6 ? hostname : `::ffff:${hostname}`);
  for (let i = 0; i < 8; i++) view.setUint16(8 + 2 * i, groups[i]);
  view.setUint32(24, groups[8], true);
  return bytes;
}

/** Reads a `sockaddr` in memory. Gives a string such as `10.0.0.1:80`. */
export function decodeSockaddr(view: DataView, at: number): string {
  const port = view.getUint16(at + 2);
  if (view.getUint16(at, true) === AF_INET) return formatAddress(decodeIpv4(view, at + 4), port);
  const host = decodeIpv6(view, at + 8);
  const scope = view.getUint32(at + 24, true);
  return formatAddress(scope === 0 || !host.includes(":") ? host : `${host}%${scope}`, port);
}

function decodeIpv4(view: DataView, at: number): string {
  return `${view.getUint8(at)}.${view.getUint8(at + 1)}.${view.getUint8(at + 2)}.${
    view.getUint8(at + 3)
  }`;
}

/** Reads 16 bytes. An IPv4-mapped address becomes an IPv4 address. */
function decodeIpv6(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) return decodeIpv4(view, at + 12);
  return shortForm(groups.map((group) => group.toString(16)).join(":"));
}

/**
 * Whether answers can be sent from a local address of 16 bytes. The kernel must choose another one
 * for a multicast address (ff00::/8), and for a link-local address (fe80::/10), which needs an
 * interface.
 */
function canAnswerFrom(view: DataView, at: number): boolean {
  const first = view.getUint16(at);
  return first < 0xff00 && (first & 0xffc0) !== 0xfe80;
}

/**
 * The local address of packets to the one in a `sockaddr`, as {@linkcode SockaddrCache.decode} names it;
 * an empty string if the kernel chooses the address of answers.
 */
export function localName(sockaddr: Uint8Array<ArrayBuffer>): string {
  const view = new DataView(sockaddr.buffer);
  if (view.getUint16(0, true) === AF_INET) return decodeIpv4(view, 4);
  return canAnswerFrom(view, 8) ? decodeIpv6(view, 8) : "";
}

/** Where packets are sent. */
export interface Destination {
  /** The `sockaddr` of the peer. */
  readonly name: Uint8Array<ArrayBuffer>;
  /** The control message that chooses the local address; null lets the kernel choose. */
  readonly local: Uint8Array<ArrayBuffer> | null;
  /** Whether the kernel can split a message to this peer into packets. */
  splits: boolean;
}

/** The addresses of the peers that have sent to one local address. */
interface Peers {
  /** The local address; an empty string if it is not known. */
  readonly local: string;
  readonly addresses: Map<number | string, string>;
}

/** Converts addresses between both forms, and remembers the results. */
export class SockaddrCache {
  readonly #family: number;
  readonly #encoded = new Map<string, Destination | null>();
  /** The peers of packets whose local address is not known. */
  #peers: Peers = { local: "", addresses: new Map() };
  readonly #peersByLocal = new Map<string, Peers>();
  /** Number of addresses in all maps of `#peersByLocal`. */
  #decoded = 0;
  /** The last IPv4 sender. */
  readonly #last = { port: -1, host: -1, local: -1, address: "" };
  /** The local address of the last packet, as four numbers, and its peers. */
  readonly #lastLocal = new Uint32Array(4);
  #lastPeers: Peers | null = null;

  constructor(family: number) {
    this.#family = family;
  }

  /** The destination of an address; null if no packet can be sent there. */
  encode(address: string): Destination | null {
    let destination = this.#encoded.get(address);
    if (destination === undefined) {
      if (this.#encoded.size >= MAX_ADDRESSES) this.#encoded.clear();
      destination = this.#makeDestination(address);
      this.#encoded.set(address, destination);
    }
    return destination;
  }

  #makeDestination(address: string): Destination | null {
    if (isPortZero(address)) return null;
    const { hostname, port } = parseAddress(address);
    const local = localOf(address);
    try {
      return {
        name: encodeSockaddr(hostname, port, this.#family),
        local: local === "" ? null : localAddressControl(this.#addressBytes(local)),
        splits: true,
      };
    } catch {
      return null;
    }
  }

  /** The bytes of a local address: 4 for an IPv4 socket, 16 for an IPv6 socket. */
  #addressBytes(hostname: string): Uint8Array {
    const name = encodeSockaddr(hostname, 0, this.#family);
    return this.#family === AF_INET ? name.subarray(4, 8) : name.subarray(8, 24);
  }

  /**
   * The address of a `sockaddr` in memory.
   *
   * @param localAt Offset of the local address that the packet was sent to; -1 if it is not known.
   */
  decode(view: DataView, at: number, localAt = -1): string {
    if (view.getUint16(at, true) !== AF_INET) return this.#decodeNew(view, at, localAt);
    // Most packets come from the sender of the packet before.
    const port = view.getUint16(at + 2);
    const host = view.getUint32(at + 4);
    const local = localAt < 0 ? -1 : view.getUint32(localAt);
    const last = this.#last;
    if (port !== last.port || host !== last.host || local !== last.local) {
      last.address = this.#decodeNew(view, at, localAt);
      last.port = port;
      last.host = host;
      last.local = local;
    }
    return last.address;
  }

  #decodeNew(view: DataView, at: number, localAt: number): string {
    // For IPv4 the key is a number made of address and port: this avoids building a string.
    const key = view.getUint16(at, true) === AF_INET
      ? view.getUint32(at + 4) * 65_536 + view.getUint16(at + 2)
      : `${view.getUint16(at + 2)} ${view.getBigUint64(at + 8)} ${view.getBigUint64(at + 16)} ${
        view.getUint32(at + 24)
      }`;
    const { local, addresses } = localAt < 0 ? this.#peers : this.#peersOf(view, localAt);
    let address = addresses.get(key);
    if (address === undefined) {
      address = decodeSockaddr(view, at);
      if (local !== "") address = withLocal(local, address);
      this.#remember(addresses, key, address);
    }
    return address;
  }

  #remember(addresses: Peers["addresses"], key: number | string, address: string): void {
    if (this.#decoded >= MAX_ADDRESSES) {
      this.#decoded = 0;
      this.#peers = { local: "", addresses: new Map() };
      this.#peersByLocal.clear();
      this.#lastPeers = null;
      // The map of this packet is not used again.
      return;
    }
    this.#decoded++;
    addresses.set(key, address);
  }

  /** The peers of the local address at an offset in memory. */
  #peersOf(view: DataView, at: number): Peers {
    const last = this.#lastLocal;
    const words = this.#family === AF_INET ? 1 : 4;
    let same = this.#lastPeers !== null;
    for (let i = 0; i < words; i++) {
      const word = view.getUint32(at + 4 * i);
      if (word !== last[i]) {
        last[i] = word;
        same = false;
      }
    }
    if (same) return this.#lastPeers!;
    let local = "";
    if (this.#family === AF_INET) local = decodeIpv4(view, at);
    else if (canAnswerFrom(view, at)) local = decodeIpv6(view, at);
    let peers = local === "" ? this.#peers : this.#peersByLocal.get(local);
    if (!peers) {
      peers = { local, addresses: new Map() };
      this.#peersByLocal.set(local, peers);
    }
    return this.#lastPeers = peers;
  }
}
