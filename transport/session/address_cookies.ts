import type { Entropy } from "../../crypt/packet_cipher.ts";
import { shortMac } from "../../crypt/short_mac.ts";

/** A cookie is good for one to two periods of this length, in ms. */
const PERIOD = 10_000;

/**
 * Values that a peer must echo to show that it receives packets at its address. They are computed
 * from the address, so nothing is stored for a peer that has not shown it: a flood of forged
 * addresses takes no memory. SYN cookies (RFC 4987 §3.6) and the Retry packets of QUIC (RFC 9000
 * §8.1.2) are of this kind.
 */
export class AddressCookies {
  readonly #entropy: Entropy;
  #mac: ((text: string) => number) | null = null;

  /** @param entropy Fills memory with unpredictable bytes. */
  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  /** The cookie for an address and conversation id. */
  make(address: string, conv: number, now: number): number {
    return this.#cookie(address, conv, Math.floor(now / PERIOD));
  }

  /** Whether a value is the cookie for an address and conversation id. */
  check(cookie: number, address: string, conv: number, now: number): boolean {
    // Before the first cookie was made, there is none to check.
    if (!this.#mac) return false;
    const period = Math.floor(now / PERIOD);
    return cookie === this.#cookie(address, conv, period) ||
      cookie === this.#cookie(address, conv, period - 1);
  }

  #cookie(address: string, conv: number, period: number): number {
    if (!this.#mac) {
      const key = new Uint8Array(32);
      this.#entropy(key);
      this.#mac = shortMac(key);
    }
    return this.#mac(`${period} ${conv} ${address}`);
  }
}
