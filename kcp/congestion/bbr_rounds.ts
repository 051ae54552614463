import type { RateSample } from "./controller.ts";

/**
 * Counts round trips. One ends when a segment is acknowledged that was sent after it had begun.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.5.1.
 */
export class Rounds {
  /** Round trips so far. */
  count = 0;
  /** Whether the present acknowledgment begins one. */
  begins = false;
  /** Bytes delivered so far. */
  delivered = 0;
  /** Whether the application has limited all samples of the round trip that has just ended. */
  appLimited = true;
  /** Whether the window has held data back in this round trip, and in the last one. */
  windowLimited = false;
  windowLimitedBefore = false;
  #appLimitedNow = true;
  #next = 0;
  #phaseStart = 0;

  /** Round trips since the phase has begun. */
  get inPhase(): number {
    return this.count - this.#phaseStart;
  }

  /** Reads an acknowledgment. */
  onAck(sample: RateSample): void {
    this.delivered = sample.totalDelivered;
    this.windowLimited ||= sample.windowLimited;
    this.begins = sample.delivered > 0 && sample.priorDelivered >= this.#next;
    if (!this.begins) return;
    this.#next = this.delivered;
    this.count++;
    this.appLimited = this.#appLimitedNow;
  }

  /** The acknowledgment is handled. */
  finish(appLimited: boolean): void {
    if (this.begins) {
      this.#appLimitedNow = true;
      this.windowLimitedBefore = this.windowLimited;
      this.windowLimited = false;
    }
    if (!appLimited) this.#appLimitedNow = false;
  }

  /** Begins a round trip now. */
  start(): void {
    this.#next = this.delivered;
  }

  /** A phase begins, and a round trip with it. */
  startPhase(): void {
    this.start();
    this.#phaseStart = this.count;
  }
}
