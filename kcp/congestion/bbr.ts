import { Aggregation } from "./bbr_aggregation.ts";
import { BETA, Bounds } from "./bbr_bounds.ts";
import { FullPipe } from "./bbr_full_pipe.ts";
import { LONGER_GAIN, LongerPath } from "./bbr_longer_path.ts";
import { MaxFilter } from "./bbr_max_filter.ts";
import { MinRtt } from "./bbr_min_rtt.ts";
import { EQUAL, FASTER, GROWING, PathLoss, type Sending, SLOWER } from "./bbr_path_loss.ts";
import { StandingRtt } from "./bbr_standing_rtt.ts";
import type {
  CongestionContext,
  CongestionController,
  CongestionState,
  Loss,
  RateSample,
} from "./controller.ts";

/** Settings of {@linkcode BbrController}. */
export interface BbrOptions {
  /**
   * Highest loss rate, 0 to 1, that may be the path's own. Losses up to the rate that the path shows
   * when nothing is probed are no sign of congestion. 0: each loss is one, as in the draft. Default:
   * 0.5.
   */
  readonly pathLoss?: number;
  /**
   * Whether a burst of the initial window can leave within a round trip at any time, also if the flow
   * sent less before. That holds as long as no queue stands, and losses do not show that the path
   * cannot take it. Neither a timeout nor a measurement of the round trip makes the window smaller.
   * Default: false.
   */
  readonly latency?: boolean;
}

const STARTUP = "startup";
const DRAIN = "drain";
const DOWN = "down";
const CRUISE = "cruise";
const REFILL = "refill";
const UP = "up";
const PROBE_RTT = "probe_rtt";
type Phase =
  | typeof STARTUP
  | typeof DRAIN
  | typeof DOWN
  | typeof CRUISE
  | typeof REFILL
  | typeof UP
  | typeof PROBE_RTT;

/** Draft §2.4: 4 ln 2, the smallest gain that doubles the rate each round. */
const STARTUP_GAIN = 2.77;
/** Draft §2.4. */
const DRAIN_GAIN = 0.5;
/** Draft §5.3.3.1. */
const DOWN_GAIN = 0.9;
/** Draft §5.3.3.4. */
const UP_GAIN = 1.25;
/** Draft §2.5: DefaultCwndGain. */
const WINDOW_GAIN = 2;
/** Draft §2.14: ProbeRTTCwndGain. */
const PROBE_RTT_GAIN = 0.5;
/** Draft §2.14: ProbeRTTDuration, in ms. */
const PROBE_RTT_DURATION = 200;
/** Draft §2.4: PacingMarginPercent is 1. */
const PACING_MARGIN = 0.99;
/** Draft §2.10: MaxBwFilterLen, in cycles. */
const BANDWIDTH_CYCLES = 2;
/** Draft §2.6: MinPipeCwnd in segments. */
const MIN_SEGMENTS = 4;
/** Draft §5.3.3.5.3: the next probe comes after 2 to 3 s, or 62 to 63 rounds. */
const PROBE_WAIT = 2000;
const PROBE_WAIT_RANDOM = 1000;
const PROBE_ROUNDS = 63;
/** But not before so many rounds: a probe itself takes four or five. */
const PROBE_WAIT_ROUNDS = 10;
/** Draft §5.3.2: Drain lasts at most this many rounds more than one. */
const DRAIN_ROUNDS = 3;
/** A probe puts this much more in flight than the path holds: part of it, and ms of its rate. */
const PROBE_PART = 0.25;
const PROBE_MS = 10;
/** A round of a probe has to raise the delivery rate by this factor. Otherwise the probe ends. */
const PROBE_GROWTH = 1.03;
/** As long as the long-term bound limits a probe, it lasts for up to so many rounds. */
const BOUNDED_ROUNDS = 5;
/** Segments of the largest burst that any adapter can read at once: see `burst`. */
const QUANTUM = 64;
/** A burst is not more than the path delivers in this many ms: event loops are late by as much. */
const QUANTUM_MS = 5;
/** Limits of what counts as a standing queue, in ms, and as part of the round trip. */
const QUEUE_MIN = 1;
const QUEUE_MAX = 5;
const QUEUE_PART = 1 / 16;
/**
 * After this many rounds, losses above those of the path are congestion even without a queue: it may be
 * full all the time.
 */
