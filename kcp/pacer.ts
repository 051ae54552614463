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
/** One packet: less than 1, so that rounding can't make a computed wait too short. */
const ONE = 0.99;

/**
 * The burst bucket fills by at least this many packets per ms. The slowest adapter takes as many
 * out of its receive buffer.
 */
const BURST_REFILL = 64;

/**
 * Spreads packets out in time with three token buckets.
 *
 * The burst bucket limits what leaves back to back, so that the peer's receive buffer can hold it:
 * all packets take from it. It holds `burst` packets. Each ms fills it by 64 packets, or by twice
 * the measured delivery rate if that is more. It does not limit a rate that a peer can read.
 *
 * The stream bucket takes more care for packets of the stream, since a lost one is sent again. It
 * holds `burst` packets, too. Each ms fills it by an eighth of a burst, or by twice the measured
 * delivery rate if that is more.
 *
 * Each acknowledged packet fills both by one, since it has left the peer's receive buffer.
 *
 * The byte bucket applies the rate limit, if there is one.
 */
export class Pacer {
  /** Bytes that have left so far. */
  spent = 0;
  /** Packets of the stream wait from this value of `spent` on. */
  streamPauseAt: number = Infinity;
  #burst: number;
  #rate: number;
  /** The burst bucket. */
  #free: number;
  #freePerMs: number;
  /** The stream bucket. */
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
    this.#burst = this.#packets = this.#free = burst;
    this.#packetsPerMs = burst * MIN_REFILL;
    this.#freePerMs = Math.max(BURST_REFILL, this.#packetsPerMs);
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
      this.#freePerMs = Math.max(BURST_REFILL, this.#packetsPerMs);
      this.#packets = burst === Infinity ? Infinity : Math.min(this.#packets, burst);
      this.#free = burst === Infinity ? Infinity : Math.min(this.#free, burst);
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
      this.#freePerMs = Math.max(BURST_REFILL, this.#packetsPerMs);
      this.#packets = Math.min(this.#burst, this.#packets + passed * this.#packetsPerMs);
      this.#free = Math.min(this.#burst, this.#free + passed * this.#freePerMs);
    }
    if (this.#rate !== Infinity) {
      this.#bytes = Math.min(this.#depth(mtu), this.#bytes + passed * this.#rate / 1000);
    }
  }

  /** Notes that the peer has taken packets out of its receive buffer. */
  credit(packets: number): void {
    this.#packets = Math.min(this.#burst, this.#packets + packets);
    this.#free = Math.min(this.#burst, this.#free + packets);
  }

  /** Whether a packet of the stream may leave now. */
  get ready(): boolean {
    return this.#packets >= ONE && this.anyReady && this.spent < this.streamPauseAt;
  }

  /** Whether a packet that is not of the stream may leave now. */
  get anyReady(): boolean {
    return this.#free >= ONE && (this.#rate === Infinity || this.#bytes > 0);
  }

  /**
   * Bytes that may leave now.
   *
   * @param mtu Bytes of a full packet.
   */
  room(mtu: number): number {
    return Math.min(this.#free * mtu, this.#rate === Infinity ? Infinity : this.#bytes);
  }

  /** Bytes that the rate limit gives in `ms`. `Infinity` without one. */
  bytesIn(ms: number): number {
    return this.#rate * ms / 1000;
  }

  /** Notes that a packet of the stream left. */
  spend(bytes: number): void {
    this.#packets -= 1;
    this.spendAny(bytes);
  }

  /** Notes that a packet left that is not of the stream. */
  spendAny(bytes: number): void {
    this.#free -= 1;
    this.charge(bytes);
  }

  /** Notes that a packet that left was `bytes` larger than counted. */
  charge(bytes: number): void {
    this.spent += bytes;
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** The time in ms at which packets of the stream may leave again. */
  get readyAt(): number {
    if (this.#packets >= ONE) return this.anyReadyAt;
    return Math.max(this.anyReadyAt, this.#filledAt(this.#packets, this.#packetsPerMs));
  }

  /** The time in ms at which packets that are not of the stream may leave again. */
  get anyReadyAt(): number {
    let at = this.#last;
    if (this.#free < ONE) at = this.#filledAt(this.#free, this.#freePerMs);
    if (this.#rate !== Infinity && this.#bytes <= 0) {
      at = Math.max(at, this.#after((1 - this.#bytes) * 1000 / this.#rate));
    }
    return at;
  }

  /**
   * When a bucket of packets holds a quarter of a burst. To wake up for single packets costs too
   * much.
   */
  #filledAt(packets: number, perMs: number): number {
    return this.#after((Math.max(1, this.#burst / 4) - packets) / perMs);
  }

  /** The time `wait` ms later: at least one step of a double later, so that the time advances. */
  #after(wait: number): number {
    return this.#last + Math.max(wait, 0.001 + Math.abs(this.#last) * 2 ** -50);
  }
}
