/**
 * The server's side of HTTP CONNECT. Source: RFC 9110 §9.3.6, RFC 9112.
 *
 * @module
 */
import { BufferedHandshake, isHostname, type Refusal } from "./handshake.ts";

/** Most bytes of the head of a request. */
const MAX_HEAD = 16_384;

const STATUS: Readonly<Record<Refusal, string>> = {
  "not allowed": "403 Forbidden",
  "name not found": "502 Bad Gateway",
  "network unreachable": "502 Bad Gateway",
  "host unreachable": "502 Bad Gateway",
  "connection refused": "502 Bad Gateway",
  "timeout": "504 Gateway Timeout",
  "not supported": "501 Not Implemented",
  "failure": "502 Bad Gateway",
};

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Where the empty line ends that ends the head; -1 if it has not arrived. Bare LF counts, too. */
function endOfHead(bytes: Uint8Array): number {
  const LF = 10;
  const CR = 13;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return -1;
}

/** The beginning of a connection to an HTTP proxy. It waits for at most 16 KiB. */
export class HttpHandshake extends BufferedHandshake {
  protected override read(): void {
    const end = endOfHead(this.held);
    if (end < 0 || end > MAX_HEAD) {
      if (this.held.length >= MAX_HEAD) {
        this.#fail("431 Request Header Fields Too Large", "The head has more than 16 KiB");
      }
      return;
    }
    const [line] = decoder.decode(this.held.subarray(0, end)).split(/\r?\n/, 1);
    this.held = this.held.slice(end);
    this.#readLine(line);
  }

  override accept(): void {
    this.#sendText("HTTP/1.1 200 Connection established\r\n\r\n");
  }

  override refuse(reason: Refusal): void {
    this.#fail(STATUS[reason], `The destination was not reached: ${reason}`);
  }

  /** Reads the first line of a request. */
  #readLine(line: string): void {
    const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.\d$/.exec(line);
    if (!parts) return this.#fail("400 Bad Request", "The first line is no request of HTTP/1");
    const [, method, target] = parts;
    if (method !== "CONNECT") {
      return this.#fail(
        "405 Method Not Allowed",
        "This proxy takes CONNECT only. For http:// addresses, use it as a SOCKS5 proxy",
        "allow: CONNECT\r\n",
      );
    }
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(target) ?? [];
    const hostname = bracketed ?? plain ?? "";
    const port = Number(digits);
    if (!isHostname(hostname) || !(port >= 1 && port <= 65_535)) {
      return this.#fail("400 Bad Request", "The destination must be HOST:PORT");
    }
    this.request = { command: "connect", hostname, port };
  }

  #sendText(text: string): void {
    this.send(encoder.encode(text));
  }

  #fail(status: string, reason: string, headers = ""): void {
    this.failed = true;
    const body = `${reason}\n`;
    this.#sendText(
      `HTTP/1.1 ${status}\r\n${headers}content-type: text/plain\r\n` +
        `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
}
