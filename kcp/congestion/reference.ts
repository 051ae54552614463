import type { CongestionController } from "./controller.ts";

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
  /** Always `Infinity`: the reference does not pace. */
  readonly pacingRate: number = Infinity;
  readonly #mss: number;
  readonly #resend: number;
  #cwnd = 1;
  #ssthresh = SSTHRESH_MIN;
  /** The window in bytes. Congestion avoidance adds fractions of a segment to it. */
  #incr: number;
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

  /**
   * Creates a controller with a window of one segment.
   *
   * @param mss Payload bytes of a full segment.
   * @param resend The `resend` option: the window after a fast retransmit is `ssthresh + resend`.
   */
  constructor(mss: number, resend: number) {
    this.#mss = mss;
    this.#resend = resend;
    this.#incr = mss;
  }

  /** The congestion window `cwnd` in segments. */
  get window(): number {
    return this.#cwnd;
  }

  /** The slow start threshold in segments. */
  get ssthresh(): number {
    return this.#ssthresh;
  }

  /** Does nothing: the window depends on acknowledgments and losses only. */
  onSend(): void {}

  /** Grows the window by one step if `snd_una` advanced and the peer's window is larger. */
  onAck(
    _now: number,
    _segments: number,
    advanced: number,
    _bytes: number,
    rtt: number,
    remoteWindow: number,
  ): void {
    if (rtt >= 0) this.#rtt = rtt;
    if (advanced === 0 || this.#cwnd >= remoteWindow) return;
    const mss = this.#mss;
    if (this.#cwnd < this.#ssthresh) {
      this.#cwnd++;
      this.#incr += mss;
    } else {
      this.#incr = Math.max(this.#incr, mss);
      this.#incr += mss * mss / this.#incr + mss / 16;
      if ((this.#cwnd + 1) * mss <= this.#incr) this.#cwnd = Math.ceil(this.#incr / mss);
    }
    if (this.#cwnd > remoteWindow) {
      this.#cwnd = remoteWindow;
      this.#incr = remoteWindow * mss;
    }
  }

  /** Sets the window to half of the segments in flight, plus `resend`. */
  onLoss(now: number, segments: number, inFlight: number): void {
    this.#suspect(now, segments);
    this.#ssthresh = Math.max(inFlight >>> 1, SSTHRESH_MIN);
    this.#cwnd = this.#ssthresh + this.#resend;
    this.#incr = this.#cwnd * this.#mss;
  }

  /** Sets the window to one segment, and `ssthresh` to half of the window before. */
  onTimeout(now: number, segments: number): void {
    this.#suspect(now, segments);
    this.#ssthresh = Math.max(this.#cwnd >>> 1, SSTHRESH_MIN);
    this.#cwnd = 1;
    this.#incr = this.#mss;
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
  onNeedlessRetransmit(_now: number, segments: number): void {
    if (this.#suspected === 0) return;
    this.#suspected = Math.max(0, this.#suspected - segments);
    if (this.#suspected > 0 || this.#cwnd >= this.#cwndBefore) return;
    this.#cwnd = this.#cwndBefore;
    this.#ssthresh = this.#ssthreshBefore;
    this.#incr = this.#incrBefore;
  }
}
