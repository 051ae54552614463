import { BETA } from "./bbr_bounds.ts";
import { Draws } from "./bbr_draws.ts";
import type { Path } from "./bbr_path.ts";
import type { Rounds } from "./bbr_rounds.ts";
import type { Loss, RateSample } from "./controller.ts";

/** Draft §5.3.3.4. */
const UP_GAIN = 1.25;
/** Draft §2.4: the gain of startup. Probes of a path that has become much faster get there, too. */
const MAX_GAIN = 2.77;
/** Beside others, small flows begin with up to this gain. */
const MAX_SHARED_GAIN = 2;
/**
 * The next probe comes after 1 to 2 s, or 62 to 63 rounds. Draft §5.3.3.5.3: 2 to 3 s. Here, a probe
 * builds a shorter queue, and gains less.
 */
const WAIT = 1000;
const WAIT_RANDOM = 1000;
const ROUNDS = 63;
/** In the draft, a path of a few segments is probed without a pause. */
const LEAST_ROUNDS = 20;
/** After this many round trips at the earliest: a probe itself takes four or five. */
const WAIT_ROUNDS = 10;
/** A probe puts this much more in flight than the path holds: part of it, and ms of its rate. */
const ROOM_PART = 0.25;
const ROOM_MS = 10;
/** At least so many segments, and beside others: small flows then gain more than large ones. */
const ROOM_SEGMENTS = 3;
const SHARED_SEGMENTS = 12;
/** A round of a probe has to raise the delivery rate by this factor. Otherwise the probe ends. */
const GROWTH = 1.03;
/** The first round shows what was sent before the probe. */
const FEEDBACK_ROUNDS = 2;
/** A probe that the application limits ends after so many rounds. */
const LIMITED_ROUNDS = 3;
/** As long as the long-term bound limits a probe, it lasts for up to so many rounds. */
const BOUNDED_ROUNDS = 5;

/**
 * When and how the path is probed for more bandwidth, and what is learned from it.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.3.3. The differences: a probe builds a queue of at most 10 ms as long
 * as the rate does not grow, and ends after one round of feedback that shows no growth. While it grows
 * without a queue, each step is larger than the last one.
 */
export class Probing {
  /** The pacing gain of the probe. */
  gain = UP_GAIN;
  /** Whether acknowledgments show the effect of a probe. Draft §2.12, `ack_phase` is not `ACKS_INIT`. */
  hasFeedback = false;
  /** Whether losses still show the effect of a probe. Draft §2.12, `is_bw_probe_sample`. */
  judges = false;
  /** Whether a queue has stood since the last probe ended. */
  queuedSince = false;
  readonly #path: Path;
  readonly #rounds: Rounds;
  readonly #draws = new Draws();
  /** Whether the probe is over, and its last feedback is still to come: `ACKS_PROBE_STOPPING`. */
  #stops = false;
  #tooHigh = false;
  #precautionary = false;
  /** Whether the long-term bound limits the probe. */
  #bounded = false;
  /** Whether a queue has stood since the probe began. */
  #queued = false;
  /** The highest delivery rate before the present round. */
  #best = 0;
  #cycleStart = 0;
  #cycleRound = 0;
  #wait = 0;

  constructor(path: Path, rounds: Rounds) {
    this.#path = path;
    this.#rounds = rounds;
  }

  /** Reads an acknowledgment. */
  onAck(sample: RateSample): void {
    this.#draws.mix(sample.now, sample.totalDelivered);
  }

  /** Notes whether a queue stands. */
  onQueue(queued: boolean): void {
    this.#queued ||= queued;
    this.queuedSince ||= queued;
  }

