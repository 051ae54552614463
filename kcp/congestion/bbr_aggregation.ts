import { MaxFilter } from "./bbr_max_filter.ts";

/** Round trips that the estimate covers. Draft §2.11: ExtraAckedFilterLen is 10. */
const ROUNDS = 10;

/** What is acknowledged within this time in ms is acknowledged at once. */
const BURST_MS = 0.5;

/**
 * How much more than the bandwidth explains is acknowledged at once. While acknowledgments are being
 * collected somewhere, that much must be in flight in addition.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.5.9, "BBR.extra_acked".
 */
export class Aggregation {
  readonly #filter = new MaxFilter(ROUNDS);
  readonly #bursts = new MaxFilter(ROUNDS);
  #burst = 0;
  #burstStart = -Infinity;
  #start = -Infinity;
  #delivered = 0;

  /** Bytes. */
  get extra(): number {
    return this.#filter.value;
  }

  /**
   * Bytes that are acknowledged at once, beyond what a single acknowledgment has to tell. A receiver
   * that collects acknowledgments for a longer time than a round trip needs as much in flight.
   */
  get burst(): number {
    return this.#bursts.value;
  }

  /** A flow begins to send after a pause. */
  onIdleRestart(now: number): void {
    this.#start = now;
    this.#delivered = 0;
  }

  /**
   * Notes acknowledged bytes.
   *
   * @param bandwidth The estimate in bytes per ms.
   * @param limit The estimate is not more than this many bytes.
   */
  onAck(now: number, acked: number, bandwidth: number, limit: number): void {
    if (now > this.#burstStart + BURST_MS) {
      this.#burstStart = now;
      this.#burst = 0;
    }
    this.#burst += acked;
    this.#bursts.update(this.#burst);
    let expected = bandwidth * (now - this.#start);
    if (!(this.#delivered > expected)) {
      this.#delivered = 0;
      this.#start = now;
      expected = 0;
    }
    this.#delivered += acked;
    this.#filter.update(Math.min(this.#delivered - expected, limit));
  }

  /**
   * A round trip has ended.
   *
   * @param startup Whether only the last round trip counts.
   */
  onRound(startup: boolean): void {
    if (startup) this.#filter.reset(0);
    else this.#filter.advance();
    this.#bursts.advance();
  }
}
