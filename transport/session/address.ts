import { shown } from "./shown.ts";

/** The address of a UDP socket. */
export interface Address {
  /** An IP address, or a name that the runtime resolves. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;
}

/**
 * Separates the local address that a peer has sent to from the address of the peer:
 * `127.0.0.2>10.0.0.1:80`. A socket that has several local addresses may put it in front. For the
 * machines, the same peer is then another peer at another local address.
 */
const LOCAL = ">";

/** The address as one string, as the machines use it: `10.0.0.1:80` or `[::1]:80`. */
export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Puts the local address that a peer has sent to in front of the address of the peer. */
export function withLocal(local: string, address: string): string {
  return `${local}${LOCAL}${address}`;
}

/** The local address that {@linkcode withLocal} has put in front; an empty string without one. */
export function localOf(address: string): string {
  return address.slice(0, Math.max(0, address.indexOf(LOCAL)));
}

/**
 * The address of the peer in a string that {@linkcode formatAddress} or {@linkcode withLocal} made.
 */
export function parseAddress(address: string): Address {
  const colon = address.lastIndexOf(":");
  const host = hostOf(address);
  return {
    hostname: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(address.slice(colon + 1)),
  };
}

/**
 * Whether an address has port 0. Nobody can receive there, so a packet from there is forged. A
 * packet to there is an error of the socket in every runtime.
 */
export function isPortZero(address: string): boolean {
  const last = address.length - 1;
  return address.charCodeAt(last) === 0x30 && address.charCodeAt(last - 1) === 0x3a;
}

/** The host of the peer in an address string. */
export function hostOf(address: string): string {
  return address.slice(address.indexOf(LOCAL) + 1, address.lastIndexOf(":"));
}

/**
 * Checks a hostname that the application gave.
 *
 * @throws {TypeError} When it is not a string, or empty.
 */
export function checkHostname(hostname: unknown): void {
  if (typeof hostname !== "string") {
    throw new TypeError(`Cannot use the hostname ${shown(hostname)}: it must be a string`);
  }
  if (hostname === "") throw new TypeError('Cannot use the hostname "": it is empty');
}

/**
 * Checks an address that the application gave.
 *
 * @param least The smallest port: 0 if the system may choose a free port, otherwise 1.
 * @throws {TypeError | RangeError} When a part has the wrong type or is out of its range.
 */
export function checkAddress({ hostname, port }: Address, least: 0 | 1): void {
  checkHostname(hostname);
  checkPort(port, least);
}

/**
 * Checks a port that the application gave.
 *
 * @param least The smallest port: 0 if the system may choose a free port, otherwise 1.
 * @throws {TypeError | RangeError} When it has the wrong type or is out of its range.
 */
export function checkPort(port: unknown, least: 0 | 1): void {
  if (typeof port !== "number") {
    throw new TypeError(`Cannot use the port ${shown(port)}: it must be a number`);
  }
  if (!Number.isInteger(port) || port < least || port > 65_535) {
    throw new RangeError(`Cannot use the port ${port}: allowed are ${least} to 65535`);
  }
}

/**
 * Whether a hostname is an IP address, not a name. Four numbers with dots are one, and so is
 * everything with a colon.
 */
export function isAddress(hostname: string): boolean {
  return hostname.includes(":") || /^\d+(\.\d+){3}$/.test(hostname);
}

/** Whether an IP address or a name is an IPv6 address. */
export function isIpv6(hostname: string): boolean {
  return hostname.includes(":");
}

/** Whether an address is valid on one link only: fe80::/10. It needs a zone: `fe80::1%eth0`. */
export function isLinkLocal(hostname: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(hostname);
}

/** The zone of an IPv6 address, `eth0` in `fe80::1%eth0`; an empty string without one. */
export function zoneOf(hostname: string): string {
  const at = hostname.indexOf("%");
  return at < 0 ? "" : hostname.slice(at + 1);
}

/**
 * An IP address in the form that the sockets use: IPv6 in the short form and without brackets, and
 * an IPv4-mapped address as IPv4. A name stays as it is.
 *
 * @throws {TypeError} When `hostname` looks like an IP address, but is none.
 */
export function normalize(hostname: string): string {
  const host = /^\[.*:.*\]$/.test(hostname) ? hostname.slice(1, -1) : hostname;
  if (!isAddress(host)) return host;
  if (!isIpv6(host)) {
    // Some systems read a number that starts with 0 as octal.
    const parts = host.split(".");
    if (parts.some((part) => Number(part) > 255 || /^0\d/.test(part))) throw notAnAddress(hostname);
    return host;
  }
  const [address, zone] = host.split("%", 2);
  if (zone === "") throw notAnAddress(hostname);
  const short = shortForm(address);
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short);
  if (mapped) {
    const [high, low] = mapped.slice(1).map((group) => parseInt(group, 16));
    return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return zone === undefined ? short : `${short}%${zone}`;
}

/**
 * The address that the system reports as the source of packets from a peer, given the address that
 * we send packets to. Only then can the answers be matched to the peer.
 *
 * @throws {TypeError} When `hostname` looks like an IP address, but is none.
 */
export function canonical(hostname: string): string {
  const host = normalize(hostname);
  // The wildcard address: a packet to it reaches this machine.
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

/**
 * The short form of an IPv6 address without a zone. RFC 5952 §4.
 *
 * @throws {TypeError} When `hostname` is not an IPv6 address.
 */
export function shortForm(hostname: string): string {
  try {
    return new URL(`http://[${hostname}]`).hostname.slice(1, -1);
  } catch {
    throw notAnAddress(hostname);
  }
}

function notAnAddress(hostname: string): TypeError {
  return new TypeError(`Cannot use the hostname ${hostname}: it is not an IP address`);
}

/**
 * The local address to bind for a peer. For a loopback peer it is a loopback address, so that
 * `--allow-net` for that address is enough.
 */
export function localFor(host: string): string {
  if (host.startsWith("127.")) return "127.0.0.1";
  if (host === "::1") return "::1";
  return host.includes(":") ? "::" : "0.0.0.0";
}

/** Most addresses that are kept at one time. */
const MAX_ADDRESSES = 4096;

/** Addresses in the form of the runtime's sockets, and in that of the machines. */
export class AddressBook {
  /**
   * The zone of the peers whose address is valid on one link only. Some runtimes do not tell the
   * zone of a packet.
   */
  zone = "";
  readonly #mapped: boolean;
  readonly #addresses = new Map<string, Address & { transport: "udp" }>();
  readonly #hosts = new Map<string, string>();

  /** @param own The address that the socket is bound to. An IPv6 socket sends to mapped addresses. */
  constructor(own: string) {
    this.#mapped = isIpv6(own);
  }

  /** Where the socket sends a packet that goes to a peer. */
  get(peer: string): Address & { transport: "udp" } {
    let address = this.#addresses.get(peer);
    if (!address) {
      if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
      const { hostname, port } = parseAddress(peer);
      const mapped = this.#mapped && !isIpv6(hostname) && isAddress(hostname);
      address = { transport: "udp", hostname: mapped ? `::ffff:${hostname}` : hostname, port };
      this.#addresses.set(peer, address);
    }
    return address;
  }

  /** The peer that a packet came from. */
  peer(hostname: string, port: number): string {
    if (!isIpv6(hostname)) return `${hostname}:${port}`;
    let host = this.#hosts.get(hostname);
    if (host === undefined) {
      if (this.#hosts.size >= MAX_ADDRESSES) this.#hosts.clear();
      try {
        host = normalize(hostname);
      } catch {
        // No packet may throw, in whatever form a runtime gives its source.
        host = hostname;
      }
      if (this.zone !== "" && zoneOf(host) === "" && isLinkLocal(host)) host += `%${this.zone}`;
      this.#hosts.set(hostname, host);
    }
    return formatAddress(host, port);
  }
}
