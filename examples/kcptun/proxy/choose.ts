import type { Handshake } from "./handshake.ts";
import { HttpHandshake } from "./http_connect.ts";
import { Socks5Handshake } from "./socks5.ts";

/**
 * The handshake of the protocol that a client speaks.
 *
 * @param first The first byte of the client: 5 for SOCKS5, a capital letter for HTTP.
 * @returns Null for other protocols.
 */
export function handshakeFor(first: number): Handshake | null {
  if (first === 5) return new Socks5Handshake();
  return first >= 0x41 && first <= 0x5a ? new HttpHandshake() : null;
}
