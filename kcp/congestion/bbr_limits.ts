import { FAST_FACTOR, FastStart } from "./bbr_fast_start.ts";
import type { Path } from "./bbr_path.ts";
import {
  CRUISE,
  DOWN,
  DRAIN,
  isCycling,
  type Phase,
  PHASES,
  PROBE_RTT,
  STARTUP,
  UP,
} from "./bbr_phases.ts";
import type { ProbeRtt } from "./bbr_probe_rtt.ts";
import type { Probing } from "./bbr_probing.ts";
import type { Rounds } from "./bbr_rounds.ts";
import type { Loss, RateSample } from "./controller.ts";

/** Draft §2.5: DefaultCwndGain. */
const WINDOW_GAIN = 2;
/**
 * The pacing gain of Startup as long as {@linkcode FastStart} lets the window grow by more than a factor of
 * two in a round trip. For a factor of g, it is `ln(g) * g² / (g - 1)`: 2.77 for 2, as in draft §2.4.
 */
const FAST_GAIN = 7.39;
/** Draft §2.4: PacingMarginPercent is 1. */
const PACING_MARGIN = 0.99;
/** A path that has lost more than this part of a flight is overfilled, though no queue is seen yet. */
const OVERFILLED = 1 / 2;
/**
 * For low latency, the initial window may leave within a round trip, but not within less than this time
 * in ms. On a short path, the queue would overflow before it is seen.
 */
const SHORTEST_SPREAD = 10;

/**
 * How much may be in flight, and how fast it may leave.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.6.
 */
export class Limits {
  /** Bytes that may be in flight. */
  window: number;
  /** Bytes per ms at which segments may leave. */
  pacing: number;
  readonly #path: Path;
  readonly #rounds: Rounds;
  readonly #probing: Probing;
  readonly #probeRtt: ProbeRtt;
  readonly #initialWindow: number;
  readonly #latency: boolean;
  /** The window before a timeout, a probe of the round trip, or losses. */
  #prior = 0;
  #timedOut = false;
  /** The window holds until a segment is acknowledged that was sent when more than this was delivered. */
  #holdsUntil = -1;
  readonly #start = new FastStart();
  /** Bytes by which the window may grow for each one that is acknowledged, in Startup. */
  #growth = 0;

  /**
   * @param initialWindow Bytes that may be in flight at first.
   * @param latency Whether as many may be in flight later, too: see {@linkcode BbrOptions.latency}.
   */
  constructor(
    path: Path,
    rounds: Rounds,
    probing: Probing,
    probeRtt: ProbeRtt,
    initialWindow: number,
    latency: boolean,
  ) {
    this.#path = path;
    this.#rounds = rounds;
    this.#probing = probing;
    this.#probeRtt = probeRtt;
    this.#initialWindow = this.window = initialWindow;
    this.#latency = latency;
    // Draft §5.6.2: the nominal bandwidth before the first sample assumes a round trip of 1 ms.
    this.pacing = PHASES[STARTUP].gain * initialWindow;
  }

