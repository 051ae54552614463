/** What is left after congestion. Draft §2.6: Beta is 0.7. */
export const BETA = 0.7;
/** Part of the long-term bound that is left to others. Draft §2.6: Headroom is 0.15. */
const HEADROOM = 0.15;
/** Growth of the long-term bound doubles at most this often. Draft §5.3.3.6: 30. */
const DOUBLINGS = 30;

/**
 * The long-term bound grows at least by one segment for each 8 that are acknowledged. The draft begins
 * with one a round. Here, the queue bounds a probe already.
 */
const LEAST_GROWTH = 8;

/**
 * Bounds below the model of the path, which congestion has taught.
 *
 * The long-term bound is the volume in flight at which probing led to congestion. The short-term
 * bounds follow congestion between probes, and are forgotten at the next probe.
 *
 * Source: draft-ietf-ccwg-bbr-06 §2.8 and §5.5.10.
 */
export class Bounds {
  /** `inflight_longterm` in bytes. */
  longTerm: number = Infinity;
  /** `inflight_shortterm` in bytes. */
  inFlight: number = Infinity;
  /** `bw_shortterm` in bytes per ms. */
  bandwidth: number = Infinity;
  #latestBandwidth = 0;
  #latestInFlight = 0;
  #rounds = 0;
  #acked = 0;
  #ackedPerSegment = Infinity;
  #undoLongTerm: number = Infinity;
  #undoInFlight: number = Infinity;
  #undoBandwidth: number = Infinity;

  /** Notes what one acknowledgment shows of the present round. */
  onSample(bandwidth: number, delivered: number): void {
    if (bandwidth > this.#latestBandwidth) this.#latestBandwidth = bandwidth;
    if (delivered > this.#latestInFlight) this.#latestInFlight = delivered;
  }

  /** Begins a round with its first sample. */
  beginRound(bandwidth: number, delivered: number): void {
    this.#latestBandwidth = bandwidth;
    this.#latestInFlight = delivered;
  }

  /** The highest bandwidth of the round. */
  get latestBandwidth(): number {
    return this.#latestBandwidth;
  }

  /** The largest volume that was delivered in one round-trip time, in this round. */
  get latestInFlight(): number {
    return this.#latestInFlight;
  }

  /**
   * A round with congestion has ended. Draft §5.5.10.3.
   *
   * @param bandwidth What is known of the bandwidth, in bytes per ms.
   * @param window The window in bytes.
   * @param rate What was delivered in the round, in bytes per ms: not less is left.
   * @param volume What was delivered in a round-trip time, in bytes: not less is left.
   */
  lower(bandwidth: number, window: number, rate: number, volume: number): void {
    if (this.bandwidth === Infinity) this.bandwidth = bandwidth;
    if (this.inFlight === Infinity) this.inFlight = window;
    this.bandwidth = Math.max(rate, BETA * this.bandwidth);
    this.inFlight = Math.max(volume, BETA * this.inFlight);
  }

  /** Forgets the short-term bounds. */
  resetShortTerm(): void {
    this.inFlight = this.bandwidth = Infinity;
  }

  /** The long-term bound with room for others. Draft §5.3.3.6, `InflightWithHeadroom`. */
  withHeadroom(mss: number): number {
    if (this.longTerm === Infinity) return Infinity;
    return this.longTerm - Math.max(mss, HEADROOM * this.longTerm);
  }

  /** A probe is about to begin. */
  prepareProbe(): void {
    this.#rounds = 0;
    this.#acked = 0;
  }

  /** A round of a probe has begun: from now on, the bound grows twice as fast. */
  steepen(window: number, mss: number): void {
    const growth = 2 ** this.#rounds;
    this.#rounds = Math.min(this.#rounds + 1, DOUBLINGS);
    this.#ackedPerSegment = Math.max(Math.min(window / growth, LEAST_GROWTH * mss), mss);
  }

  /** Bytes were acknowledged while the long-term bound limited a probe. */
  raise(acked: number, mss: number): void {
    this.#acked += acked;
    const steps = Math.floor(this.#acked / this.#ackedPerSegment);
    this.#acked -= steps * this.#ackedPerSegment;
    this.longTerm += steps * mss;
  }

  /** Remembers the bounds, in case losses turn out to be none. Draft §5.5.11.1. */
  save(): void {
    this.#undoLongTerm = this.longTerm;
    this.#undoInFlight = this.inFlight;
    this.#undoBandwidth = this.bandwidth;
  }

  /** Brings the remembered bounds back. Draft §5.5.11.2. */
  undo(): void {
    this.longTerm = Math.max(this.longTerm, this.#undoLongTerm);
    this.inFlight = Math.max(this.inFlight, this.#undoInFlight);
    this.bandwidth = Math.max(this.bandwidth, this.#undoBandwidth);
  }
}
