/** Rounds that the highest delivery rate is remembered for. */
const ROUNDS = 8;
/** What is in flight beside a burst may be so many times what the path is known to hold. */
const GAIN = 1.25;
/** The part of the delay, in ms, that loss may double. */
const SHORT_PATH = 5;
/** Shortest round in ms: acknowledgments come in bunches, which would pass for a high rate. */
const MIN_ROUND = 5;
/** The shortest round trip is forgotten after one to two of these, in ms. BBR takes 10 s. */
const PERIOD = 5_000;

/**
 * Bounds what is in flight by what the path is known to deliver.
 *
 * What is in flight beyond the bandwidth-delay product stands in some queue, in the end in the peer's
 * receive buffer, and is lost when that is full. So a burst may be in flight, which the buffer can hold, or
 * a quarter of one and a quarter more than the product as it was measured, which lets the bound grow for as
 * long as the path delivers more. On a path that is longer than a few ms it may be more than twice the
 * product: there packets get lost for other reasons than a full buffer, and their number must not close
 * the bound in.
 *
 * The rate is the highest of the last rounds, and the delay the shortest round trip, as in BBR
 * (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5), 2016).
 */
export class FlightLimit {
  /** Segments delivered per ms, one value a round. */
  readonly #rounds = new Float64Array(ROUNDS);
  #round = 0;
  #roundStart = -Infinity;
  #delivered = 0;
  #best = 0;
  /** Shortest round trip of this period and of the one before; the path may have become longer. */
  #minRtt = Infinity;
  #lastMinRtt = Infinity;
  #periodEnds = -Infinity;

  /** `segments` were acknowledged; `rtt` is the round-trip sample that came with it, -1 if none did. */
  onAcked(now: number, segments: number, rtt: number): void {
    this.#delivered += segments;
    if (rtt >= 0) {
      if (now >= this.#periodEnds) {
        this.#lastMinRtt = this.#minRtt;
        this.#minRtt = Infinity;
        this.#periodEnds = now + PERIOD;
      }
      this.#minRtt = Math.min(this.#minRtt, rtt);
    }
    const { delay } = this;
    if (delay === Infinity) return;
    const elapsed = now - this.#roundStart;
    if (elapsed < Math.max(delay, MIN_ROUND)) return;
    this.#rounds[this.#round] = this.#delivered / elapsed;
    this.#round = (this.#round + 1) % ROUNDS;
    this.#best = 0;
    for (let i = 0; i < ROUNDS; i++) this.#best = Math.max(this.#best, this.#rounds[i]);
    this.#roundStart = now;
    this.#delivered = 0;
  }

  /** Shortest round trip of the last seconds in ms, Infinity before the first sample. */
  get delay(): number {
    return Math.min(this.#minRtt, this.#lastMinRtt);
  }

  /** Segments that the path delivers per ms: the highest rate of the last rounds. */
  get rate(): number {
    return this.#best;
  }

  /** Segments that may be in flight, given the packets of a burst. */
  limit(burst: number): number {
    const { delay } = this;
    if (delay === Infinity) return burst;
    const span = GAIN * delay + Math.max(0, delay - SHORT_PATH);
    return Math.max(burst, Math.ceil(burst / 4 + this.#best * span));
  }
}
