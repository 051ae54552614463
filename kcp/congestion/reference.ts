import type {
  CongestionContext,
  CongestionController,
  CongestionState,
  Loss,
  RateSample,
} from "./controller.ts";

/** Smallest slow start threshold in segments. Source: the C reference. */
const SSTHRESH_MIN = 2;

/**
 * The controller of the C reference. It has slow start and congestion avoidance, with one step for
 * each packet that advances `snd_una`. After a fast retransmit the window is half of the segments
 * in flight, plus `resend`. After a timeout it is one segment.
 *
 * Source: the C reference, after RFC 5681.
 */
export class ReferenceController implements CongestionController {
  /** Always `Infinity`: the reference counts segments, not bytes. */
  readonly window: number = Infinity;
  /** Always `Infinity`: the reference does not pace. */
  readonly pacingRate: number = Infinity;
  readonly #resend: number;
  #mss: number;
  #cwnd = 1;
  /** In segments. */
  #ssthresh = SSTHRESH_MIN;
  /** The `incr` of the reference, in segments: the window with the fractions that avoidance adds. */
  #incr = 1;
  /** When a segment counted as lost, in ms. */
  #lostAt = -Infinity;
  /** Segments that were counted as lost and not shown to have been only late. */
  #suspected = 0;
  /** When the first of them was counted, in ms. */
  #suspectedAt = -Infinity;
  /** The state before, which comes back when all of them had only been late. */
  #cwndBefore = 0;
  #ssthreshBefore = 0;
  #incrBefore = 0;
  /** The last round-trip sample, in ms. */
  #rtt = 0;

  /** Creates a controller with a window of one segment. */
  constructor({ mss, resend }: Pick<CongestionContext, "mss" | "resend">) {
    this.#mss = mss;
    this.#resend = resend;
  }

  /** The congestion window `cwnd`. */
  get segmentWindow(): number {
    return this.#cwnd;
  }

  /** The slow start threshold in bytes. The reference counts it in segments. */
  get ssthresh(): number {
    return this.#ssthresh * this.#mss;
  }

  /** The reference measures neither the bandwidth nor the empty path. */
  get state(): CongestionState {
    const phase = this.#cwnd < this.#ssthresh ? "slow start" : "avoidance";
    return { algorithm: "reference", phase, bandwidth: 0, minRtt: 0 };
  }

  /** Does nothing: the window depends on acknowledgments and losses only. */
  onSend(): void {}

  /** Grows the window by one step if `snd_una` advanced and the peer's window is larger. */
  onAck({ now, advanced, rtt, remoteWindow }: RateSample): void {
    if (rtt >= 0) this.#rtt = rtt;
    if (advanced === 0 || this.#cwnd >= remoteWindow) return;
    // The reference looks for losses after it has handled all packets of a time. The loss decides.
    if (now === this.#lostAt) return;
    if (this.#cwnd < this.#ssthresh) {
      this.#cwnd++;
      this.#incr++;
    } else {
      this.#incr = Math.max(this.#incr, 1);
      this.#incr += 1 / this.#incr + 1 / 16;
      if (this.#cwnd + 1 <= this.#incr) this.#cwnd = Math.ceil(this.#incr);
    }
    if (this.#cwnd > remoteWindow) this.#cwnd = this.#incr = remoteWindow;
  }

  /**
   * Sets the window to half of the segments in flight, plus `resend`. All losses of one time have the
   * effect of one. Does nothing after a timeout: see {@linkcode ReferenceController.onTimeout}.
   */
  onLoss({ now, span, timedOut }: Loss): void {
    if (timedOut) return;
    this.#suspect(now, 1);
    this.#lostAt = now;
    this.#ssthresh = Math.max(span >>> 1, SSTHRESH_MIN);
    this.#cwnd = this.#incr = this.#ssthresh + this.#resend;
  }

  /** Sets the window to one segment, and `ssthresh` to half of the window before. */
  onTimeout(now: number, segments: number): void {
    this.#suspect(now, segments);
    this.#ssthresh = Math.max(this.#cwnd >>> 1, SSTHRESH_MIN);
    this.#cwnd = this.#incr = 1;
  }

  #suspect(now: number, segments: number): void {
    // What was not taken back after two round trips was lost.
    if (this.#suspected === 0 || now - this.#suspectedAt > 2 * this.#rtt) {
      this.#suspected = 0;
      this.#suspectedAt = now;
      this.#cwndBefore = this.#cwnd;
      this.#ssthreshBefore = this.#ssthresh;
      this.#incrBefore = this.#incr;
    }
    this.#suspected += segments;
  }

  /**
   * Brings the window back that it had before, when every segment that counted as lost since then had
   * only been late.
   */
  onNeedlessLoss(_now: number, segments: number): void {
    if (this.#suspected === 0) return;
    this.#suspected = Math.max(0, this.#suspected - segments);
    if (this.#suspected > 0 || this.#cwnd >= this.#cwndBefore) return;
    this.#cwnd = this.#cwndBefore;
    this.#ssthresh = this.#ssthreshBefore;
    this.#incr = this.#incrBefore;
  }

  /** The window counts segments of any size. */
  onMtu(mss: number): void {
    this.#mss = mss;
  }
}