  /** Bytes that may always be in flight. */
  get least(): number {
    const { least, bounds, burst } = this.#path;
    if (!this.#latency || this.#probing.queuedSince) return least;
    return Math.max(least, Math.min(this.#initialWindow, burst, bounds.longTerm));
  }

  /** Remembers the window. Draft §5.6.4.4, `SaveCwnd`. */
  save(phase: Phase): void {
    const more = phase === PROBE_RTT || this.#timedOut;
    this.#prior = more ? Math.max(this.#prior, this.window) : this.window;
  }

  /**
   * In Startup, more was lost than the path loses itself. If that shows a full queue, the room of what was lost
   * stays free: as much would leave at once, and be lost, too. For a round trip, one segment leaves for each
   * one that arrives. Source: RFC 6937 §3, the conservative reduction bound.
   */
  onExcess({ lost, txInFlight, inFlight }: Loss): void {
    if (this.#path.queued || lost > OVERFILLED * txInFlight) this.#hold(inFlight);
  }

  #hold(inFlight: number): void {
    this.window = Math.min(this.window, Math.max(inFlight, this.#path.held, this.least));
    this.#holdsUntil = this.#rounds.delivered;
  }

  /** Brings the window back. Draft §5.6.4.4, `RestoreCwnd`. */
  restore(): void {
    this.#timedOut = false;
    this.#holdsUntil = -1;
    this.window = Math.max(this.window, this.#prior);
  }

  /** A round trip begins: what has timed out is repaired. */
  onRound(): void {
    if (this.#timedOut) this.restore();
  }

  /** Segments have timed out, and nothing else arrives. Draft §5.6.4.4. */
  onTimeout(phase: Phase, inFlight: number): void {
    if (this.#latency) return;
    const { mss, least } = this.#path;
    this.save(phase);
    this.#timedOut = true;
    // Not one segment alone: what is sent again may be lost, too.
    this.window = Math.max(inFlight + mss, least);
    this.#rounds.start();
  }

  /** The pipe is filled before a probe: pacing keeps the window from leaving at once. */
  refill(): void {
    this.window = Math.max(this.window, this.#path.held);
  }

  /** The path has become longer: pacing keeps the window from leaving at once. */
  lengthen(): void {
    this.#timedOut = false;
    this.window = Math.max(this.window, this.#mostInFlight(CRUISE));
  }

  /** Segments have another size. */
  onMtu(): void {
    this.window = Math.max(this.window, this.least);
  }

  /** The probe of the round trip is over. */
  endProbeRtt(now: number, rtt: number): void {
    this.window = Math.max(this.window, this.#probeRtt.conclude(now, rtt, this.#prior));
  }

  /**
   * Sets the pacing rate. Draft §5.6.2.
   *
   * @param known Whether the bandwidth is known. Before, the rate only grows.
   */
  pace(phase: Phase, gain: number, known: boolean): void {
    const { bw: bounded, bandwidth, loss, sureShare, standing, mss } = this.#path;
    let bw = bounded;
    if (phase === CRUISE) bw = Math.min(bw, bandwidth.value * sureShare);
    // What the path loses is not added: this shows whether these losses are its own.
    else if (gain < 1) bw *= 1 - loss.rate;
    let rate = gain * bw * PACING_MARGIN;
    if (standing.smoothed > 0) {
      // Whatever was measured, a segment a round trip finds out more.
      const least = this.#latency
        ? this.least / Math.max(standing.smoothed, SHORTEST_SPREAD)
        : mss / standing.smoothed;
      rate = Math.max(rate, least);
    }
    if (known || rate > this.pacing) this.pacing = rate;
  }

  /**
   * Sets the limits after an acknowledgment.
   *
   * @param filled Whether the pipe was ever full.
   * @param excess Whether this round trip has lost more than the path loses itself.
   */
  update(sample: RateSample, phase: Phase, gain: number, filled: boolean, excess: boolean): void {
    const { now, acked, priorDelivered } = sample;
    if (priorDelivered > this.#holdsUntil) this.#holdsUntil = -1;
    const { smoothed } = this.#path.standing;
    if (this.#rounds.count <= 1 && !filled && smoothed > 0) {
      // Draft §5.6.2: the first sample corrects the assumption of 1 ms.
      this.pacing = PHASES[STARTUP].gain * this.window / smoothed;
      this.#start.onAck(now, acked, this.#path.mss);
    }
    this.#growth = phase === STARTUP ? this.#safeGrowth : 0;
    // The rate of the first flight was only assumed. What it has delivered through a queue is the bandwidth.
    const { queued } = this.#path;
    if (phase === STARTUP && excess && queued && !this.#holds) this.#hold(sample.inFlight);
    const known = filled || this.#rounds.count > 1 && (queued || this.#holds);
    this.pace(phase, this.#growth > 1 ? FAST_GAIN : gain, known);
    this.#setWindow(phase, filled, acked);
  }

  get #holds(): boolean {
    return this.#holdsUntil >= 0;
  }

  /** See {@linkcode FastStart.growth}. A queue and losses show that the path takes no more. */
  get #safeGrowth(): number {
    const { minRtt, queued, loss, mss } = this.#path;
    return queued || loss.rate > 0 || this.#holds
      ? 0
      : this.#start.growth(this.window, minRtt.value, mss);
  }

  /** Bytes that may be in flight according to the model. Draft §5.6.4.2. */
  #mostInFlight(phase: Phase): number {
    const path = this.#path;
    const { burst, extra } = path.aggregation;
    switch (phase) {
      case UP:
        return this.#probing.window;
      case STARTUP: {
        const gain = this.#growth > 1 ? FAST_FACTOR : WINDOW_GAIN;
        return path.product(gain) + gain * burst;
      }
      case DRAIN:
      case DOWN:
        return path.held;
      default:
        return path.product(WINDOW_GAIN) + Math.max(burst, extra);
    }
  }

  /** Bytes that may be in flight after past congestion. Draft §5.6.4.7. */
  #bound(phase: Phase): number {
    const path = this.#path;
    const { bounds } = path;
    let bound = Infinity;
    // What may be in flight on a path says nothing of a longer one.
    if (path.pause.rtt > 0) return bound;
    if (phase === PROBE_RTT) {
      bound = Math.min(this.#probeRtt.window(this.least), bounds.withHeadroom(path.mss));
    } else if (phase === CRUISE) {
      bound = Math.max(bounds.withHeadroom(path.mss), path.held);
    } else if (isCycling(phase)) bound = bounds.longTerm;
    return Math.min(bound, bounds.inFlight);
  }

  /** Draft §5.6.4.6. */
  #setWindow(phase: Phase, filled: boolean, acked: number): void {
    const path = this.#path;
    const most = Math.max(this.#mostInFlight(phase), path.quantum);
    if (filled) this.window = Math.min(this.window + acked, most);
    else if (this.#growth > 0) this.window += this.#growth * acked;
    else if (!this.#holds && (this.window < most || this.#rounds.delivered < this.#initialWindow)) {
      this.window += acked;
    }
    this.window = Math.max(Math.min(this.window, this.#bound(phase)), this.least);
  }
}
