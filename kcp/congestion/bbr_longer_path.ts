/** A path counts as longer when its round trips are longer than explained by this factor. */
const DOUBT_GAIN = 2;
/** In addition, they have to be longer by this many ms: acknowledgments may be collected for so long. */
const DOUBT_MS = 10;
/** An empty path is longer when it has become so by this factor. */
export const LONGER_GAIN = 1.25;

/**
 * Finds out that the path has become longer, or much slower.
 *
 * What a flow has in flight can make round trips as long as the path takes to deliver it. When all
 * round trips of a whole round are longer, the path is another one. The draft waits for up to 10 s
 * until it forgets the shorter round trip.
 */
export class LongerPath {
  /** Shortest round trip of the round in ms, and the most bytes in flight. */
  #rtt = Infinity;
  #flight = 0;
  #lastRtt = 0;
  #lastFlight = Infinity;

  /** Notes a round-trip sample in ms, -1 for none, and what was in flight when its segment was sent. */
  onSample(rtt: number, flight: number): void {
    if (rtt >= 0 && rtt < this.#rtt) this.#rtt = rtt;
    if (flight > this.#flight) this.#flight = flight;
  }

  /** A round begins. */
  onRound(): void {
    this.#lastRtt = this.#rtt === Infinity ? 0 : this.#rtt;
    this.#lastFlight = this.#flight;
    this.#rtt = Infinity;
    this.#flight = 0;
  }

  /**
   * Forgets the present round: with little in flight, the peer may hold each acknowledgment back, since it waits
   * for more to acknowledge.
   */
  reset(): void {
    this.#rtt = Infinity;
    this.#flight = 0;
    this.#lastRtt = 0;
    this.#lastFlight = Infinity;
  }

  /** The shortest round trip of the last round in ms. 0 without a sample. */
  get shortest(): number {
    return this.#lastRtt;
  }

  /**
   * The longest round trip in ms that what was in flight explains.
   *
   * @param minRtt Shortest round trip so far in ms.
   * @param burst Bytes that are acknowledged at once.
   * @param bandwidth Bytes per ms.
   */
  explained(minRtt: number, burst: number, bandwidth: number): number {
    const flight = Math.max(this.#lastFlight, this.#flight);
    return Math.max(minRtt, (flight + burst) / bandwidth);
  }

  /**
   * Whether the round that has just ended shows another path.
   *
   * @param minRtt Shortest round trip so far in ms.
   * @param burst Bytes that are acknowledged at once.
   * @param bandwidth Bytes per ms.
   */
  isLonger(minRtt: number, burst: number, bandwidth: number): boolean {
    const explained = Math.max(minRtt, (this.#lastFlight + burst) / bandwidth);
    return this.#lastRtt > DOUBT_GAIN * explained + DOUBT_MS;
  }
}
