/** Packets that a burst may have by default: 64 of 1500 bytes fit a receive buffer of 208 KiB. */
export const DEFAULT_BURST = 64;

/** A rate limit may catch up on this many ms of lost time, since timers are late by one or two. */
const CATCH_UP = 5;

/** The burst fills by this part per ms at least, as long as little is known of the path. */
const MIN_REFILL = 1 / 8;
/** What is known of the path's rate is exceeded by this factor, to find out whether it can do more. */
const GAIN = 2;

/**
 * Spreads packets out in time, by two token buckets.
 *
 * One counts packets and bounds the burst: it holds `burst` of them, and fills by one for each packet that
 * the peer has acknowledged, since that one has left the peer's receive buffer, and with time, at twice
 * the rate at which the path was seen to deliver. The other counts bytes and is there only under a rate
 * limit.
 */
export class Pacer {
  #burst: number;
  #rate: number;
  #packets: number;
  #packetsPerMs: number;
  /** Bytes that may leave at once; may fall below zero by one packet, which is paid back in time. */
  #bytes = 0;
  #last = -Infinity;

  /**
   * @param burst Packets that may leave back to back; `Infinity` for no bound.
   * @param rate Bytes per second; `Infinity` for no limit.
   * @param mtu Bytes of a full packet.
   */
  constructor(burst: number, rate: number, mtu: number) {
    this.#burst = this.#packets = burst;
    this.#packetsPerMs = burst * MIN_REFILL;
    this.#rate = rate;
    this.#bytes = this.#depth(mtu);
  }

  /** Most bytes that the byte bucket holds. */
  #depth(mtu: number): number {
    return Math.max(2 * mtu, this.#rate / 1000 * CATCH_UP);
  }

  /** Changes the bounds. */
  configure(burst: number, rate: number, mtu: number): void {
    if (burst !== this.#burst) {
      this.#burst = burst;
      this.#packetsPerMs = burst * MIN_REFILL;
      this.#packets = burst === Infinity ? Infinity : Math.min(this.#packets, burst);
    }
    if (rate !== this.#rate) {
      this.#rate = rate;
      this.#bytes = Math.min(this.#bytes, this.#depth(mtu));
    }
  }

  /**
   * Fills the buckets for the time that passed.
   *
   * @param now The time in ms.
   * @param mtu Bytes of a full packet.
   * @param deliveryRate Packets that the path delivers per ms, as far as is known.
   */
  advance(now: number, mtu: number, deliveryRate: number): void {
    const passed = now - this.#last;
    this.#last = now;
    if (!(passed > 0)) return;
    if (this.#burst !== Infinity) {
      this.#packetsPerMs = Math.max(this.#burst * MIN_REFILL, GAIN * deliveryRate);
      this.#packets = Math.min(this.#burst, this.#packets + passed * this.#packetsPerMs);
    }
    if (this.#rate !== Infinity) {
      this.#bytes = Math.min(this.#depth(mtu), this.#bytes + passed * this.#rate / 1000);
    }
  }

  /** The peer has taken `packets` packets out of its receive buffer. */
  credit(packets: number): void {
    this.#packets = Math.min(this.#burst, this.#packets + packets);
  }

  /** Whether a packet may leave now. */
  get ready(): boolean {
    // Not quite 1: a wait that was computed must be enough when it is over, rounding or not.
    return this.#packets >= 0.99 && (this.#rate === Infinity || this.#bytes > 0);
  }

  /** A packet of `bytes` bytes left. */
  spend(bytes: number): void {
    this.#packets -= 1;
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** A packet that left was larger by so many bytes. */
  charge(bytes: number): void {
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** The time at which packets may leave again. */
  get readyAt(): number {
    if (this.ready) return this.#last;
    // At least a step that the clock can show, however far it has run.
    let wait = 0.001 + Math.abs(this.#last) * 2 ** -50;
    // Not for one packet at a time: a quarter of a burst is worth a wake-up.
    if (this.#packets < 0.99) {
      wait = Math.max(wait, (Math.max(1, this.#burst / 4) - this.#packets) / this.#packetsPerMs);
    }
    if (this.#rate !== Infinity && this.#bytes <= 0) {
      wait = Math.max(wait, (1 - this.#bytes) * 1000 / this.#rate);
    }
    return this.#last + wait;
  }
}
