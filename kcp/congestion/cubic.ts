import type {
  CongestionContext,
  CongestionController,
  CongestionState,
  Loss,
  RateSample,
} from "./controller.ts";
import { HyStart } from "./hystart.ts";

/** How fast W_cubic grows, in segments / s³. RFC 9438 §5.1. */
const C = 0.4;
/** What a congestion event leaves of the window: β_cubic. RFC 9438 §4.6. */
const BETA = 0.7;
/** Segments that W_est gains in a round trip: α_cubic, 0.53. RFC 9438 §4.3. */
const ALPHA = 3 * (1 - BETA) / (1 + BETA);
/** The same after W_est has reached the window before the last event, as in Reno. RFC 9438 §4.3. */
const ALPHA_RENO = 1;
/** Fast convergence: W_max is this part of a window that is smaller than the last W_max. §4.7. */
const CONVERGENCE = (1 + BETA) / 2;
/** The window grows by this factor in a round trip at most: less than in slow start. §4.2. */
const MAX_GROWTH = 1.5;
/** Smallest window and threshold after a loss, in segments. RFC 9438 §4.6. */
const MIN_SEGMENTS = 2;
/** What a sample counts in the smoothed round-trip time. RFC 6298 §2. */
const SRTT_GAIN = 1 / 8;
/** A window that was not in use for this long, in ms, no longer tells of the path. RFC 7661 §4.4. */
const VALID_TIME = 300_000;
/** After that time, this is left of the window. RFC 7661 §4.4. */
const UNUSED_WINDOW = 1 / 2;
/** The threshold is then at least this part of the window. RFC 7661 §4.4. */
const UNUSED_SSTHRESH = 3 / 4;
/**
 * In slow start, `2 * cwnd` leave in a round trip. RFC 9438 knows no pacing; RFC 9002 §7.7 gives the
 * form `N * cwnd / srtt`. A paced window that doubles in a round trip R is `2^(t / R)`, so N times
 * `1 / (2 * ln 2)` of it is in flight. Hence with N < 1.39 the pacer would hold slow start back.
 */
const SLOW_START_PACING = 2;
/**
 * Otherwise `1.2 * cwnd` leave in a round trip: a little more than the window, so that the window is
 * full although round trips vary (RFC 9002 §7.7, with 1.25 as an example). Conservative slow start
 * needs 1.12, by the same sum as above.
 */
const PACING = 1.2;

/** What a congestion event changes, and its undoing brings back. Windows in bytes. RFC 9438 §4.1.2. */
interface Variables {
  cwnd: number;
  ssthresh: number;
  /** The window before the last congestion event, or at the end of the first slow start. */
  cwndPrior: number;
  wMax: number;
  /** In seconds. */
  k: number;
  /**
   * The time t in seconds that the stage of congestion avoidance has lasted. It does not count while
   * the window is not in use (§4.2). -1 before the first acknowledgment of the stage.
   */
  t: number;
  wEst: number;
  /** When the window was last reduced, in ms. */
  reducedAt: number;
}

/**
 * CUBIC with HyStart++. The window grows with the time since the last congestion event: fast at
 * first, slowly near the window at which segments were lost, and then faster and faster. Where TCP
 * Reno would have a larger window, that is the window. A loss reduces it to 0.7.
 *
 * All losses of what was sent before the window was reduced are one congestion event (RFC 9438 §4.6,
 * RFC 9002 §7.3.2). The window does not grow until something that was sent since then is acknowledged.
 *
 * A timeout is a loss like others while acknowledgments flow. In KCP, every segment has its own timeout,
 * and with `resend` 0 nothing else shows a loss. In TCP, a timeout tells more: each acknowledgment of
 * new data starts the timer anew (RFC 6298 §5.3). What tells as much here is a timeout after a round
 * trip without any acknowledgment, if nothing has arrived that was sent with the segment or later. Then
 * the window is one segment, as in RFC 5681 §3.1, and slow start begins.
 *
 * Only a window that is in use grows (RFC 9438 §5.8): it has held data back within the last round trip.
 *
 * Source: RFC 9438, RFC 9406. Sections without a number of an RFC are of RFC 9438.
 */
export class CubicController implements CongestionController {
  /** Always `Infinity`: the window counts bytes. */
  readonly segmentWindow: number = Infinity;
  readonly #vars: Variables;
  readonly #undo: Variables;
  readonly #hystart = new HyStart();
  readonly #initialWindow: number;
  #mss: number;
  /** In ms; 0 before the first sample. */
  #srtt = 0;
  #minRtt = Infinity;
  /** Whether nothing has been acknowledged that was sent since the window was reduced. */
  #recovering = false;
  /** Whether the window is one segment after timeouts, and nothing was acknowledged since then. */
  #stalled = false;
  /** Whether the timeout that is being reported shows that no acknowledgments flow. */
  #silence = false;
  /** When the newest segment was sent that has arrived, in ms. */
  #arrivedSentAt = -Infinity;
  /** When the window was last seen to hold data back, in ms. */
  #limitedAt = -Infinity;
  /** The window has been valid until this time, in ms: see {@linkcode VALID_TIME}. */
  #validAt = -Infinity;
  /** When the last acknowledgment came, in ms. */
  #ackedAt = -Infinity;
  /** Losses of the last congestion event that have not turned out to be only late. */
  #suspected = 0;

