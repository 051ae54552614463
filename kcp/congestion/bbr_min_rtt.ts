/** After this time in ms without a probe, one is due. Draft §2.14: ProbeRTTInterval is 5 s. */
const PROBE_INTERVAL = 5_000;
/** And after so many round trips: a probe takes several, in which less is sent. */
const PROBE_ROUNDS = 25;
/** The minimum covers up to two intervals, in this many steps. Draft §2.14: MinRTTFilterLen is 10 s. */
const SLOTS = 4;
/**
 * A sample that is above the minimum by no more than this part confirms it. Source: the same idea in
 * Google's QUIC (`kSimilarMinRttThreshold`), there 1/8.
 */
const SIMILAR = 1 / 16;

/**
 * The round-trip time of the empty path, and when it should be measured again.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.5.7. It differs in one thing: a flow whose own samples are as
 * good as those of a ProbeRTT needs none. Such are samples of segments that were sent with no more
 * than half of the bandwidth-delay product in flight, and samples that confirm the minimum.
 */
export class MinRtt {
  readonly #slots: Float64Array = new Float64Array(SLOTS).fill(Infinity);
  #at = 0;
  #slotEnds = -Infinity;
  /** The smallest sample since the last probe, in ms, and when it came. */
  #probeMin = Infinity;
  #probedAt = -Infinity;
  /** Whether a probe is due: no sample of the interval was lower, or is known to be of an empty path. */
  isDue = false;
  /** The smallest sample of the last 7.5 to 10 s, or more, in ms. Infinity before the first. */
  value: number = Infinity;

  /**
   * Notes a sample.
   *
   * @param now The time in ms.
   * @param rtt The sample in ms.
   * @param empty Whether the segment was sent with so little in flight that it measures the empty
   * path.
   */
  onSample(now: number, rtt: number, empty: boolean): void {
    if (now >= this.#slotEnds) this.#advance(now);
    if (rtt < this.#slots[this.#at]) this.#slots[this.#at] = rtt;
    const expired = now - this.#probedAt > this.#interval;
    if (expired) this.isDue = !empty;
    if (rtt < this.#probeMin || empty || expired) {
      // Flows that share a queue see it drain together. Hence they probe together the next time.
      this.#probeMin = rtt;
      this.#probedAt = now;
    }
    if (rtt < this.value) this.value = rtt;
  }

  /** Whether a sample in ms confirms the minimum. */
  isSimilar(rtt: number): boolean {
    return rtt <= this.value * (1 + SIMILAR);
  }

  /** Notes that the path was drained long enough to measure it, or was idle. */
  onProbed(now: number): void {
    this.#probedAt = now;
    this.isDue = false;
  }

  /** Forgets the minimum: the path has become another one. */
  reset(now: number, rtt: number): void {
    this.#slots.fill(Infinity);
    this.#slots[this.#at] = this.value = this.#probeMin = rtt;
    this.#probedAt = now;
    this.isDue = false;
  }

  /** The time between probes in ms. */
  get #interval(): number {
    return this.value === Infinity
      ? PROBE_INTERVAL
      : Math.max(PROBE_INTERVAL, PROBE_ROUNDS * this.value);
  }

  /** Begins a slot, and forgets the oldest one. The next sample is in the new slot. */
  #advance(now: number): void {
    const slots = this.#slots;
    if (this.#slotEnds === -Infinity) this.#probedAt = now;
    // After a long silence, the last slots still hold what was last known.
    this.#slotEnds = now + 2 * this.#interval / SLOTS;
    this.#at = (this.#at + 1) % SLOTS;
    slots[this.#at] = Infinity;
    let min = Infinity;
    for (let i = 0; i < SLOTS; i++) if (slots[i] < min) min = slots[i];
    this.value = min;
  }
}