const EXCESS_ROUNDS = 2;
/** Between probes, a queue slows the flow down by this part at most, and if others keep a queue. */
const TRIM = 0.5;
const SHARED_TRIM = 0.05;
/** A queue that has grown by this part of the shortest round trip is congestion. */
const DELAY_PART = 0.25;
/** Losses are found up to this part of a round trip late. So long they stay in flight. */
const LATE_LOSS = 0.5;

/** Whether acknowledgments show the effect of a probe. Draft §2.12, `ack_phase`. */
const ACKS_INIT = 0;
const ACKS_REFILLING = 1;
const ACKS_STARTING = 2;
const ACKS_FEEDBACK = 3;
const ACKS_STOPPING = 4;

/**
 * BBR version 3, for paths that lose segments for other reasons than congestion.
 *
 * The model of the path is its bandwidth and its shortest round trip. Segments leave at the bandwidth,
 * and about one bandwidth-delay product is in flight. So queues stay short. Every 2 to 3 s, a probe
 * finds out whether more is possible.
 *
 * Source: draft-ietf-ccwg-bbr-06. The differences:
 *
 * - Loss is a sign of congestion only if it exceeds the path's own loss rate. See
 *   {@linkcode PathLoss}. The bandwidth counts what the path itself loses, too: that much has to be
 *   sent.
 * - A probe builds a queue of at most 10 ms, unless the delivery rate grows.
 * - Between probes, the flow slows down if a queue grows.
 * - A flow that the application limits needs no ProbeRTT. See {@linkcode MinRtt}.
 */
export class BbrController implements CongestionController {
  /** Always `Infinity`: the limit counts bytes. */
  readonly segmentWindow: number = Infinity;
  /** Always `Infinity`: there is none. */
  readonly ssthresh: number = Infinity;
  #mss: number;
  readonly #initialWindow: number;
  readonly #latency: boolean;
  readonly #loss: PathLoss;
  readonly #bandwidth = new MaxFilter(BANDWIDTH_CYCLES);
  readonly #minRtt = new MinRtt();
  readonly #standing = new StandingRtt();
  readonly #aggregation = new Aggregation();
  readonly #pipe = new FullPipe();
  readonly #bounds = new Bounds();
  readonly #longer = new LongerPath();
  #phase: Phase = STARTUP;
  #gain = STARTUP_GAIN;
  #window: number;
  #priorWindow = 0;
  /** Bytes per ms. */
  #pacing: number;
  /** Whether the pipe was ever full. */
  #pipeFilled = false;
  #delivered = 0;
  #nextRound = 0;
  #round = 0;
  #roundStart = false;
  #phaseRound = 0;
  #windowLimited = false;
  #windowLimitedBefore = false;
  /** Whether all samples of the round were limited by the application. */
  #roundLimited = true;
  #lossRound = 0;
  #congested = false;
  /** Whether more was lost in this round than the path loses itself, and in how many before. */
  #excess = false;
  #excessRounds = 0;
  #ackPhase = ACKS_INIT;
  #probeSample = false;
  #probeTooHigh = false;
  /** Whether a queue has stood since the last probe ended. */
  #cycleQueued = false;
  /** Whether a queue has stood since the probe began. */
  #probeQueued = false;
  #precautionary = false;
  #probeBest = 0;
  #cycleStart = 0;
  #probeWait = 0;
  #roundsSinceProbe = 0;
  #random = 1;
  /** The queue in ms that stayed when the flow had drained its own. */
  #residual = 0;
  #idleRestart = false;
  /** Whether the path is drained since it seems to be another one, and what it delivered before. */
  #doubtful = false;
  #doubtfulRate = 0;
  #drained = false;
  #drainedUntil = 0;
  #drainRound = 0;
  #limitedUntil = 0;
  #lastAck = -Infinity;
  #timedOut = false;
  #undoPhase: Phase | "" = "";
  #suspected = 0;
  #suspects = 0;
  #suspectedAt = -Infinity;

