/** What a client of the proxy wants. */
export interface ProxyRequest {
  /** A TCP connection, or datagrams. */
  readonly command: "connect" | "associate";
  /** A name or an IP address, without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** Why a request was not carried out. */
export type Refusal =
  | "not allowed"
  | "name not found"
  | "network unreachable"
  | "host unreachable"
  | "connection refused"
  | "timeout"
  | "not supported"
  | "failure";

/**
 * The beginning of a connection to a proxy, without I/O: the bytes of the client go in, the answers
 * come out, and in the end there is a request.
 */
export interface Handshake {
  /** The request, once it has arrived. */
  readonly request: ProxyRequest | null;
  /** Whether the client broke the protocol: the output is to be sent, and the connection closed. */
  readonly failed: boolean;
  /**
   * Takes bytes of the client. Bytes behind the request are kept: see {@linkcode Handshake.rest}. So
   * the connection is not read again before the request is answered.
   */
  input(bytes: Uint8Array): void;
  /** The bytes that are due to the client; each is given once. */
  takeOutput(): Uint8Array;
  /** The bytes that the client has sent behind its request. */
  readonly rest: Uint8Array;
  /**
   * Answers the request: it was carried out.
   *
   * @param hostname The local IP address that is used, or where datagrams are to be sent.
   * @param port Its port.
   */
  accept(hostname: string, port: number): void;
  /** Answers the request: it was not carried out. */
  refuse(reason: Refusal): void;
}

/** What the handshakes share: what the client has sent and nobody has read, and what is due to it. */
export abstract class BufferedHandshake implements Handshake {
  request: ProxyRequest | null = null;
  failed = false;
  /** Bytes of the client that were not read yet. */
  protected held = new Uint8Array(0) as Uint8Array;
  #output = new Uint8Array(0) as Uint8Array;

  get rest(): Uint8Array {
    return this.held;
  }

  takeOutput(): Uint8Array {
    const output = this.#output;
    this.#output = new Uint8Array(0);
    return output;
  }

  input(bytes: Uint8Array): void {
    if (this.failed) return;
    this.held = joined(this.held, bytes);
    if (!this.request) this.read();
  }

  abstract accept(hostname: string, port: number): void;
  abstract refuse(reason: Refusal): void;

  /** Reads what is held, up to the request. */
  protected abstract read(): void;

  /** Sends bytes to the client. */
  protected send(bytes: Uint8Array): void {
    this.#output = joined(this.#output, bytes);
  }
}

/** Joins two pieces of bytes. */
function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b.slice();
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Whether a name may be looked up: letters, digits and the marks of names and addresses. */
export function isHostname(name: string): boolean {
  return name.length <= 255 && /^[\p{L}\p{N}._:%-]+$/u.test(name);
}
