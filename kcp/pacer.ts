/** Default packets of a burst. 64 packets of 1500 bytes fit a receive buffer of 208 KiB. */
export const DEFAULT_BURST = 64;

/** The byte bucket holds what the rate gives in this many ms, since timers fire 1 to 2 ms late. */
const CATCH_UP = 5;

/**
 * Each ms fills at least this part of the packet bucket, even when the delivery rate is unknown.
 */
const MIN_REFILL = 1 / 8;
/**
 * Packets leave at this factor above the measured delivery rate, to find out if the path can do
 * more.
 */
const GAIN = 2;

/**
 * Spreads packets out in time with two token buckets.
 *
 * The packet bucket limits bursts. It holds `burst` packets. It fills by one for each acknowledged
 * packet, since that has left the peer's receive buffer. It also fills with time, at twice the
 * measured delivery rate.
 *
 * The byte bucket applies the rate limit, if there is one.
 */
export class Pacer {
  #burst: number;
  #rate: number;
  #packets: number;
  #packetsPerMs: number;
  /** Bytes that may leave at once. One packet may take it below zero; time refills it. */
  #bytes = 0;
  #last = -Infinity;

  /**
   * @param burst Packets that may leave back to back. `Infinity` for no limit.
   * @param rate Bytes per second. `Infinity` for no limit.
   * @param mtu Bytes of a full packet.
   */
  constructor(burst: number, rate: number, mtu: number) {
    this.#burst = this.#packets = burst;
    this.#packetsPerMs = burst * MIN_REFILL;
    this.#rate = rate;
    this.#bytes = this.#depth(mtu);
  }

  /** Capacity of the byte bucket. */
  #depth(mtu: number): number {
    return Math.max(2 * mtu, this.#rate / 1000 * CATCH_UP);
  }

  /** Changes the limits. */
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
   * @param deliveryRate Packets that the path delivers per ms. 0 if unknown.
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

  /** Notes that the peer has taken packets out of its receive buffer. */
  credit(packets: number): void {
    this.#packets = Math.min(this.#burst, this.#packets + packets);
  }

  /** Whether a packet may leave now. */
  get ready(): boolean {
    // Less than 1, so that rounding can't make a computed wait too short.
    return this.#packets >= 0.99 && (this.#rate === Infinity || this.#bytes > 0);
  }

  /** Notes that a packet left. */
  spend(bytes: number): void {
    this.#packets -= 1;
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** Notes that a packet that left was `bytes` larger than counted. */
  charge(bytes: number): void {
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** The time in ms at which packets may leave again. */
  get readyAt(): number {
    if (this.ready) return this.#last;
    // At least one step of a double at this time, so that the time advances.
    let wait = 0.001 + Math.abs(this.#last) * 2 ** -50;
    // Waits for a quarter of a burst: to wake up for single packets costs too much.
    if (this.#packets < 0.99) {
      wait = Math.max(wait, (Math.max(1, this.#burst / 4) - this.#packets) / this.#packetsPerMs);
    }
    if (this.#rate !== Infinity && this.#bytes <= 0) {
      wait = Math.max(wait, (1 - this.#bytes) * 1000 / this.#rate);
    }
    return this.#last + wait;
  }
}
