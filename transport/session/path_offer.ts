import { DEFAULT_MTU, type KcpLiveOptions } from "../../kcp/options.ts";

/**
 * Payload bytes that a session sends before it tries larger packets. The search costs about as many,
 * and a session that sends little has no use for it.
 */
const TRIED_FROM = 65_536;
/**
 * The shortest round trip must take less than this, in ms. At the socket's next hop, a relay may wait that
 * passes the packets on over a path which would split them: its answers take longer.
 */
const NEAR = 1;

/** What {@linkcode PathOffer} needs of the machine. */
interface Progress {
  /** Whether the peer is of this library; null while that is not known. */
  readonly extended: boolean | null;
  /** Payload bytes that were sent for the first time. */
  readonly payloadOut: number;
  /** The shortest round trip so far in ms; `Infinity` before the first sample. */
  readonly minRtt: number;
}

/**
 * Packets above the default `mtu`, where the socket knows that they reach the peer's address in one piece.
 * They count as the session's `maxMtu`, unless the application has set that or `mtu`. Only a peer of this
 * library that is near gets them: others may have small buffers, or be behind a relay.
 */
export class PathOffer {
  /** Whether the session has yet to show that it has use for them. */
  pending = false;
  #size = 0;
  #taken = false;

  /**
   * Takes over the size that the socket knows.
   *
   * @param size Bytes; 0 if it knows none.
   * @returns Whether the settings in force change.
   */
  offer(size: number): boolean {
    if (size === this.#size) return false;
    this.#size = size;
    this.pending = !this.#taken && size > DEFAULT_MTU;
    return this.#taken;
  }

  /** Takes the offer when the session has use for it. True if the settings in force change. */
  take({ extended, payloadOut, minRtt }: Progress): boolean {
    if (!extended || payloadOut < TRIED_FROM || minRtt >= NEAR) return false;
    this.pending = false;
    this.#taken = true;
    return true;
  }

  /** The settings of the application, with the offer where they leave room for it. */
  settings(given: KcpLiveOptions): KcpLiveOptions {
    if (!this.#taken) return given;
    const { mtu, maxMtu = mtu ?? Math.max(DEFAULT_MTU, this.#size) } = given;
    return { ...given, maxMtu };
  }
}
