import type { Kcp } from "../../kcp/kcp.ts";

/** Bytes that may be sent for each byte from an unconfirmed address. RFC 9000 §8.1. */
const AMPLIFICATION = 3;
/** Payload bytes of an unconfirmed peer that are kept for reading. */
const UNCONFIRMED_BYTES = 65_536;
/** Waiting time after each probe, in ms. After the last one the session ends. */
const PROBE_INTERVALS = [1_000, 2_000, 4_000, 8_000];

/**
 * Confirms that a peer receives packets at the address from which it sends.
 *
 * The source address of a datagram may be forged. Until the peer answers, the session probes it,
 * sends it little data, and keeps little of its data. So a forged address causes little traffic.
 */
export class AddressConfirmation {
  readonly #kcp: Kcp;
  /** When the next probe is due, in ms; Infinity once the address is confirmed. */
  #nextProbeAt = Infinity;
  #probes = 0;

  constructor(kcp: Kcp) {
    this.#kcp = kcp;
  }

  /** Starts to probe the peer of a session that was created at `createdAt`. */
  start(createdAt: number): void {
    const kcp = this.#kcp;
    this.#nextProbeAt = createdAt + PROBE_INTERVALS[0];
    kcp.rcvLimit = UNCONFIRMED_BYTES;
    kcp.sndLimit = 0;
    // The few probes of 24 bytes do not count towards the limit. A lost probe must not be the last.
    kcp.askWindow();
  }

  /** Whether the address is not confirmed yet. */
  get pending(): boolean {
    return this.#nextProbeAt !== Infinity;
  }

  /** When `probe` is next due; Infinity once the address is confirmed. */
  get deadline(): number {
    return this.#nextProbeAt;
  }

  /** Takes note of a valid packet of the peer, after the machine has read it. */
  received(bytes: number): void {
    if (!this.pending) return;
    const kcp = this.#kcp;
    if (kcp.answered) {
      this.#nextProbeAt = Infinity;
      kcp.sndLimit = kcp.rcvLimit = Infinity;
    } else {
      kcp.sndLimit += AMPLIFICATION * bytes;
    }
  }

  /**
   * Probes the peer again.
   *
   * @returns False when the peer has not answered any probe and is given up.
   */
  probe(now: number): boolean {
    const interval = PROBE_INTERVALS[++this.#probes];
    if (interval === undefined) return false;
    this.#nextProbeAt = now + interval;
    this.#kcp.askWindow();
    return true;
  }
}