  /**
   * Creates a controller that knows nothing of the path yet.
   *
   * @param context What is known of the connection.
   * @param options Settings.
   */
  constructor(context: CongestionContext, options: BbrOptions = {}) {
    this.#mss = context.mss;
    this.#initialWindow = this.#window = context.initialWindow;
    this.#latency = options.latency ?? false;
    this.#loss = new PathLoss(options.pathLoss ?? 0.5);
    // Draft §5.6.2: the nominal bandwidth before the first sample assumes a round trip of 1 ms.
    this.#pacing = STARTUP_GAIN * this.#window;
  }

  /** Bytes that may be in flight. */
  get window(): number {
    return this.#window;
  }

  /** Bytes per second at which segments may leave. */
  get pacingRate(): number {
    return this.#pacing * 1000;
  }

  /** Phase, bandwidth and shortest round trip. */
  get state(): CongestionState {
    const minRtt = this.#minRtt.value;
    return {
      algorithm: "bbr",
      phase: this.#phase,
      bandwidth: this.#bw * (1 - this.#loss.rate) * 1000,
      minRtt: minRtt === Infinity ? 0 : minRtt,
    };
  }

  /** Details of the model, for traces and tests. */
  get details(): Record<string, number> {
    return {
      bw: this.#bandwidth.value,
      shortBw: this.#bounds.bandwidth,
      shortInFlight: this.#bounds.inFlight,
      longTerm: this.#bounds.longTerm,
      extra: this.#aggregation.extra,
      burst: this.#aggregation.burst,
      pathLoss: this.#loss.rate,
      sure: this.#loss.sure,
      queue: this.#queue,
      residual: this.#residual,
      round: this.#round,
    };
  }

  /** Bytes per ms that the path takes, bytes that it loses itself included. */
  get #bw(): number {
    return Math.min(this.#bandwidth.value, this.#bounds.bandwidth);
  }

  /** The part of the bandwidth that is left if the path loses no more than what is sure. */
  get #sureShare(): number {
    return (1 - this.#loss.rate) / (1 - this.#loss.sure);
  }

