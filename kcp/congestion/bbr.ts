import { FullPipe } from "./bbr_full_pipe.ts";
import { Limits } from "./bbr_limits.ts";
import { LossRounds } from "./bbr_loss_rounds.ts";
import { Path } from "./bbr_path.ts";
import { FASTER, GROWING } from "./bbr_path_loss.ts";
import {
  CRUISE,
  DOWN,
  DRAIN,
  isCycling,
  isProbing,
  type Phase,
  PHASES,
  PROBE_RTT,
  REFILL,
  STARTUP,
  UP,
} from "./bbr_phases.ts";
import { PROBE_RTT_GAIN, ProbeRtt } from "./bbr_probe_rtt.ts";
import { Probing } from "./bbr_probing.ts";
import { Rounds } from "./bbr_rounds.ts";
import { Suspects } from "./bbr_suspects.ts";
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
   * Highest loss rate, 0 to below 1, that may be the path's own. Losses up to the rate that the path shows
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

/** Draft §5.3.2: Drain lasts at most this many rounds more than one. */
const DRAIN_ROUNDS = 3;
/** Highest loss rate that may be the path's own, by default. */
const PATH_LOSS = 0.5;
/** Between probes, a queue slows the flow down by this part at most, and if others keep a queue. */
const TRIM = 0.5;
const SHARED_TRIM = 0.15;
/** The queue is drained in about this many round trips. */
const TRIM_ROUNDS = 2;
/** After so many rounds, a queue shows a full pipe whatever limits the flow. */
const LIMITED_ROUNDS = 8;
/** A path that loses less than this part has no losses of its own. */
const LOSSLESS = 0.02;
/** The path's own loss rate is known well if at least this part of it is sure. */
const SURE = 0.25;
/** A queue that has grown by this part of the shortest round trip is congestion. */
const DELAY_PART = 0.25;

/**
 * BBR version 3, for paths that lose segments for other reasons than congestion.
 *
 * The model of the path is its bandwidth and its shortest round trip. Segments leave at the bandwidth,
 * and about one bandwidth-delay product is in flight. So queues stay short. Every 1 to 2 s, a probe
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
 * - A path that becomes longer is found within a round trip or a few. See {@linkcode PathStep}.
 *   Until it is known, a flow sends as on the longer path. See {@linkcode Pause}.
 * - On a path that holds many more segments, Startup begins faster. See {@linkcode FastStart}.
 * - On one that holds fewer than the first flight, losses make no room for others in Startup.
 */
export class BbrController implements CongestionController {
  /** Always `Infinity`: the limit counts bytes. */
  readonly segmentWindow: number = Infinity;
  /** Always `Infinity`: there is none. */
  readonly ssthresh: number = Infinity;
  readonly #path: Path;
  readonly #rounds = new Rounds();
  readonly #pipe = new FullPipe();
  readonly #probing: Probing;
  readonly #probeRtt: ProbeRtt;
  readonly #limits: Limits;
  readonly #lossRounds = new LossRounds();
  readonly #suspects = new Suspects();
  #phase: Phase = STARTUP;
  #phaseStart = -Infinity;
  #gain: number = PHASES[STARTUP].gain;
  /** Whether the pipe was ever full. */
  #pipeFilled = false;
  /** Bytes per ms, and bytes in a round trip, that the present sample shows. */
  #rate = 0;
  #volume = 0;
  #idleRestart = false;
  /** What is sent until this many bytes are delivered shows less than the path can do. */
  #limitedUntil = 0;
  #lastAck = -Infinity;
  /** The phase that losses have ended, which comes back if they were none. */
  #undoPhase: typeof STARTUP | typeof UP | "" = "";

