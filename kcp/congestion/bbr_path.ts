import { Aggregation } from "./bbr_aggregation.ts";
import { Bounds } from "./bbr_bounds.ts";
import { MaxFilter } from "./bbr_max_filter.ts";
import { MinRtt } from "./bbr_min_rtt.ts";
import { PathLoss } from "./bbr_path_loss.ts";
import { Pause } from "./bbr_pause.ts";
import { StandingRtt } from "./bbr_standing_rtt.ts";

/** Draft §2.10: MaxBwFilterLen, in cycles. */
const BANDWIDTH_CYCLES = 2;
/** Draft §2.6: MinPipeCwnd in segments. */
const MIN_SEGMENTS = 4;
/** Segments of a burst that any receive buffer can hold. */
const QUANTUM = 32;
/** A burst is not more than the path delivers in this many ms: event loops are late by as much. */
const QUANTUM_MS = 5;
/** Limits of what counts as a standing queue, in ms, and as part of the round trip. */
const QUEUE_MIN = 1;
const QUEUE_MAX = 5;
const QUEUE_PART = 1 / 16;
/** A queue is longer than the noise of the round trips by this factor. */
const QUEUE_NOISE = 3;
/** Jitter raises all samples of half a round trip by up to so many times its least fall. */
const JITTER_FACTOR = 4;
/** The factor where the queue stayed though the flow has slowed down: the noise is jitter of the path. */
const JITTER_NOISE = 4;
/** The flow has slowed down below this part of the bandwidth. */
const SLOWED = 0.9;
/** Less noise than this is no jitter, in ms. */
const LEAST_JITTER = 1;
/** Losses are found up to this part of a round trip late. So long they stay in flight. */
const LATE_LOSS = 0.5;

/**
 * What is known of the path: its bandwidth, its shortest round trip, its losses, and the queue that
 * stands in it. Volumes in flight follow from these.
 *
 * Source: draft-ietf-ccwg-bbr-06 §2.8 and §5.5.
 */
export class Path {
  /** Bytes of a full segment. */
  mss: number;
  /** Highest delivery rate of the last cycles, in bytes per ms, with what the path loses itself. */
  readonly bandwidth = new MaxFilter(BANDWIDTH_CYCLES);
  readonly bounds = new Bounds();
  readonly minRtt = new MinRtt();
  readonly pause = new Pause();
  readonly standing = new StandingRtt();
  readonly aggregation = new Aggregation();
  readonly loss: PathLoss;
  /** Bytes that leave back to back and arrive whole. */
  burst: number;
  /** The queue in ms that stayed when the flow had drained its own. */
  residual = 0;
  readonly #initialWindow: number;

  /**
   * @param mss Bytes of a full segment.
   * @param initialWindow Bytes that may be in flight as long as nothing is known.
   * @param pathLoss Highest loss rate that may be the path's own.
   */
  constructor(mss: number, initialWindow: number, pathLoss: number) {
    this.mss = mss;
    this.#initialWindow = this.burst = initialWindow;
    this.loss = new PathLoss(pathLoss);
  }

  /** Bytes per ms that the path takes, bytes that it loses itself included. */
  get bw(): number {
    return Math.min(this.bandwidth.value, this.bounds.bandwidth);
  }

  /** The part of the bandwidth that is left if the path loses no more than what is sure. */
  get sureShare(): number {
    return (1 - this.loss.rate) / (1 - this.loss.sure);
  }

  /** The round trip of the empty path in ms. Infinity before the first sample. */
  get roundTrip(): number {
    return Math.max(this.minRtt.value, this.pause.rtt);
  }

