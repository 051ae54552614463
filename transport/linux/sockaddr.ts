import { formatAddress, parseAddress, shortForm } from "../session/address.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";

/** Size of `sockaddr_in6` in bytes; `sockaddr_in` is shorter. */
export const SOCKADDR_SIZE = 28;
/** Largest number of addresses in a cache. A full cache is cleared. */
const MAX_ADDRESSES = 4096;

/** Reads an IPv6 address: gives its eight groups, then its zone. It may end with an IPv4 address. */
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
  if (groups.length !== 8 || groups.some((group) => !(group >= 0 && group <= 0xffff))) {
    throw new TypeError(`Cannot use the hostname ${hostname}: it is not an IP address`);
  }
  return [...groups, Number(zone) || 0];
}

/**
 * Converts an address into the kernel's form: `sockaddr_in` or `sockaddr_in6`.
 *
 * @param family {@linkcode AF_INET} or {@linkcode AF_INET6}: the family of the socket. For an IPv6
 * socket, an IPv4 address becomes an IPv4-mapped address.
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
    if (v6 || parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) {
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
  const dotted = (from: number) =>
    `${view.getUint8(from)}.${view.getUint8(from + 1)}.${view.getUint8(from + 2)}.${
      view.getUint8(from + 3)
    }`;
  if (view.getUint16(at, true) === AF_INET) return formatAddress(dotted(at + 4), port);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(at + 8 + 2 * i));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (mapped) return formatAddress(dotted(at + 20), port);
  const scope = view.getUint32(at + 24, true);
  const host = shortForm(groups.map((group) => group.toString(16)).join(":"));
  return formatAddress(scope === 0 ? host : `${host}%${scope}`, port);
}

/** Converts addresses between both forms, and remembers the results. */
export class SockaddrCache {
  readonly #family: number;
  readonly #encoded = new Map<string, Uint8Array<ArrayBuffer> | null>();
  readonly #decoded = new Map<number | string, string>();

  constructor(family: number) {
    this.#family = family;
  }

  /** The `sockaddr` of an address; null if the address is not of the socket's family. */
  encode(address: string): Uint8Array<ArrayBuffer> | null {
    let bytes = this.#encoded.get(address);
    if (bytes === undefined) {
      if (this.#encoded.size >= MAX_ADDRESSES) this.#encoded.clear();
      const { hostname, port } = parseAddress(address);
      try {
        bytes = encodeSockaddr(hostname, port, this.#family);
      } catch {
        bytes = null;
      }
      this.#encoded.set(address, bytes);
    }
    return bytes;
  }

  /** The address of a `sockaddr` in memory. */
  decode(view: DataView, at: number): string {
    // For IPv4 the key is a number made of address and port: this avoids building a string.
    const key = view.getUint16(at, true) === AF_INET
      ? view.getUint32(at + 4) * 65_536 + view.getUint16(at + 2)
      : `${view.getUint16(at + 2)} ${view.getBigUint64(at + 8)} ${view.getBigUint64(at + 16)} ${
        view.getUint32(at + 24)
      }`;
    let address = this.#decoded.get(key);
    if (address === undefined) {
      if (this.#decoded.size >= MAX_ADDRESSES) this.#decoded.clear();
      address = decodeSockaddr(view, at);
      this.#decoded.set(key, address);
    }
    return address;
  }
}
