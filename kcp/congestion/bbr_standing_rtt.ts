/** Part of the smoothed round-trip time that a slot lasts. Two slots are Copa's half. */
const SLOT = 1 / 4;
/** Shortest slot in ms: acknowledgments arrive in bunches. */
const MIN_SLOT = 1;
/** Weight of a sample in the smoothed round-trip time. RFC 6298 §2: 1/8. */
const WEIGHT = 1 / 8;
/** Weight of a difference in the noise. */
const NOISE_WEIGHT = 1 / 32;

/**
 * The smallest round-trip time of the last half of a round trip. What it is above the minimum of the
 * path is a standing queue: jitter and delayed acknowledgments do not raise each of the samples.
 *
 * Source: Arun, Balakrishnan, "Copa: Practical Delay-Based Congestion Control for the Internet",
 * NSDI 2018, §2.
 */
export class StandingRtt {
  /** The smoothed round-trip time in ms. 0 before the first sample. */
  smoothed = 0;
  /** How much a sample differs from the one before, on average, in ms. */
  noise = 0;
  #before = -1;
  #slot = Infinity;
  #last = Infinity;
  #slotEnds = -Infinity;

  /** Notes a sample in ms. */
  onSample(now: number, rtt: number): void {
    this.smoothed += this.smoothed === 0 ? rtt : (rtt - this.smoothed) * WEIGHT;
    if (this.#before >= 0) {
      this.noise += (Math.abs(rtt - this.#before) - this.noise) * NOISE_WEIGHT;
    }
    this.#before = rtt;
    if (now >= this.#slotEnds) {
      this.#last = this.#slot;
      this.#slot = Infinity;
      this.#slotEnds = now + Math.max(MIN_SLOT, this.smoothed * SLOT);
    }
    if (rtt < this.#slot) this.#slot = rtt;
  }

  /** Forgets the samples: the path has become another one. */
  reset(): void {
    this.#slot = this.#last = Infinity;
  }

  /** The smallest recent sample in ms. Infinity before the first one. */
  get value(): number {
    return Math.min(this.#slot, this.#last);
  }
}