  /** How long a queue has stood, in ms. */
  get queue(): number {
    const { longValue, value } = this.standing;
    const queue = (this.#jitters ? longValue : value) - this.roundTrip;
    return queue > 0 && queue < Infinity ? queue : 0;
  }

  /**
   * What of the {@linkcode residual} queue is others', in ms. The flow itself may have {@linkcode quantum} in
   * flight after it has drained its own queue: on a short or slow path, that is more than the path holds.
   */
  get others(): number {
    const { residual, bw } = this;
    if (residual === 0 || bw === 0) return residual;
    return Math.max(0, residual - Math.max(0, this.quantum - this.product(1)) / bw);
  }

  /** A queue of this many ms is one. */
  get queueThreshold(): number {
    return this.#threshold(this.#jitters ? JITTER_NOISE : QUEUE_NOISE);
  }

  /** Jitter hides a queue of up to this many ms. */
  get hidden(): number {
    return JITTER_FACTOR * this.standing.jitter;
  }

  #threshold(noiseFactor: number): number {
    const part = Math.min(QUEUE_MAX, this.minRtt.value * QUEUE_PART);
    const bw = this.bandwidth.value;
    const noise = noiseFactor * this.standing.noise;
    return Math.max(QUEUE_MIN, part, noise, this.hidden, bw > 0 ? 2 * this.mss / bw : 0);
  }

  /**
   * Whether what looks like a queue may be jitter: round trips differ, and the flow has slowed down. Then
   * only what stands for two round trips is a queue. Otherwise all losses on such a path would seem to be
   * congestion. Where others keep a queue, theirs stands for longer.
   */
  get #jitters(): boolean {
    return this.standing.noise > LEAST_JITTER &&
      this.bounds.bandwidth < SLOWED * this.bandwidth.value &&
      this.residual <= this.#threshold(QUEUE_NOISE);
  }

  /** Whether a queue stands. */
  get queued(): boolean {
    return this.queue > this.queueThreshold;
  }

  /** Whether others keep a queue that stays when the flow has drained its own. */
  get shared(): boolean {
    return this.others > this.queueThreshold;
  }

  /** Bytes in flight that the path holds without a queue, times a gain. */
  product(gain: number, bw: number = this.bw): number {
    const { roundTrip } = this;
    if (roundTrip === Infinity) return this.#initialWindow;
    return gain * bw * roundTrip * (1 + LATE_LOSS * this.loss.rate);
  }

  /** The path has become longer: round trips take `rtt` ms, and its bandwidth is the same. */
  lengthen(now: number, rtt: number): void {
    const { bounds, minRtt, standing } = this;
    // What timed out since then was only late.
    bounds.resetShortTerm();
    bounds.longTerm = Infinity;
    minRtt.reset(now, rtt);
    standing.reset();
    this.pause.end();
    this.residual = 0;
  }

  /** The path may have become longer: see {@linkcode Pause}. */
  resume(): void {
    this.bounds.resetShortTerm();
    this.standing.reset();
    this.residual = 0;
  }

  /** Bytes that are in flight without a queue, those that are acknowledged late included. */
  get held(): number {
    return this.product(1) + this.aggregation.burst;
  }

  /** Bytes that keep any path busy: a few segments. */
  get least(): number {
    return MIN_SEGMENTS * this.mss;
  }

  /** Bytes that have to be in flight for a path that takes and gives bursts. Draft §5.5.8. */
  get quantum(): number {
    const burst = Math.max(this.burst, QUANTUM * this.mss);
    return Math.max(this.least, Math.min(burst, QUANTUM_MS * this.bw));
  }

  /** A probe is over: see {@linkcode PathLoss.onProbe}. */
  onProbe(queued: boolean, excess: boolean): void {
    const before = this.loss.rate;
    this.loss.onProbe(queued, excess);
    this.#discount(before);
  }

  /** The flow has found the bandwidth for the first time: see {@linkcode PathLoss.onStartup}. */
  onStartup(queued: boolean): void {
    const before = this.loss.rate;
    this.loss.onStartup(queued);
    this.#discount(before);
  }

  /** The bandwidth has counted losses as the path's own that are not believed in any more. */
  #discount(before: number): void {
    const { rate } = this.loss;
    if (rate < before) this.bandwidth.scale((1 - before) / (1 - rate));
  }

  /**
   * Whether more was lost than the path loses itself.
   *
   * @param own See {@linkcode PathLoss.isExcess}.
   */
  isExcess(lost: number, flight: number, own: number): boolean {
    return this.loss.isExcess(lost, flight, this.mss, this.queued, own);
  }
}
