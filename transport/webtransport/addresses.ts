import type { WebTransportLike } from "./transport.ts";

/** The addresses of the other ends of sessions that this library has accepted. */
const addresses = new WeakMap<WebTransportLike, string>();

/** Remembers the address of the other end of a session. */
export function rememberAddress(transport: WebTransportLike, address: string): void {
  addresses.set(transport, address);
}

/** The address of the other end of a session, in the form of the machines; undefined if unknown. */
export function addressOf(transport: WebTransportLike): string | undefined {
  return addresses.get(transport);
}