  /** Whether it is time for a probe. Draft §5.3.3.5.3. */
  isDue(now: number, window: number): boolean {
    const path = this.#path;
    if (now > this.#cycleStart + Math.max(this.#wait, WAIT_ROUNDS * path.minRtt.value)) return true;
    const segments = Math.min(path.product(1), window) / path.mss;
    const rounds = this.#rounds.count - this.#cycleRound;
    return rounds >= Math.max(LEAST_ROUNDS, Math.min(segments, ROUNDS));
  }

  /** The pipe is filled, before the probe. */
  prepare(): void {
    const { bounds } = this.#path;
    bounds.resetShortTerm();
    bounds.prepareProbe();
    this.#precautionary = this.#queued = this.#stops = false;
    this.hasFeedback = true;
  }

  /** The probe begins. */
  begin(window: number): void {
    const { bandwidth, bounds, mss } = this.#path;
    this.judges = true;
    this.#bounded = false;
    this.gain = this.#firstGain;
    this.#best = bandwidth.value;
    bounds.steepen(window, mss);
  }

  /**
   * The probe is over, and a cycle begins.
   *
   * @param probed Whether there was a probe.
   */
  end(now: number, probed: boolean): void {
    const path = this.#path;
    // A probe that the long-term bound limits is too small for a queue.
    const queued = this.#queued || this.#bounded && !this.#tooHigh;
    // A probe shows nothing where jitter hides a queue of its size. One that went too far judges no more.
    if (probed && (queued || path.bw * path.hidden <= this.#room)) {
      path.onProbe(queued, !this.judges);
    }
    path.bounds.beginRound(0, 0);
    this.queuedSince = false;
    this.#cycleRound = this.#rounds.count - (this.#draws.next() < 0.5 ? 0 : 1);
    this.#wait = WAIT + WAIT_RANDOM * this.#draws.next();
    this.#cycleStart = now;
    this.stop();
  }

  /** The flow has found the bandwidth for the first time. */
  endStartup(): void {
    this.#path.onStartup(this.#queued);
  }

  /** No more is probed for now. */
  stop(): void {
    this.#stops = this.hasFeedback = true;
  }

  get #firstGain(): number {
    const path = this.#path;
    if (!path.shared) return UP_GAIN;
    return Math.min(MAX_SHARED_GAIN, Math.max(UP_GAIN, 1 + this.#room / path.held));
  }

  get #room(): number {
    const path = this.#path;
    const part = ROOM_PART * path.held;
    if (path.shared) return Math.max(part, SHARED_SEGMENTS * path.mss);
    return Math.max(Math.min(part, ROOM_MS * path.bw), ROOM_SEGMENTS * path.mss);
  }

  /** Bytes that may be in flight during the probe. */
  get window(): number {
    const path = this.#path;
    const step = Math.max(0, (this.gain - this.#firstGain) / UP_GAIN * path.held);
    return path.held + path.bw * path.others + this.#room + step;
  }

  /** Whether the probe is over. Draft §5.3.3.6, `IsTimeToGoDown`. */
  isOver(sample: RateSample, window: number): boolean {
    const { bounds, queued } = this.#path;
    const rounds = this.#rounds;
    if (this.#tooHigh && sample.inFlight >= bounds.longTerm) {
      this.#precautionary = true;
      this.#tooHigh = false;
      return true;
    }
    if (!rounds.begins || rounds.inPhase < FEEDBACK_ROUNDS) return false;
    if (rounds.appLimited) return this.#ends(rounds.inPhase >= LIMITED_ROUNDS);
    const grows = bounds.latestBandwidth >= this.#best * GROWTH;
    if (grows) this.#best = bounds.latestBandwidth;
    // As long as no queue shows the limit, the next step is larger.
    this.gain = grows && !queued ? Math.min(MAX_GAIN, this.gain * UP_GAIN) : this.#firstGain;
    this.#bounded = rounds.windowLimitedBefore && window >= bounds.longTerm;
    return this.#ends(!grows && !(this.#bounded && rounds.inPhase < BOUNDED_ROUNDS));
  }

  #ends(over: boolean): boolean {
    if (over) this.#tooHigh = false;
    return over;
  }

  /**
   * Learns from an acknowledgment. Draft §5.3.3.6, `AdaptLongTermModel`. Returns whether the next probe
   * should begin at once: the last one had only been cautious.
   *
   * @param appLimited Whether the sample was limited by the application.
   * @param cycling Whether the flow is in one of the phases of a cycle.
   * @param up Whether it probes now.
   */
  adapt(
    sample: RateSample,
    appLimited: boolean,
    cycling: boolean,
    up: boolean,
    window: number,
  ): boolean {
    const path = this.#path;
    const { bounds } = path;
    if (this.#rounds.begins && this.#stops) {
      this.judges = this.hasFeedback = this.#stops = false;
      if (cycling) {
        if (!appLimited) path.bandwidth.advance();
        if (this.#precautionary && !this.#tooHigh) return true;
      }
    }
    if (bounds.longTerm === Infinity || sample.delivered === 0) return false;
    if (path.isExcess(sample.lost, sample.txInFlight, path.loss.rate)) return false;
    if (sample.txInFlight > bounds.longTerm) bounds.longTerm = sample.txInFlight;
    if (up) {
      if (this.#rounds.windowLimited && window >= bounds.longTerm) {
        bounds.raise(sample.acked, path.mss);
      }
      if (this.#rounds.begins) bounds.steepen(window, path.mss);
    }
    return false;
  }

  /** A loss shows that the probe went too far. Draft §5.5.10.2, `HandleInflightTooHigh`. */
  onExcess(loss: Loss, window: number): void {
    this.#tooHigh = true;
    this.judges = false;
    if (loss.appLimited) return;
    const path = this.#path;
    // Without a queue, what the path holds is not too much.
    const least = path.queued ? BETA * Math.min(path.product(1), window) : path.held;
    path.bounds.longTerm = Math.max(loss.txInFlight, least);
  }
}