  /** Creates a controller in slow start, with the initial window. */
  constructor({ mss, initialWindow }: Pick<CongestionContext, "mss" | "initialWindow">) {
    const cwnd = Math.max(initialWindow, mss);
    this.#mss = mss;
    this.#initialWindow = cwnd;
    this.#vars = {
      cwnd,
      ssthresh: Infinity,
      cwndPrior: cwnd,
      wMax: 0,
      k: 0,
      t: -1,
      wEst: 0,
      reducedAt: -Infinity,
    };
    this.#undo = { ...this.#vars };
  }

  /** The congestion window `cwnd`. */
  get window(): number {
    return this.#vars.cwnd;
  }

  /** The slow start threshold. `Infinity` in the first slow start. */
  get ssthresh(): number {
    return this.#vars.ssthresh;
  }

  /** `Infinity` until the round-trip time is known. */
  get pacingRate(): number {
    return this.#srtt > 0 ? this.#pacing * this.#rate : Infinity;
  }

  get #pacing(): number {
    return this.#slowStart && !this.#conservative ? SLOW_START_PACING : PACING;
  }

  /** Bytes per second: a window in a round trip. */
  get #rate(): number {
    return 1000 * this.#vars.cwnd / this.#srtt;
  }

  get #slowStart(): boolean {
    return this.#vars.cwnd < this.#vars.ssthresh;
  }

  /** Only the first slow start has no threshold. RFC 9406 §4.3 asks for HyStart++ in that one. */
  get #conservative(): boolean {
    return this.#vars.ssthresh === Infinity && this.#hystart.conservative;
  }

  /** The bandwidth is a window in a round trip. */
  get state(): CongestionState {
    let phase = "avoidance";
    if (this.#conservative) phase = "conservative slow start";
    else if (this.#slowStart) phase = "slow start";
    else if (this.#recovering) phase = "recovery";
    const bandwidth = this.#srtt > 0 ? this.#rate : 0;
    const minRtt = this.#minRtt < Infinity ? this.#minRtt : 0;
    return { algorithm: "cubic", phase, bandwidth, minRtt };
  }

  /** Does nothing: the window depends on acknowledgments and losses only. */
  onSend(): void {}

  /** The time without data is no part of t. */
  onIdleRestart(now: number): void {
    this.#ackedAt = now;
    this.#expire(now);
  }

  /** Lets the window grow if it is in use. */
  onAck(sample: RateSample): void {
    const { now, acked, rtt, roundStart } = sample;
    if (rtt >= 0) this.#takeRtt(now, rtt);
    if (sample.windowLimited) this.#limitedAt = this.#validAt = now;
    const growth = this.#vars.ssthresh === Infinity
      ? this.#hystart.onAck(acked, rtt, roundStart)
      : acked;
    if (acked > 0) this.#grow(now, acked, growth);
  }

  #takeRtt(now: number, rtt: number): void {
    this.#srtt = this.#srtt === 0 ? rtt : this.#srtt + SRTT_GAIN * (rtt - this.#srtt);
    this.#minRtt = Math.min(this.#minRtt, rtt);
    this.#arrivedSentAt = Math.max(this.#arrivedSentAt, now - rtt);
    if (this.#arrivedSentAt >= this.#vars.reducedAt) this.#recovering = false;
  }

  /**
   * @param growth Bytes by which slow start lets the window grow.
   */
  #grow(now: number, acked: number, growth: number): void {
    const vars = this.#vars;
    const passed = now - this.#ackedAt;
    this.#ackedAt = now;
    this.#stalled = false;
    // Some packets of a window in use show that it is: a batch of packets is one event.
    if (now - this.#limitedAt > this.#srtt) {
      this.#expire(now);
    } else if (this.#slowStart) {
      // What arrives late from before a timeout is acknowledged at once, and says little. RFC 3465 §2.3.
      if (this.#recovering) growth = Math.min(growth, this.#mss);
      vars.cwnd = Math.min(vars.cwnd + growth, vars.ssthresh);
      if (vars.ssthresh === Infinity && this.#hystart.done) {
        vars.ssthresh = vars.cwndPrior = vars.cwnd;
      }
      // In the stage that follows, K is 0 (§4.8, §4.10).
      if (!this.#slowStart) vars.wMax = vars.cwnd;
    } else if (!this.#recovering) {
      this.#avoid(passed / 1000, acked);
    }
  }

  /**
   * Congestion avoidance (§4.2 to §4.5).
   *
   * @param passed Seconds since the last acknowledgment.
   */
  #avoid(passed: number, acked: number): void {
    const vars = this.#vars;
    if (vars.t < 0) this.#startStage();
    else vars.t += passed;
    const { cwnd } = vars;
    // The part of a round trip that these bytes stand for.
    const part = Math.min(1, acked / cwnd);
    const alpha = vars.wEst < vars.cwndPrior ? ALPHA : ALPHA_RENO;
    vars.wEst += alpha * this.#mss * part;
    if (this.#cubic(vars.t) < vars.wEst) {
      vars.cwnd = Math.max(cwnd, vars.wEst);
    } else {
      const target = this.#cubic(vars.t + this.#srtt / 1000);
      vars.cwnd += (Math.min(Math.max(target, cwnd), MAX_GROWTH * cwnd) - cwnd) * part;
    }
  }

  /** The stage begins at the present window, and W_cubic reaches W_max after K (§4.2). */
  #startStage(): void {
    const vars = this.#vars;
    vars.t = 0;
    vars.k = Math.cbrt((vars.wMax - vars.cwnd) / (C * this.#mss));
    vars.wEst = vars.cwnd;
  }

  /** W_cubic in bytes after `t` seconds of the stage (§4.2). */
  #cubic(t: number): number {
    return C * this.#mss * (t - this.#vars.k) ** 3 + this.#vars.wMax;
  }

  /** Reduces the window if the loss is a new congestion event. */
  onLoss(loss: Loss): void {
    if (loss.timedOut && this.#isSilent(loss)) this.#silence = true;
    // The threshold stays when a retransmission times out, and nothing was acknowledged. RFC 5681 §3.1.
    if (loss.sentAt > this.#vars.reducedAt && !this.#stalled) {
      Object.assign(this.#undo, this.#vars);
      this.#reduce(loss);
      this.#suspected = 1;
    } else if (!loss.again) {
      this.#suspected++;
    }
  }

  /**
   * Whether no acknowledgment has come for a round trip, and none of what was sent with the segment or
   * later. On the wire, times are whole milliseconds.
   */
  #isSilent({ now, sentAt }: Loss): boolean {
    return now - this.#ackedAt >= this.#srtt && this.#arrivedSentAt + 1 <= sentAt;
  }

  /** Multiplicative decrease (§4.6) and fast convergence (§4.7). */
  #reduce(loss: Loss): void {
    const vars = this.#vars;
    const cwnd = this.#usedWindow(loss);
    vars.wMax = cwnd < vars.wMax ? CONVERGENCE * cwnd : cwnd;
    vars.cwndPrior = cwnd;
    vars.ssthresh = vars.cwnd = Math.max(BETA * cwnd, MIN_SEGMENTS * this.#mss);
    vars.t = -1;
    vars.reducedAt = loss.now;
    this.#recovering = true;
  }

  /**
   * The window, if it has held data back since the segment was sent. Otherwise the part of it that was
   * in use, since nothing shows that the path can carry more (§4.6, RFC 7661 §4.4). Without any such
   * knowledge, the initial window may be sent.
   */
  #usedWindow({ sentAt, txInFlight, inFlight, lost }: Loss): number {
    const { cwnd } = this.#vars;
    if (this.#limitedAt >= sentAt) return cwnd;
    return Math.min(cwnd, Math.max(txInFlight, inFlight + lost, this.#initialWindow));
  }

  /** Sets the window to one segment if no acknowledgments flow (§4.8). */
  onTimeout(now: number): void {
    if (!this.#silence) return;
    this.#silence = false;
    const vars = this.#vars;
    vars.cwnd = this.#mss;
    vars.t = -1;
    vars.reducedAt = now;
    this.#recovering = this.#stalled = true;
  }

  /**
   * Undoes the last congestion event if all its losses had only been late, and the window is still
   * smaller than before (§4.9.1, §4.9.2).
   */
  onNeedlessLoss(_now: number, segments: number): void {
    if (this.#suspected === 0) return;
    this.#suspected = Math.max(0, this.#suspected - segments);
    if (this.#suspected > 0 || this.#vars.cwnd >= this.#vars.cwndPrior) return;
    Object.assign(this.#vars, this.#undo);
    this.#recovering = this.#stalled = false;
  }

  /** The window counts bytes, and stays as it is. W_cubic counts segments, and starts anew. */
  onMtu(mss: number): void {
    const vars = this.#vars;
    this.#mss = mss;
    vars.t = -1;
    vars.cwnd = Math.max(vars.cwnd, mss);
    vars.ssthresh = Math.max(vars.ssthresh, MIN_SEGMENTS * mss);
  }

  /** Takes back half of a window that was not in use for long, down to the initial window. */
  #expire(now: number): void {
    const vars = this.#vars;
    if (this.#validAt === -Infinity) this.#validAt = now;
    while (now - this.#validAt > VALID_TIME && vars.cwnd > this.#initialWindow) {
      this.#validAt += VALID_TIME;
      vars.ssthresh = Math.max(vars.ssthresh, UNUSED_SSTHRESH * vars.cwnd);
      vars.cwnd = Math.max(UNUSED_WINDOW * vars.cwnd, this.#initialWindow);
      vars.t = -1;
    }
  }
}