  /**
   * Creates a controller that knows nothing of the path yet.
   *
   * @param context What is known of the connection.
   * @param options Settings.
   * @throws {RangeError} If `pathLoss` is not from 0 to below 1.
   */
  constructor(context: CongestionContext, options: BbrOptions = {}) {
    const { mss, initialWindow } = context;
    const { pathLoss = PATH_LOSS, latency = false } = options;
    if (!(pathLoss >= 0 && pathLoss < 1)) {
      throw new RangeError(`Cannot set pathLoss to ${pathLoss}: the range is 0 to below 1`);
    }
    const path = this.#path = new Path(mss, initialWindow, pathLoss);
    const rounds = this.#rounds;
    const probing = this.#probing = new Probing(path, rounds);
    const probeRtt = this.#probeRtt = new ProbeRtt(path, rounds);
    this.#limits = new Limits(path, rounds, probing, probeRtt, initialWindow, latency);
  }

  /** Bytes that may be in flight. */
  get window(): number {
    return this.#limits.window;
  }

  /** Bytes per second at which segments may leave. */
  get pacingRate(): number {
    return this.#limits.pacing * 1000;
  }

  /** Phase, bandwidth and shortest round trip. */
  get state(): CongestionState {
    const { bw, loss, minRtt } = this.#path;
    return {
      algorithm: "bbr",
      phase: this.#phase,
      bandwidth: bw * (1 - loss.rate) * 1000,
      minRtt: minRtt.value === Infinity ? 0 : minRtt.value,
    };
  }

  /** Notes what is sent. */
  onSend(now: number, bytes: number): void {
    const { loss } = this.#path;
    if (loss.isNew) loss.begin(now, FASTER);
    loss.onSend(bytes);
  }

