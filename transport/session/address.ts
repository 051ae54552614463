/** Where a UDP socket is. */
export interface Address {
  /** An IP address, or a name that the runtime resolves. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** An address as one string, the form that the machines know peers by: `10.0.0.1:80` or `[::1]:80`. */
export function formatAddress(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Reads what {@linkcode formatAddress} wrote. */
export function parseAddress(address: string): Address {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon);
  return {
    hostname: host.startsWith("[") ? host.slice(1, -1) : host,
    port: Number(address.slice(colon + 1)),
  };
}

/** The host part of an address as one string. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

/**
 * Checks an address that a person gave.
 *
 * @param least The smallest port: 0 where it stands for one that is free.
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

/** An IP address as the system tells it, for one that packets are sent to. */
export function canonical(hostname: string): string {
  // The address of a socket that listens everywhere: sending to it reaches this machine.
  if (hostname === "0.0.0.0") return "127.0.0.1";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(hostname);
  if (mapped) return mapped[1];
  // A zone is not for the parser of URLs, which knows the short form of the others.
  if (!hostname.includes(":") || /[.%]/.test(hostname)) return hostname;
  const short = shortForm(hostname);
  return short === "::" ? "::1" : short;
}

/**
 * The short form of an IPv6 address without a zone. RFC 5952 §4.
 *
 * @throws {TypeError} When it is none.
 */
export function shortForm(hostname: string): string {
  try {
    return new URL(`http://[${hostname}]`).hostname.slice(1, -1);
  } catch {
    throw new TypeError(`Cannot use the hostname ${hostname}: it is not an IP address`);
  }
}

/** The address to bind for a peer: loopback for loopback, so that no wider permission is needed. */
export function localFor(host: string): string {
  if (host.startsWith("127.")) return "127.0.0.1";
  if (host === "::1") return "::1";
  return host.includes(":") ? "::" : "0.0.0.0";
}

/** Addresses kept at one time. */
const MAX_ADDRESSES = 4096;

/** Addresses as sockets take them, by the strings that the machines know. */
export class AddressBook {
  readonly #addresses = new Map<string, Address & { transport: "udp" }>();

  /** The address that a string stands for. */
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
