import type {
  CongestionContext,
  CongestionController,
  CongestionState,
  RateSample,
} from "./controller.ts";

/** The delivery rate is the highest of this many rounds. */
const ROUNDS = 8;
/** The limit is about this many times the measured bandwidth-delay product. */
const GAIN = 1.25;
/** On paths with a longer round trip than this (ms), the limit has room for losses. */
const SHORT_PATH = 5;
/** Shortest round in ms. Acknowledgments arrive in bunches, which would look like a high rate. */
const MIN_ROUND = 5;
/**
 * The shortest round trip is forgotten after one to two periods of this length in ms. BBR: 10 s.
 */
const PERIOD = 5_000;

/**
 * The controller while congestion control is off: it keeps the path from being flooded, but does not
 * yield.
 *
 * Bytes beyond the bandwidth-delay product wait in a queue, in the end in the peer's receive buffer.
 * When that is full they are lost. The limit is the larger of two values:
 *
 * - One burst, which the receive buffer can hold.
 * - A quarter of a burst plus 1.25 times the measured product. The limit can grow as long as the
 *   path delivers more. On a path longer than a few ms, almost one more product is added: there,
 *   packets are lost for other reasons than a full buffer, and those losses must not reduce the
 *   limit.
 *
 * The rate is the highest of the last rounds, and the delay the shortest round trip, as in BBR
 * (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5), 2016).
 */
export class FlightLimit implements CongestionController {
  readonly segmentWindow: number = Infinity;
  readonly ssthresh: number = Infinity;
  readonly pacingRate: number = Infinity;
  /** Bytes delivered per ms, one value a round. */
  readonly #rounds = new Float64Array(ROUNDS);
  #round = 0;
  #roundStart = -Infinity;
  #delivered = 0;
  #best = 0;
  /**
   * Shortest round trip of this period and of the last one. Older ones are forgotten: paths change.
   */
  #minRtt = Infinity;
  #lastMinRtt = Infinity;
  #periodEnds = -Infinity;
  readonly #burst: number;

  /** @param context `initialWindow` is the burst in bytes. */
  constructor(context: CongestionContext) {
    this.#burst = context.initialWindow;
  }

  onSend(): void {}
  onLoss(): void {}
  onTimeout(): void {}

  onAck(sample: RateSample): void {
    const { now, rtt } = sample;
    this.#delivered += sample.acked;
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

  /** Shortest round trip of the last seconds in ms. Infinity before the first sample. */
  get delay(): number {
    return Math.min(this.#minRtt, this.#lastMinRtt);
  }

  get state(): CongestionState {
    const minRtt = this.delay === Infinity ? 0 : this.delay;
    return { algorithm: "flight limit", phase: "", bandwidth: this.#best * 1000, minRtt };
  }

  get window(): number {
    const { delay } = this;
    if (delay === Infinity) return this.#burst;
    const span = GAIN * delay + Math.max(0, delay - SHORT_PATH);
    return Math.max(this.#burst, this.#burst / 4 + this.#best * span);
  }
}
