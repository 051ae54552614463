import type { CongestionController } from "./controller.ts";

/** Smallest slow start threshold in segments. Source: the C reference. */
const SSTHRESH_MIN = 2;

/**
 * The reference's controller: slow start, then congestion avoidance, one step per packet that advances
 * `snd_una`; half of what is in flight after a fast retransmit; back to one segment after a timeout.
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
  /** The window in bytes, which grows by fractions of a segment in congestion avoidance. */
  #incr: number;

  /**
   * Makes a controller in its initial state: a window of one segment.
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

  /** Does nothing: the reference's window depends on acknowledgments alone. */
  onSend(): void {}

  /** Grows the window by one step if `snd_una` advanced and the peer's window leaves room. */
  onAck(
    _now: number,
    _segments: number,
    advanced: number,
    _bytes: number,
    _rtt: number,
    remoteWindow: number,
  ): void {
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

  /** Halves what may be in flight. */
  onLoss(_now: number, _segments: number, inFlight: number): void {
    this.#ssthresh = Math.max(inFlight >>> 1, SSTHRESH_MIN);
    this.#cwnd = this.#ssthresh + this.#resend;
    this.#incr = this.#cwnd * this.#mss;
  }

  /** Starts over with one segment. */
  onTimeout(): void {
    this.#ssthresh = Math.max(this.#cwnd >>> 1, SSTHRESH_MIN);
    this.#cwnd = 1;
    this.#incr = this.#mss;
  }
}
