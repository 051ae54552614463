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
 * Checks an address that the application gave.
 *
 * @param least The smallest port: 0 if the system may choose a free port, otherwise 1.
 * @throws {TypeError | RangeError} When a part has the wrong type or is out of its range.
 */
export function checkAddress({ hostname, port }: Address, least: 0 | 1): void {
  if (typeof hostname !== "string") {
    throw new TypeError(`Cannot use the hostname ${String(hostname)}: it must be a string`);
  }
  if (typeof port !== "number") {
    throw new TypeError(`Cannot use the port ${JSON.stringify(port)}: it must be a number`);
  }
  if (!Number.isInteger(port) || port < least || port > 65_535) {
    throw new RangeError(`Cannot use the port ${port}: allowed are ${least} to 65535`);
  }
}

/** Whether a hostname is an IP address. */
export function isAddress(hostname: string): boolean {
  return hostname.includes(":") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * The address that the system reports as the source of packets from a peer, given the address that
 * we send packets to. Only then can the answers be matched to the peer.
 */
export function canonical(hostname: string): string {
  // The wildcard address: a packet to it reaches this machine.
  if (hostname === "0.0.0.0") return "127.0.0.1";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname);
  if (mapped) return mapped[1];
  // The URL parser finds the short form, but it does not accept a zone.
  if (!hostname.includes(":") || /[.%]/.test(hostname)) return hostname;
  const short = shortForm(hostname);
  return short === "::" ? "::1" : short;
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
    throw new TypeError(`Cannot use the hostname ${hostname}: it is not an IP address`);
  }
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

/** Parsed addresses for the sockets, by the address strings of the machines. */
export class AddressBook {
  readonly #addresses = new Map<string, Address & { transport: "udp" }>();

  /** The address in a string that {@linkcode formatAddress} made. */
  get(text: string): Address & { transport: "udp" } {
    let address = this.#addresses.get(text);
    if (!address) {
      if (this.#addresses.size >= MAX_ADDRESSES) this.#addresses.clear();
      address = { transport: "udp", ...parseAddress(text) };
      this.#addresses.set(text, address);
    }
    return address;
  }
}
