/**
 * The addresses of the settings: with one port, with a range of ports, and Unix sockets.
 *
 * @module
 */

/** A host, and a range of ports. */
export interface PortRange {
  /** A name or an IP address without brackets; empty for all addresses of this machine. */
  readonly hostname: string;
  readonly first: number;
  /** The last port, `first` if there is only one. */
  readonly last: number;
}

/** Where connections come from or go to. */
export type StreamAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** What addresses of a flag may be. */
export interface AddressRules {
  /** The flag, for messages. */
  readonly flag: string;
  /** Whether the host may be missing, and the port may be 0: an address to listen on. */
  readonly listens: boolean;
}

/** HOST:PORT and HOST:FIRST-LAST. A host with colons is an IPv6 address, in brackets. */
const ADDRESS = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]+)(?:-([0-9]+))?$/;

/**
 * Reads an address with a port or with a range of ports.
 *
 * @throws {RangeError} When it is not such an address. The message names the flag.
 */
export function parsePortRange(text: string, { flag, listens }: AddressRules): PortRange {
  const fail = (reason: string) => new RangeError(`Cannot set ${flag} to ${text}: ${reason}`);
  const parts = ADDRESS.exec(text);
  if (!parts) {
    throw fail(
      "allowed are HOST:PORT and HOST:FIRST-LAST, and an IPv6 address needs brackets: [::1]:29900",
    );
  }
  const hostname = parts[1] ?? parts[2];
  const first = Number(parts[3]);
  const last = Number(parts[4] ?? parts[3]);
  if (hostname === "" && !listens) throw fail("the host is missing");
  const any = listens && first === 0 && last === 0;
  if (!any && (first < 1 || last > 65_535)) throw fail("ports are from 1 to 65535");
  if (first > last) throw fail("the first port of a range is not above the last one");
  return { hostname, first, last };
}

/**
 * Reads the address of a TCP connection, or the path of a Unix socket: a text with a slash, or
 * without a colon.
 *
 * @throws {RangeError} When it is neither. The message names the flag.
 */
export function parseStreamAddress(text: string, rules: AddressRules): StreamAddress {
  if (text !== "" && (text.includes("/") || !text.includes(":"))) {
    return { transport: "unix", path: text };
  }
  const { hostname, first, last } = parsePortRange(text, rules);
  if (first !== last) {
    throw new RangeError(`Cannot set ${rules.flag} to ${text}: a range of ports is not allowed`);
  }
  return { transport: "tcp", hostname, port: first };
}

/**
 * Draws a port of a range. All are equally likely.
 *
 * @param draw Gives random numbers from 0 to 2^32 - 1.
 */
export function drawPort({ first, last }: PortRange, draw: () => number): number {
  const count = last - first + 1;
  // Numbers of the last, incomplete run of `count` values would favour the first ports.
  const most = 2 ** 32 - 2 ** 32 % count;
  for (;;) {
    const drawn = draw();
    if (drawn < most) return first + drawn % count;
  }
}

/** An address as a text; an IPv6 address has brackets. */
export function formatAddress(hostname: string, port: number): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