  /** Draft §5.4.1. */
  onIdleRestart(now: number): void {
    const { aggregation, standing } = this.#path;
    // Nothing is in flight either when all of it has timed out.
    if (this.#suspects.areRecent(now, standing.smoothed)) return;
    this.#idleRestart = true;
    aggregation.onIdleRestart(now);
    if (isCycling(this.#phase)) this.#limits.pace(this.#phase, 1, this.#pipeFilled);
    else if (this.#phase === PROBE_RTT) this.#endProbeRtt(now, -1);
  }

  /** Updates the model, the phase and the limits. Draft §5.2.3. */
  onAck(sample: RateSample): void {
    const { now, rtt } = sample;
    const measured = sample.delivered > 0;
    if (rtt >= 0) this.#noteRtt(sample, measured);
    if (sample.acked === 0) {
      this.#rounds.windowLimited ||= sample.windowLimited;
      return;
    }
    this.#lastAck = now;
    this.#probing.onAck(sample);
    this.#rounds.onAck(sample);
    const appLimited = this.#noteRate(sample, measured);
    this.#checkStartup(now, sample);
    this.#checkDrain(now, sample);
    if (this.#pipeFilled) this.#cycle(now, sample, appLimited);
    this.#checkProbeRtt(now, sample, rtt);
    if (measured) this.#idleRestart = false;
    if (this.#lossRounds.begins) {
      this.#path.bounds.beginRound(this.#rate, this.#volume);
      this.#lossRounds.finish();
    }
    if (this.#rounds.begins) this.#limits.onRound();
    this.#rounds.finish(appLimited);
    this.#limits.update(sample, this.#phase, this.#gain, this.#pipeFilled, this.#lossRounds.excess);
  }

  /** Reads a round-trip sample. */
  #noteRtt(sample: RateSample, measured: boolean): void {
    const { now, rtt, appLimited, txInFlight } = sample;
    const path = this.#path;
    const { minRtt, standing } = path;
    const idle = measured && appLimited;
    const empty = idle && txInFlight <= path.product(PROBE_RTT_GAIN);
    standing.onSample(now, rtt);
    minRtt.onSample(now, rtt, empty || idle && minRtt.isSimilar(rtt));
    if (!isProbing(this.#phase) && this.#phase !== PROBE_RTT) {
      path.residual = Math.min(path.residual, path.queue);
    }
    if (this.#pipeFilled && !appLimited) {
      const longer = this.#probeRtt.onRtt(now, rtt, sample.acked);
      if (longer >= 0) this.#lengthen(sample, longer);
      else if (
        // With little in flight, the peer may hold each acknowledgment back.
        this.#phase !== PROBE_RTT && this.#probeRtt.onPause(rtt, now - this.#lastAck)
      ) this.#resume(sample);
    }
    const { queued } = path;
    this.#probing.onQueue(queued);
    path.loss.onAck(now, now - rtt, queued, standing.smoothed, path.mss);
  }

  /** The path has become longer. What was in flight is too little for it. */
  #lengthen(sample: RateSample, rtt: number): void {
    this.#path.lengthen(sample.now, rtt);
    this.#cruise(sample);
  }

  /** The path may have become longer. */
  #resume(sample: RateSample): void {
    this.#path.resume();
    this.#cruise(sample);
  }

  #cruise({ now, priorInFlight, totalDelivered }: RateSample): void {
    this.#limits.lengthen();
    this.#limitedUntil = totalDelivered + priorInFlight + 1;
    this.#startDown(now, false);
    this.#enter(now, CRUISE);
  }

  /** Reads a rate sample. Returns whether it shows less than the path can do. */
  #noteRate(sample: RateSample, measured: boolean): boolean {
    const path = this.#path;
    const rounds = this.#rounds;
    const { bounds, loss, bandwidth } = path;
    let appLimited = true;
    this.#rate = this.#volume = 0;
    if (measured) {
      // What the path loses itself counts as delivered: it has to be sent.
      const lossRate = this.#probing.hasFeedback ? loss.rate : loss.sure;
      const share = 1 + Math.min(sample.lost / sample.delivered, lossRate / (1 - lossRate));
      this.#rate = sample.deliveryRate * share / 1000;
      this.#volume = sample.delivered * share;
      appLimited = sample.appLimited || sample.priorDelivered < this.#limitedUntil;
      // The first flight left in a burst.
      if (rounds.begins && rounds.count === 2 && this.#phase === STARTUP) {
        loss.begin(sample.now, GROWING);
      }
      // Draft §5.5.5: a limited sample counts only if it is high.
      if (this.#rate > 0 && (this.#rate >= bandwidth.value || !appLimited)) {
        bandwidth.update(this.#rate);
      }
      if (rounds.begins) {
        const longer = this.#probeRtt.onRound();
        if (longer >= 0) this.#lengthen(sample, longer);
      }
      this.#probeRtt.longer.onSample(sample.rtt, sample.txInFlight);
    }
    bounds.onSample(this.#rate, this.#volume);
    this.#beginLossRound(sample);
    path.aggregation.onAck(sample.now, sample.acked, path.bw, this.#limits.window);
    if (rounds.begins) {
      path.aggregation.onRound(!this.#pipeFilled);
      // After many rounds, the window of the peer may limit a flow that fills the pipe.
      const limited = rounds.count > LIMITED_ROUNDS && path.queued && sample.txInFlight > path.held;
      if (!rounds.appLimited || limited) {
        const lost = sample.lost / (sample.lost + sample.delivered);
        this.#pipe.onRound(bounds.latestBandwidth, lost, path.queued);
      }
    }
    return appLimited;
  }

  /** A round of losses may have ended: congestion in it lowers the bounds. Draft §5.5.10.3. */
  #beginLossRound(sample: RateSample): void {
    const path = this.#path;
    const rounds = this.#lossRounds;
    if (!rounds.onAck(sample)) return;
    const limit = Math.max(DELAY_PART * path.minRtt.value, path.queueThreshold);
    this.#sumLosses(sample);
    const lost = rounds.congested;
    if (!path.shared && path.queue - path.residual > limit) rounds.congested = true;
    if (!rounds.congested || this.#phase === STARTUP || isProbing(this.#phase)) return;
    this.#lowerBounds(lost);
  }

  /** Beside others on a path without losses of its own, the losses of several rounds count, too. */
  #sumLosses(sample: RateSample): void {
    const path = this.#path;
    const rounds = this.#lossRounds;
    if (isProbing(this.#phase)) return;
    rounds.add(sample, path.mss);
    if (!path.shared || path.loss.rate >= LOSSLESS) return;
    if (path.isExcess(rounds.sumLost, rounds.sumSent, path.loss.sure)) rounds.onSum();
  }

  /** @param lost Whether losses have shown the congestion. */
  #lowerBounds(lost: boolean): void {
    const path = this.#path;
    const { bounds, loss, sureShare } = path;
    // As long as no queue is seen, and the path is known to lose, one step has to do.
    const once = !this.#probing.queuedSince && 2 * loss.sure > loss.rate;
    if (once && bounds.bandwidth < Infinity) return;
    // The highest samples of all flows are more than the path has: then, the last one is the limit.
    const exact = lost && (path.shared || loss.rate === 0 || loss.sure < SURE * loss.rate);
    const rate = exact ? this.#rate : bounds.latestBandwidth;
    const volume = exact ? this.#volume : bounds.latestInFlight;
    bounds.lower(path.bandwidth.value, this.#limits.window, rate * sureShare, volume * sureShare);
  }

  #enter(now: number, phase: Phase): void {
    this.#phase = phase;
    this.#phaseStart = now;
    this.#gain = PHASES[phase].gain;
    this.#path.loss.begin(now, PHASES[phase].sending);
    this.#rounds.startPhase();
  }

  /** Draft §5.3.1. */
  #checkStartup(now: number, sample: RateSample): void {
    if (this.#phase !== STARTUP) return;
    const path = this.#path;
    const { bounds, loss, mss } = path;
    if (this.#pipe.full) this.#pipeFilled = true;
    else if (
      (this.#rounds.begins || path.queue > path.minRtt.value && this.#rounds.count > 1) &&
      this.#lossRounds.congested && (path.queued || loss.isKnown(mss)) &&
      path.isExcess(sample.lost, sample.txInFlight, loss.lowest)
    ) {
      this.#undoPhase = STARTUP;
      this.#pipeFilled = true;
      bounds.longTerm = Math.max(path.held, bounds.latestInFlight);
    }
    if (this.#pipeFilled) {
      this.#probing.endStartup();
      this.#enter(now, DRAIN);
    }
  }

  /** Draft §5.3.2. */
  #checkDrain(now: number, { inFlight }: RateSample): void {
    if (this.#phase !== DRAIN) return;
    const path = this.#path;
    if (
      inFlight <= Math.max(path.product(1), path.quantum) || this.#rounds.inPhase > DRAIN_ROUNDS
    ) this.#startDown(now);
  }

  /** Draft §5.3.3.6, `UpdateProbeBWCyclePhase`. */
  #cycle(now: number, sample: RateSample, appLimited: boolean): void {
    const probing = this.#probing;
    const window = this.#limits.window;
    if (probing.adapt(sample, appLimited, isCycling(this.#phase), this.#phase === UP, window)) {
      return this.#startRefill(now);
    }
    switch (this.#phase) {
      case DOWN:
        if (probing.isDue(now, window)) this.#startRefill(now);
        else if (this.#isDrained(sample)) this.#enter(now, CRUISE);
        return;
      case CRUISE:
        if (probing.isDue(now, window)) this.#startRefill(now);
        else this.#gain = 1 - this.#trim;
        return;
      case REFILL:
        if (!this.#rounds.begins) return;
        this.#enter(now, UP);
        probing.begin(window);
        this.#gain = probing.gain;
        return;
      case UP:
        if (probing.isOver(sample, window)) this.#startDown(now);
        else this.#gain = probing.gain;
    }
  }

  /** Draft §5.3.3.1. At least one round shows how much is lost at a lower rate. */
  #isDrained({ inFlight }: RateSample): boolean {
    if (this.#rounds.inPhase < 1) return false;
    const path = this.#path;
    const headroom = Math.max(path.bounds.withHeadroom(path.mss), path.least);
    const target = Math.min(Math.max(path.product(1), path.quantum), headroom);
    return inFlight <= target || !path.queued;
  }

  /** By which part the flow sends less than the bandwidth, since a queue has grown. */
  get #trim(): number {
    const { queue, others, queueThreshold, standing, shared } = this.#path;
    const grown = queue - others - queueThreshold / 2;
    if (grown <= 0) return 0;
    return Math.min(shared ? SHARED_TRIM : TRIM, grown / (TRIM_ROUNDS * standing.smoothed));
  }

  #startDown(now: number, probed = this.#phase === UP): void {
    this.#probing.end(now, probed);
    this.#path.residual = this.#path.queue;
    this.#lossRounds.congested = false;
    this.#enter(now, DOWN);
  }

  #startRefill(now: number): void {
    this.#probing.prepare();
    this.#limits.refill();
    this.#enter(now, REFILL);
  }

  /** Draft §5.3.4.3. */
  #checkProbeRtt(now: number, sample: RateSample, rtt: number): void {
    const { minRtt } = this.#path;
    if (this.#phase !== PROBE_RTT) {
      const doubtful = this.#pipeFilled && this.#probeRtt.isDoubtful;
      // A probe that still raises the rate comes first.
      if (!doubtful && (!minRtt.isDue || isProbing(this.#phase))) return;
      if (this.#path.pause.rtt > 0) return;
      if (this.#idleRestart) return minRtt.onProbed(now);
      this.#limits.save(this.#phase);
      this.#probeRtt.begin(doubtful);
      this.#probing.stop();
      this.#enter(now, PROBE_RTT);
    }
    if (this.#probeRtt.onAck(sample, this.#limits.least)) this.#endProbeRtt(now, rtt);
  }

  /** Ends the probe of the round trip, if it lasted long enough. */
  #endProbeRtt(now: number, rtt: number): void {
    if (!this.#probeRtt.isOver(now)) return;
    this.#limits.endProbeRtt(now, rtt);
    this.#path.bounds.resetShortTerm();
    this.#limitedUntil = this.#rounds.delivered + 1;
    if (this.#pipeFilled) {
      this.#startDown(now);
      this.#enter(now, CRUISE);
    } else this.#enter(now, STARTUP);
  }

  /** Judges a loss. Draft §5.5.10.2. */
  onLoss(loss: Loss): void {
    const { now, sentAt } = loss;
    const path = this.#path;
    const probing = this.#probing;
    path.loss.onLoss(now, sentAt, loss.bytes);
    if (this.#suspects.add(now, path.standing.smoothed, loss.again)) {
      this.#limits.save(this.#phase);
      path.bounds.save();
      this.#undoPhase = "";
    }
    const own = probing.judges ? path.loss.rate : path.loss.sure;
    if (!path.isExcess(loss.lost, loss.txInFlight, own)) return;
    // What was sent in an earlier phase says nothing of this one.
    this.#lossRounds.onExcess(sentAt >= this.#phaseStart, path.queued);
    if (this.#phase === STARTUP) this.#limits.onExcess(loss);
    if (!probing.judges) return;
    probing.onExcess(loss, this.#limits.window);
    if (this.#phase === UP) {
      this.#undoPhase = UP;
      this.#startDown(now);
    }
  }

  /** Draft §5.6.4.4. A timeout while other segments arrive is a loss like others. */
  onTimeout(now: number, _segments: number, inFlight: number): void {
    const { standing, pause } = this.#path;
    if (now - this.#lastAck <= Math.max(standing.smoothed, pause.rtt)) return;
    this.#limits.onTimeout(this.#phase, inFlight);
  }

  /** Draft §5.5.11.2. */
  onNeedlessLoss(now: number, segments: number): void {
    const { loss, bounds, mss } = this.#path;
    loss.onFound(segments * mss);
    if (!this.#suspects.clear(segments)) return;
    this.#lossRounds.congested = false;
    this.#limits.restore();
    bounds.undo();
    this.#pipe.reset();
    if (this.#phase !== PROBE_RTT) {
      if (this.#undoPhase === STARTUP && this.#phase !== STARTUP) {
        this.#pipeFilled = false;
        this.#enter(now, STARTUP);
      } else if (this.#undoPhase === UP && this.#phase !== UP) this.#startRefill(now);
    }
    this.#undoPhase = "";
  }

  /** Takes over another size of segments. */
  onMtu(mss: number): void {
    this.#path.mss = mss;
    this.#limits.onMtu();
  }

  /** Takes over another size of bursts. */
  onBurst(bytes: number): void {
    this.#path.burst = bytes;
  }
}