  /** How long a queue has stood, in ms. */
  get #queue(): number {
    const queue = this.#standing.value - this.#minRtt.value;
    return queue > 0 && queue < Infinity ? queue : 0;
  }

  /** A queue of this many ms is one. */
  get #queueThreshold(): number {
    const part = Math.min(QUEUE_MAX, this.#minRtt.value * QUEUE_PART);
    const bw = this.#bandwidth.value;
    return Math.max(QUEUE_MIN, part, bw > 0 ? 2 * this.#mss / bw : 0);
  }

  /** Whether a queue stands. */
  get #queued(): boolean {
    return this.#queue > this.#queueThreshold;
  }

  /** Whether others keep a queue that stays when the flow has drained its own. */
  get #shares(): boolean {
    return this.#residual > this.#queueThreshold;
  }

  /** Bytes in flight that the path holds without a queue, times a gain. */
  #product(gain: number, bw: number = this.#bw): number {
    const minRtt = this.#minRtt.value;
    if (minRtt === Infinity) return this.#initialWindow;
    return gain * bw * minRtt * (1 + LATE_LOSS * this.#loss.rate);
  }

  /** Bytes that are in flight without a queue, those that are acknowledged late included. */
  get #held(): number {
    return this.#product(1) + this.#aggregation.burst;
  }

  /** Bytes that have to be in flight for a path that takes and gives bursts. */
  get #quanta(): number {
    return Math.max(
      MIN_SEGMENTS * this.#mss,
      Math.min(QUANTUM * this.#mss, QUANTUM_MS * this.#bw),
    );
  }

  /** Bytes that may always be in flight. */
  get #least(): number {
    const least = MIN_SEGMENTS * this.#mss;
    if (!this.#latency || this.#cycleQueued) return least;
    return Math.max(least, Math.min(this.#initialWindow, this.#bounds.longTerm));
  }

  /** Notes what is sent. */
  onSend(now: number, bytes: number): void {
    if (this.#loss.isNew) this.#loss.begin(now, FASTER);
    this.#loss.onSend(bytes);
  }

  /** Draft §5.4.1. */
  onIdleRestart(now: number): void {
    // Nothing is in flight either when all of it has timed out.
    if (now - this.#suspectedAt <= 2 * this.#standing.smoothed) return;
    this.#idleRestart = true;
    this.#aggregation.onIdleRestart(now);
    if (this.#isProbing || this.#phase === CRUISE || this.#phase === DOWN) this.#pace(1);
    else if (this.#phase === PROBE_RTT) this.#checkProbeRttDone(now);
  }

  get #isProbing(): boolean {
    return this.#phase === REFILL || this.#phase === UP;
  }

  get #isProbeBw(): boolean {
    return this.#isProbing || this.#phase === DOWN || this.#phase === CRUISE;
  }

  /** Updates the model, the phase and the limits. Draft §5.2.3. */
  onAck(sample: RateSample): void {
    const { now, rtt } = sample;
    this.#delivered = sample.totalDelivered;
    this.#windowLimited ||= sample.windowLimited;
    const measured = sample.delivered > 0;
    if (rtt >= 0) {
      const idle = measured && sample.appLimited;
      const empty = idle && sample.txInFlight <= this.#product(PROBE_RTT_GAIN);
      this.#standing.onSample(now, rtt);
      this.#minRtt.onSample(now, rtt, empty || idle && this.#minRtt.isSimilar(rtt));
      if (!this.#isProbing && this.#phase !== PROBE_RTT && this.#queue < this.#residual) {
        this.#residual = this.#queue;
      }
      const queued = this.#queued;
      this.#probeQueued ||= queued;
      this.#cycleQueued ||= queued;
      this.#loss.onAck(now, now - rtt, queued, this.#standing.smoothed, this.#mss);
    }
    if (sample.acked === 0) return;
    this.#lastAck = now;
    this.#mix(sample);
    let rate = 0;
    let delivered = 0;
    let limited = true;
    this.#roundStart = false;
    if (measured) {
      const own = this.#loss.rate / (1 - this.#loss.rate);
      const credit = 1 + Math.min(sample.lost / sample.delivered, own);
      rate = sample.deliveryRate * credit / 1000;
      delivered = sample.delivered * credit;
      limited = sample.appLimited || sample.priorDelivered < this.#limitedUntil;
      if (sample.priorDelivered >= this.#nextRound) {
        this.#nextRound = this.#delivered;
        this.#roundStart = true;
        this.#round++;
        this.#roundsSinceProbe++;
        // The first flight left in a burst.
        if (this.#round === 2 && this.#phase === STARTUP) this.#loss.begin(now, GROWING);
      }
      if (rate > 0 && (rate >= this.#bandwidth.value || !limited)) this.#bandwidth.update(rate);
      if (this.#roundStart) this.#longer.onRound();
      this.#longer.onSample(rtt, sample.txInFlight);
    }
    const roundLimited = this.#roundLimited;
    const bounds = this.#bounds;
    bounds.onSample(rate, delivered);
    const lossRoundStart = measured && sample.priorDelivered >= this.#lossRound;
    if (lossRoundStart) {
      this.#lossRound = this.#delivered;
      if (!this.#shares && this.#queue - this.#residual > DELAY_PART * this.#minRtt.value) {
        this.#congested = true;
      }
      if (this.#congested && this.#phase !== STARTUP && !this.#isProbing) {
        const once = !this.#cycleQueued && 2 * this.#loss.sure > this.#loss.rate;
        bounds.lower(this.#bandwidth.value, this.#window, this.#sureShare, once);
      }
    }
    this.#aggregation.onAck(now, sample.acked, this.#bw, this.#window);
    if (this.#roundStart) {
      this.#aggregation.onRound(!this.#pipeFilled);
      if (!roundLimited) this.#pipe.onRound(bounds.latestBandwidth, this.#queued);
    }
    this.#checkStartup(now, sample);
    if (this.#phase === DRAIN) this.#checkDrain(now, sample);
    if (this.#pipeFilled) this.#cycle(now, sample, limited, roundLimited);
    this.#checkProbeRtt(now, sample, rtt);
    if (measured) this.#idleRestart = false;
    if (lossRoundStart) {
      bounds.beginRound(rate, delivered);
      this.#excessRounds = this.#excess ? this.#excessRounds + 1 : 0;
      this.#congested = this.#excess = false;
    }
    if (this.#roundStart) {
      this.#roundLimited = true;
      this.#windowLimitedBefore = this.#windowLimited;
      this.#windowLimited = false;
      this.#probeRoundBest = 0;
      if (this.#timedOut) {
        this.#timedOut = false;
        this.#window = Math.max(this.#window, this.#priorWindow);
      }
    }
    if (!limited) this.#roundLimited = false;
    this.#setPacing();
    this.#setWindow(sample.acked);
  }
  #probeRoundBest = 0;

  #startRound(): void {
    this.#nextRound = this.#delivered;
    this.#phaseRound = this.#round;
  }

  #enter(now: number, phase: Phase, gain: number, sending: Sending): void {
    this.#phase = phase;
    this.#gain = gain;
    this.#loss.begin(now, sending);
    this.#startRound();
  }

  /** Draft §5.3.1. */
  #checkStartup(now: number, sample: RateSample): void {
    if (this.#phase !== STARTUP) return;
    if (this.#pipe.full) this.#pipeFilled = true;
    else if (
      this.#roundStart && this.#congested && (this.#queued || this.#loss.isKnown(this.#mss)) &&
      this.#loss.isExcess(sample.lost, sample.txInFlight, this.#mss, this.#queued, true)
    ) {
      this.#undoPhase = STARTUP;
      this.#pipeFilled = true;
      this.#bounds.longTerm = Math.max(this.#held, this.#bounds.latestInFlight);
    }
    if (this.#pipeFilled) this.#enter(now, DRAIN, DRAIN_GAIN, SLOWER);
  }

  /** Draft §5.3.2. */
  #checkDrain(now: number, sample: RateSample): void {
    if (
      sample.inFlight <= Math.max(this.#product(1), this.#quanta) ||
      this.#round > this.#phaseRound + DRAIN_ROUNDS
    ) this.#startDown(now);
  }

  /** Draft §5.3.3.6, `UpdateProbeBWCyclePhase`. */
  #cycle(now: number, sample: RateSample, limited: boolean, roundLimited: boolean): void {
    if (this.#adaptLongTerm(now, sample, limited)) return;
    switch (this.#phase) {
      case DOWN:
        if (this.#isTimeToProbe(now)) this.#startRefill(now);
        else if (this.#isDrained(sample)) {
          this.#enter(now, CRUISE, 1, EQUAL);
        }
        return;
      case CRUISE:
        if (this.#isTimeToProbe(now)) this.#startRefill(now);
        else {
          const queue = Math.max(0, this.#queue - this.#residual - this.#queueThreshold / 2);
          this.#gain = 1 -
            Math.min(this.#shares ? SHARED_TRIM : TRIM, queue / (2 * this.#standing.smoothed));
        }
        return;
      case REFILL:
        if (!this.#roundStart) return;
        this.#probeSample = true;
        this.#ackPhase = ACKS_STARTING;
        this.#enter(now, UP, UP_GAIN, FASTER);
        this.#probeBest = this.#bandwidth.value;
        this.#bounds.steepen(this.#window, this.#mss);
        return;
      case UP:
        if (this.#isProbeOver(sample, roundLimited)) {
          this.#probeTooHigh = false;
          this.#startDown(now);
        }
    }
  }

  #isDrained(sample: RateSample): boolean {
    const target = Math.max(this.#product(1), this.#quanta);
    const headroom = Math.max(this.#bounds.withHeadroom(this.#mss), MIN_SEGMENTS * this.#mss);
    if (this.#round < this.#phaseRound + 1) return false;
    return sample.inFlight <= Math.min(target, headroom) || !this.#queued;
  }

  #isProbeOver(sample: RateSample, roundLimited: boolean): boolean {
    if (this.#probeTooHigh && sample.inFlight >= this.#bounds.longTerm) {
      this.#precautionary = true;
      return true;
    }
    if (!this.#roundStart || this.#round < this.#phaseRound + 2) return false;
    if (roundLimited) return this.#round >= this.#phaseRound + 3;
    const best = this.#bounds.latestBandwidth;
    const grows = best >= this.#probeBest * PROBE_GROWTH;
    if (grows) this.#probeBest = best;
    // As long as no queue shows the limit, the next step is larger.
    this.#gain = grows && !this.#queued ? Math.min(STARTUP_GAIN, this.#gain * UP_GAIN) : UP_GAIN;
    const bounded = this.#windowLimitedBefore && this.#window >= this.#bounds.longTerm &&
      this.#round < this.#phaseRound + BOUNDED_ROUNDS;
    return !grows && !bounded;
  }

  /** Draft §5.3.3.6, `AdaptLongTermModel`. Returns whether it has changed the phase. */
  #adaptLongTerm(now: number, sample: RateSample, limited: boolean): boolean {
    if (this.#roundStart) {
      if (this.#ackPhase === ACKS_STARTING) this.#ackPhase = ACKS_FEEDBACK;
      else if (this.#ackPhase === ACKS_STOPPING) {
        this.#probeSample = false;
        this.#ackPhase = ACKS_INIT;
        if (this.#isProbeBw) {
          if (!limited) this.#bandwidth.advance();
          if (this.#precautionary && !this.#probeTooHigh) {
            this.#startRefill(now);
            return true;
          }
        }
      }
    }
    const bounds = this.#bounds;
    if (bounds.longTerm === Infinity || sample.delivered === 0) return false;
    if (this.#loss.isExcess(sample.lost, sample.txInFlight, this.#mss, this.#queued, true)) {
      return false;
    }
    if (sample.txInFlight > bounds.longTerm) bounds.longTerm = sample.txInFlight;
    if (this.#phase === UP) {
      if (this.#windowLimited && this.#window >= bounds.longTerm) {
        bounds.raise(sample.acked, this.#mss);
      }
      if (this.#roundStart) bounds.steepen(this.#window, this.#mss);
    }
    return false;
  }

  #startDown(now: number): void {
    if (this.#phase === UP) this.#loss.onProbe(this.#probeQueued);
    this.#residual = this.#queue;
    this.#congested = this.#cycleQueued = false;
    this.#bounds.beginRound(0, 0);
    this.#roundsSinceProbe = this.#draw() < 0.5 ? 0 : 1;
    this.#probeWait = PROBE_WAIT + PROBE_WAIT_RANDOM * this.#draw();
    this.#cycleStart = now;
    this.#ackPhase = ACKS_STOPPING;
    this.#enter(now, DOWN, DOWN_GAIN, SLOWER);
  }

  #startRefill(now: number): void {
    this.#bounds.resetShortTerm();
    this.#bounds.prepareProbe();
    this.#precautionary = this.#probeQueued = false;
    this.#ackPhase = ACKS_REFILLING;
    this.#enter(now, REFILL, 1, EQUAL);
  }

  /** Draft §5.3.3.5.3. */
  #isTimeToProbe(now: number): boolean {
    const wait = Math.max(this.#probeWait, PROBE_WAIT_ROUNDS * this.#minRtt.value);
    if (now > this.#cycleStart + wait) return true;
    const segments = Math.min(this.#product(1), this.#window) / this.#mss;
    return this.#roundsSinceProbe >= Math.min(segments, PROBE_ROUNDS);
  }

  /** A random number from 0 to 1, made from what the flow has seen. */
  #draw(): number {
    this.#random = Math.imul(this.#random, 1664525) + 1013904223 | 0;
    return (this.#random >>> 8) / 0x1000000;
  }

  #mix(sample: RateSample): void {
    this.#random = Math.imul(
      this.#random ^ (sample.now * 1000 | 0) ^ sample.totalDelivered,
      0x9e3779b1,
    );
  }

  #probeRttWindow(): number {
    const latest = this.#doubtful ? this.#doubtfulRate : this.#bounds.latestBandwidth;
    const bw = latest > 0 ? Math.min(this.#bw, latest) : this.#bw;
    const window = this.#product(PROBE_RTT_GAIN, bw);
    if (this.#doubtful) return Math.max(window, MIN_SEGMENTS * this.#mss);
    return Math.max(window, this.#quanta, this.#least);
  }

  /** Whether a round has shown that the path is another one: longer, or much slower. */
  #isDoubtful(): boolean {
    if (!this.#pipeFilled || !this.#roundStart) return false;
    const bw = this.#bandwidth.value;
    return this.#longer.isLonger(this.#minRtt.value, this.#aggregation.burst, bw);
  }

  /** Draft §5.3.4.3. */
  #checkProbeRtt(now: number, sample: RateSample, rtt: number): void {
    if (this.#phase !== PROBE_RTT) {
      const doubtful = this.#isDoubtful();
      // A probe that still raises the rate comes first.
      const due = this.#minRtt.isDue && !this.#isProbing;
      if (!due && !doubtful) return;
      if (this.#idleRestart) this.#minRtt.onProbed(now);
      else {
        this.#saveWindow();
        this.#drained = false;
        this.#doubtful = doubtful;
        this.#doubtfulRate = this.#bounds.latestBandwidth;
        this.#ackPhase = ACKS_STOPPING;
        this.#enter(now, PROBE_RTT, 1, SLOWER);
      }
    }
    if (this.#phase !== PROBE_RTT) return;
    if (!this.#drained) {
      if (sample.inFlight > this.#probeRttWindow()) return;
      this.#drained = true;
      this.#drainedUntil = now + (this.#doubtful ? 0 : PROBE_RTT_DURATION);
      this.#startRound();
      this.#drainRound = this.#round;
    } else if (this.#round > this.#drainRound) {
      if (this.#doubtful && rtt >= 0) this.#decide(now, rtt);
      this.#checkProbeRttDone(now);
    }
  }

  /** The path was drained because it seemed to be another one. Now a sample in ms shows what it is. */
  #decide(now: number, rtt: number): void {
    if (rtt > this.#minRtt.value * LONGER_GAIN) {
      this.#minRtt.reset(now, rtt);
      this.#standing.reset();
      // Pacing keeps the window from leaving at once.
      this.#priorWindow = this.#held;
    } else {
      this.#bandwidth.reset(this.#doubtfulRate);
      this.#priorWindow = 0;
    }
  }

  #checkProbeRttDone(now: number): void {
    if (!this.#drained || now < this.#drainedUntil) return;
    this.#minRtt.onProbed(now);
    this.#doubtful = false;
    this.#window = Math.max(this.#window, this.#priorWindow);
    this.#bounds.resetShortTerm();
    this.#limitedUntil = this.#delivered + 1;
    if (this.#pipeFilled) {
      this.#startDown(now);
      this.#enter(now, CRUISE, 1, EQUAL);
    } else this.#enter(now, STARTUP, STARTUP_GAIN, GROWING);
  }

  #saveWindow(): void {
    if (this.#phase === PROBE_RTT || this.#timedOut) {
      this.#priorWindow = Math.max(this.#priorWindow, this.#window);
    } else this.#priorWindow = this.#window;
  }

  /** Judges a loss. Draft §5.5.10.2. */
  onLoss(loss: Loss): void {
    this.#loss.onLoss(loss.now, loss.sentAt, loss.bytes);
    this.#suspect(loss.now);
    const mss = this.#mss;
    const excess = this.#loss.isExcess(
      loss.lost,
      loss.txInFlight,
      mss,
      this.#queued,
      this.#probeSample,
    );
    if (!excess) return;
    this.#excess = true;
    if (this.#queued || this.#excessRounds >= EXCESS_ROUNDS) this.#congested = true;
    if (!this.#probeSample) return;
    this.#probeTooHigh = true;
    this.#probeSample = false;
    if (!loss.appLimited) {
      const target = Math.min(this.#product(1), this.#window);
      const least = this.#queued ? BETA * target : this.#held;
      this.#bounds.longTerm = Math.max(loss.txInFlight, least);
    }
    if (this.#phase === UP) {
      this.#undoPhase = UP;
      this.#startDown(loss.now);
    }
  }

  #suspect(now: number): void {
    if (now - this.#suspectedAt > 2 * this.#standing.smoothed) {
      this.#suspected = this.#suspects = 0;
      this.#saveWindow();
      this.#bounds.save();
      this.#undoPhase = "";
    }
    this.#suspectedAt = now;
    this.#suspected++;
    this.#suspects++;
  }

  /** Draft §5.6.4.4. A timeout while other segments arrive is a loss like others. */
  onTimeout(now: number, _segments: number, inFlight: number): void {
    if (this.#latency || now - this.#lastAck <= this.#standing.smoothed) return;
    this.#saveWindow();
    this.#timedOut = true;
    this.#window = inFlight + this.#mss;
    this.#nextRound = this.#delivered;
  }

  /** Draft §5.5.11.2. */
  onNeedlessLoss(now: number, segments: number): void {
    this.#loss.onFound(segments * this.#mss);
    if (this.#suspects === 0) return;
    this.#suspected = Math.max(0, this.#suspected - segments);
    if (this.#suspected > this.#suspects / 2) return;
    this.#suspected = this.#suspects = 0;
    this.#timedOut = false;
    this.#congested = false;
    this.#window = Math.max(this.#window, this.#priorWindow);
    this.#bounds.undo();
    this.#pipe.reset();
    if (this.#phase !== PROBE_RTT) {
      if (this.#undoPhase === STARTUP && this.#phase !== STARTUP) {
        this.#pipeFilled = false;
        this.#enter(now, STARTUP, STARTUP_GAIN, GROWING);
      } else if (this.#undoPhase === UP && this.#phase !== UP) this.#startRefill(now);
    }
    this.#undoPhase = "";
  }

  /** Takes over another size of segments. */
  onMtu(mss: number): void {
    this.#mss = mss;
  }

  #pace(gain: number): void {
    let bw = this.#bw;
    if (this.#phase === CRUISE) bw = Math.min(bw, this.#bandwidth.value * this.#sureShare);
    // What the path loses is not added: this shows whether these losses are its own.
    else if (gain < 1) bw *= 1 - this.#loss.rate;
    let rate = gain * bw * PACING_MARGIN;
    if (this.#latency) rate = Math.max(rate, this.#least / this.#standing.smoothed);
    if (this.#pipeFilled || rate > this.#pacing) this.#pacing = rate;
  }

  #setPacing(): void {
    if (this.#round <= 1 && !this.#pipeFilled && this.#standing.smoothed > 0) {
      // Draft §5.6.2: the first sample corrects the assumption of 1 ms.
      this.#pacing = STARTUP_GAIN * this.#window / this.#standing.smoothed;
    }
    this.#pace(this.#gain);
  }

  /** Draft §5.6.4.6 and §5.6.4.7. */
  #setWindow(acked: number): void {
    const { burst, extra } = this.#aggregation;
    let most: number;
    if (this.#phase === UP) {
      const part = PROBE_PART * this.#held;
      const room = this.#shares ? part : Math.min(part, PROBE_MS * this.#bw);
      const step = (this.#gain - UP_GAIN) / UP_GAIN * this.#held;
      most = this.#held + this.#bw * this.#residual + Math.max(room, 3 * this.#mss) + step;
    } else if (this.#phase === STARTUP) most = this.#product(WINDOW_GAIN) + WINDOW_GAIN * burst;
    else if (this.#phase === DRAIN || this.#phase === DOWN) most = this.#held;
    else most = this.#product(WINDOW_GAIN) + Math.max(burst, extra);
    most = Math.max(most, this.#quanta);
    if (this.#pipeFilled) this.#window = Math.min(this.#window + acked, most);
    else if (this.#window < most || this.#delivered < this.#initialWindow) this.#window += acked;
    let cap = Infinity;
    if (this.#phase === PROBE_RTT) {
      cap = Math.min(this.#probeRttWindow(), this.#bounds.withHeadroom(this.#mss));
    } else if (this.#phase === CRUISE) {
      cap = Math.max(this.#bounds.withHeadroom(this.#mss), this.#product(1));
    } else if (this.#isProbeBw) cap = this.#bounds.longTerm;
    cap = Math.min(cap, this.#bounds.inFlight);
    this.#window = Math.max(Math.min(this.#window, cap), this.#least);
  }
}
