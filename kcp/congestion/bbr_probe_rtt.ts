import { LONGER_GAIN, LongerPath } from "./bbr_longer_path.ts";
import type { Path } from "./bbr_path.ts";
import { PathStep } from "./bbr_path_step.ts";
import type { Rounds } from "./bbr_rounds.ts";
import type { RateSample } from "./controller.ts";

/** Draft §2.14: ProbeRTTCwndGain. */
export const PROBE_RTT_GAIN = 0.5;
/** Draft §2.14: ProbeRTTDuration, in ms. */
const DURATION = 200;
/**
 * A path that has become longer may do so once more: the ways there and back change one after the other.
 * So many rounds show it, if all round trips of one are longer by this part.
 */
const STEP_ROUNDS = 3;
const STEP_PART = 1 / 4;

/**
 * Drains the path to measure its shortest round trip: when that was not measured for some time, or when
 * the path seems to be another one.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.3.4.
 */
export class ProbeRtt {
  readonly longer = new LongerPath();
  readonly #step = new PathStep();
  /** The last round that may show a second step. */
  #stepUntil = 0;
  readonly #path: Path;
  readonly #rounds: Rounds;
  /** Whether the path seems to be another one, and what it delivered before. */
  #doubtful = false;
  #rate = 0;
  #drained = false;
  #until = 0;
  #round = 0;

  constructor(path: Path, rounds: Rounds) {
    this.#path = path;
    this.#rounds = rounds;
  }

  /** Whether the round trip that has just ended shows another path: a longer, or a much slower one. */
  get isDoubtful(): boolean {
    const { minRtt, aggregation, bandwidth, pause } = this.#path;
    // A pause is judged by the round trips after it.
    if (!this.#rounds.begins || pause.rtt > 0) return false;
    return this.longer.isLonger(minRtt.value, aggregation.burst, bandwidth.value);
  }

  /**
   * Reads a round-trip sample. Returns the new round trip in ms if the path has become longer at once, else
   * -1.
   *
   * @param acked Bytes that were acknowledged with it.
   */
  onRtt(now: number, rtt: number, acked: number): number {
    const { minRtt, aggregation, bandwidth, mss } = this.#path;
    const rate = bandwidth.value;
    const explained = this.longer.explained(minRtt.value, aggregation.burst, rate);
    const longer = this.#step.onSample(now, rtt, acked, explained, rate, mss);
    if (longer >= 0) this.#stepUntil = this.#rounds.count + STEP_ROUNDS;
    return longer;
  }

  /**
   * Reads a round-trip sample. Returns whether the path may have become longer during a pause.
   *
   * @param waited The time in ms since the last acknowledgment.
   */
  onPause(rtt: number, waited: number): boolean {
    const { minRtt, aggregation, bandwidth, pause } = this.#path;
    const explained = this.longer.explained(minRtt.value, aggregation.burst, bandwidth.value);
    if (!pause.onSample(rtt, waited, explained)) return false;
    this.longer.reset();
    return true;
  }

  /**
   * A round begins. Returns the round trip in ms if the last one showed a second step, or that the path has
   * become longer during a pause, else -1.
   */
  onRound(): number {
    const { longer } = this;
    longer.onRound();
    const least = this.#path.minRtt.value * (1 + STEP_PART);
    const expected = this.#rounds.count <= this.#stepUntil || this.#path.pause.rtt > 0;
    return expected && longer.shortest > least ? longer.shortest : -1;
  }

  /** Begins a probe. */
  begin(doubtful: boolean): void {
    this.#drained = false;
    this.#doubtful = doubtful;
    this.#rate = this.#path.bounds.latestBandwidth;
  }

  /**
   * Bytes that may be in flight.
   *
   * @param least It is not less than this, unless the path seems to be another one.
   */
  window(least: number): number {
    const path = this.#path;
    const latest = this.#doubtful ? this.#rate : path.bounds.latestBandwidth;
    const bw = latest > 0 ? Math.min(path.bw, latest) : path.bw;
    const window = path.product(PROBE_RTT_GAIN, bw);
    return Math.max(window, this.#doubtful ? path.least : Math.max(path.quantum, least));
  }

  /**
   * Reads an acknowledgment. Returns whether the probe may be over.
   *
   * @param least See {@linkcode ProbeRtt.window}.
   */
  onAck(sample: RateSample, least: number): boolean {
    if (this.#drained) return this.#rounds.count > this.#round;
    if (sample.inFlight <= this.window(least)) {
      this.#drained = true;
      this.#until = sample.now + (this.#doubtful ? 0 : DURATION);
      this.#rounds.startPhase();
      this.#round = this.#rounds.count;
    }
    return false;
  }

  /** Whether the path was empty for long enough. */
  isOver(now: number): boolean {
    return this.#drained && now >= this.#until;
  }

  /**
   * Draws the conclusion, at the end of the probe. Returns the window from before, unless that was too
   * large or too small.
   *
   * @param now The time in ms.
   * @param rtt A round-trip sample of the empty path in ms, -1 if there is none.
   * @param window The window from before.
   */
  conclude(now: number, rtt: number, window: number): number {
    const path = this.#path;
    const doubtful = this.#doubtful;
    this.#doubtful = false;
    if (doubtful && rtt >= 0) {
      if (rtt > path.minRtt.value * LONGER_GAIN) {
        path.minRtt.reset(now, rtt);
        path.standing.reset();
        // Pacing keeps the window from leaving at once.
        window = path.held;
      } else if (this.#rate > 0) {
        path.bandwidth.reset(this.#rate);
        window = 0;
      }
    }
    path.minRtt.onProbed(now);
    this.longer.reset();
    return window;
  }
}
