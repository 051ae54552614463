import { Jitter } from "./bbr_jitter.ts";

/** Part of the smoothed round-trip time that a slot lasts. Two slots are Copa's half. */
const SLOT = 1 / 4;
/** Shortest slot in ms: acknowledgments arrive in bunches. */
const MIN_SLOT = 1;
/** Slots of {@linkcode StandingRtt.longValue}: two round trips. */
const SLOTS = 8;
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
  /** How much a sample differs from the one before, on average, in ms, and how much a slot does. */
  #sampleNoise = 0;
  #slotNoise = 0;
  #before = -1;
  /** The smallest sample of the present slot and of those before it, in ms. */
  #slot = Infinity;
  readonly #slots = new Float64Array(SLOTS).fill(Infinity);
  #at = 0;
  #leastOfSlots = Infinity;
  #slotEnds = -Infinity;
  readonly #jitter = new Jitter();

  /** Notes a sample in ms. */
  onSample(now: number, rtt: number): void {
    this.smoothed += this.smoothed === 0 ? rtt : (rtt - this.smoothed) * WEIGHT;
    if (this.#before >= 0) {
      this.#sampleNoise += (Math.abs(rtt - this.#before) - this.#sampleNoise) * NOISE_WEIGHT;
    }
    this.#before = rtt;
    this.#jitter.onSample(now, rtt, this.smoothed);
    if (now >= this.#slotEnds) this.#endSlot(now);
    if (rtt < this.#slot) this.#slot = rtt;
  }

  #endSlot(now: number): void {
    const slots = this.#slots;
    const change = Math.abs(this.#slot - slots[this.#at]);
    if (change < Infinity) this.#slotNoise += (change - this.#slotNoise) * NOISE_WEIGHT;
    this.#at = (this.#at + 1) % SLOTS;
    slots[this.#at] = this.#slot;
    let least = Infinity;
    for (let i = 0; i < SLOTS; i++) if (slots[i] < least) least = slots[i];
    this.#leastOfSlots = least;
    this.#slot = Infinity;
    this.#slotEnds = now + Math.max(MIN_SLOT, this.smoothed * SLOT);
  }

  /** Forgets the samples: the path has become another one. */
  reset(): void {
    this.#slot = this.#leastOfSlots = Infinity;
    this.#slots.fill(Infinity);
  }

  /** By how many ms round trips differ for no reason. */
  get noise(): number {
    return Math.max(this.#sampleNoise, this.#slotNoise);
  }

  /** See {@linkcode Jitter.value}. */
  get jitter(): number {
    return this.#jitter.value;
  }

  /** The smallest recent sample in ms. Infinity before the first one. */
  get value(): number {
    return Math.min(this.#slot, this.#slots[this.#at]);
  }

  /** The smallest sample of two round trips in ms: jitter of tens of ms raises all samples of a shorter time. */
  get longValue(): number {
    return Math.min(this.#slot, this.#leastOfSlots);
  }
}
