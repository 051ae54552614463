/**
 * The server's side of SOCKS5. Source: RFC 1928.
 *
 * @module
 */
import { BufferedHandshake, isHostname, type ProxyRequest, type Refusal } from "./handshake.ts";
import { formatIP, parseIP } from "./ip.ts";

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const NO_METHOD = 0xff;
const CONNECT = 1;
const ASSOCIATE = 3;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** The codes of a reply. */
const SUCCEEDED = 0;
const FAILURE = 1;
const UNKNOWN_COMMAND = 7;
const UNKNOWN_ADDRESS_TYPE = 8;
const REPLIES: Readonly<Record<Refusal, number>> = {
  "not allowed": 2,
  "network unreachable": 3,
  "host unreachable": 4,
  "name not found": 4,
  "connection refused": 5,
  "timeout": 6,
  "not supported": UNKNOWN_COMMAND,
  "failure": FAILURE,
};

/** A destination, and how many bytes it took. */
interface Destination {
  readonly hostname: string;
  readonly port: number;
  readonly length: number;
}

/** Why a destination can't be read: bytes are missing, or what is wrong. */
type Unreadable = "incomplete" | "type" | "name";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a type, an address and a port. */
function readDestination(bytes: Uint8Array): Destination | Unreadable {
  if (bytes.length < 2) return "incomplete";
  const [type] = bytes;
  const start = type === NAME ? 2 : 1;
  const size = type === IPV4 ? 4 : type === IPV6 ? 16 : type === NAME ? bytes[1] : -1;
  if (size < 0) return "type";
  const end = start + size;
  if (bytes.length < end + 2) return "incomplete";
  const address = bytes.subarray(start, end);
  let hostname: string;
  try {
    hostname = type === NAME ? decoder.decode(address) : formatIP(address);
  } catch {
    return "name";
  }
  if (!isHostname(hostname)) return "name";
  return { hostname, port: bytes[end] << 8 | bytes[end + 1], length: end + 2 };
}

/** A type, an address and a port. What is no IP address is the address of no host. */
function destinationBytes(hostname: string, port: number): Uint8Array {
  const address = parseIP(hostname) ?? new Uint8Array(4);
  return Uint8Array.of(address.length === 4 ? IPV4 : IPV6, ...address, port >> 8, port & 255);
}

/** What a client sends for a request: a greeting without authentication, and the request. */
export function requestBytes({ command, hostname, port }: ProxyRequest): Uint8Array {
  const code = command === "connect" ? CONNECT : ASSOCIATE;
  const greeting = [VERSION, 1, NO_AUTHENTICATION];
  if (parseIP(hostname)) {
    return Uint8Array.of(...greeting, VERSION, code, 0, ...destinationBytes(hostname, port));
  }
  const name = new TextEncoder().encode(hostname);
  const head = [...greeting, VERSION, code, 0, NAME, name.length];
  return Uint8Array.of(...head, ...name, port >> 8, port & 255);
}

/** The beginning of a SOCKS5 connection. It waits for at most 519 bytes. */
export class Socks5Handshake extends BufferedHandshake {
  #greeted = false;

  protected override read(): void {
    if (!this.#greeted) this.#greet();
    if (this.#greeted && !this.failed) this.#readRequest();
  }

  override accept(hostname: string, port: number): void {
    this.#reply(SUCCEEDED, hostname, port);
  }

  override refuse(reason: Refusal): void {
    this.#fail(REPLIES[reason]);
  }

  /** Reads the methods of authentication that the client offers. */
  #greet(): void {
    const [version, count] = this.held;
    // A version that is not ours may have no methods at all: it is not waited for.
    if (version !== undefined && version !== VERSION) {
      this.failed = true;
      return;
    }
    if (count === undefined || this.held.length < 2 + count) return;
    const methods = this.held.subarray(2, 2 + count);
    this.held = this.held.slice(2 + count);
    this.#greeted = methods.includes(NO_AUTHENTICATION);
    this.failed = !this.#greeted;
    this.send(Uint8Array.of(VERSION, this.#greeted ? NO_AUTHENTICATION : NO_METHOD));
  }

  #readRequest(): void {
    if (this.held.length < 5) return;
    const [version, command] = this.held;
    if (version !== VERSION) return this.#fail(FAILURE);
    const found = readDestination(this.held.subarray(3));
    if (found === "incomplete") return;
    if (found === "type") return this.#fail(UNKNOWN_ADDRESS_TYPE);
    if (found === "name") return this.#fail(FAILURE);
    if (command !== CONNECT && command !== ASSOCIATE) return this.#fail(UNKNOWN_COMMAND);
    const { hostname, port, length } = found;
    this.request = { command: command === CONNECT ? "connect" : "associate", hostname, port };
    this.held = this.held.slice(3 + length);
  }

  #reply(code: number, hostname: string, port: number): void {
    this.send(Uint8Array.of(VERSION, code, 0, ...destinationBytes(hostname, port)));
  }

  #fail(code: number): void {
    this.failed = true;
    this.#reply(code, "0.0.0.0", 0);
  }
}

/** A datagram of a client that has asked for an association. */
export interface RelayedDatagram {
  readonly hostname: string;
  readonly port: number;
  /** The payload, a part of the datagram. */
  readonly payload: Uint8Array;
}

/** Reads a datagram with the header of RFC 1928 §7. Null if it is invalid, or a fragment. */
export function readRelayed(datagram: Uint8Array): RelayedDatagram | null {
  if (datagram.length < 4 || datagram[0] !== 0 || datagram[1] !== 0 || datagram[2] !== 0) {
    return null;
  }
  const found = readDestination(datagram.subarray(3));
  if (typeof found === "string") return null;
  const { hostname, port, length } = found;
  return { hostname, port, payload: datagram.subarray(3 + length) };
}

/** A datagram with the header of RFC 1928 §7, from an IP address. */
export function relayed({ hostname, port, payload }: RelayedDatagram): Uint8Array {
  const header = destinationBytes(hostname, port);
  const datagram = new Uint8Array(3 + header.length + payload.length);
  datagram.set(header, 3);
  datagram.set(payload, 3 + header.length);
  return datagram;
}
