/** A step is higher than this part of the round trip, and than these ms and the time for some segments. */
const STEP_PART = 0.25;
const STEP_MS = 10;
const STEP_SEGMENTS = 8;
/**
 * The ways there and back change one after the other. For so many round trips after a step, half of its
 * height is one, too.
 */
const SECOND_ROUNDS = 2;
const SECOND_PART = 0.5;
/**
 * The segments before and after it were sent within this part of its height. A queue grows by as much in
 * this time only if more than twice arrives of what leaves.
 */
const SENT_PART = 0.75;
/** After it, round trips stay within this part of it, and these ms. */
const FLAT_PART = 0.25;
const FLAT_MS = 10;
/** And they do not get shorter by this part of the time in which the segments were sent: it was a pause. */
const PAUSE_PART = 0.5;
/** At least so many samples show the new round trip. */
const SAMPLES = 2;
/** Segments that are acknowledged as fast as before, and the part of the rate that is enough. */
const SEGMENTS = 8;
const RATE_PART = 0.75;

/**
 * Finds out within a round trip that the path has become longer: round trips get longer by a step, and the
 * rate stays.
 *
 * Neither a queue nor a path that becomes slower looks like that. A queue grows from one round trip to the
 * next one, and acknowledgments come more slowly from a slower path. Where they come seldom, nothing is
 * found out: there, {@linkcode LongerPath} does.
 */
export class PathStep {
  /** The last sample in ms, when its segment was sent, and when it was acknowledged, in ms. */
  #before = Infinity;
  #sentAt = -Infinity;
  #ackedAt = 0;
  /** Samples since the step, 0 without one; their limits, and the smallest one, in ms. */
  #samples = 0;
  #least = 0;
  #most = 0;
  #rtt = 0;
  /** The sample before all steps, the first one after them, and when their segments were sent, in ms. */
  #base = 0;
  #baseSentAt = 0;
  #first = 0;
  #firstSentAt = 0;
  /** What is a second step in ms, and until when, in ms. */
  #second = 0;
  #secondUntil = -Infinity;
  /** The lower limit of the step before, in ms, in case this one is none. */
  #leastBefore = Infinity;
  /** Bytes that were acknowledged without a pause at the rate of the path, and since when, in ms. */
  #acked = 0;
  #since = 0;

  /**
   * Notes a round-trip sample.
   *
   * @param now The time in ms.
   * @param rtt The sample in ms.
   * @param acked Bytes that were acknowledged with it.
   * @param explained The longest round trip in ms that the path and what is in flight explain.
   * @param bandwidth Bytes per ms.
   * @param mss Bytes of a full segment.
   * @returns The new round trip in ms, as soon as it is known; else -1.
   */
  onSample(
    now: number,
    rtt: number,
    acked: number,
    explained: number,
    bandwidth: number,
    mss: number,
  ): number {
    const height = rtt - this.#before;
    let least = STEP_PART * explained + Math.max(STEP_MS, STEP_SEGMENTS * mss / bandwidth);
    if (now < this.#secondUntil) least = Math.min(least, this.#second);
    const sentAt = now - rtt;
    if (height > least && sentAt - this.#sentAt <= SENT_PART * height) {
      if (this.#samples > 0) {
        this.#leastBefore = this.#least;
      } else {
        this.#leastBefore = Infinity;
        this.#base = this.#before;
        this.#baseSentAt = this.#sentAt;
      }
      this.#begin(now, rtt, Math.max(explained, this.#before) + least, height);
    } else if (this.#samples > 0) {
      this.#samples++;
      this.#countRate(now, acked, RATE_PART * bandwidth);
      // An acknowledgment that was held back looks like a step, too, but the next one does not.
      const slow = rtt < this.#rtt &&
        sentAt - this.#baseSentAt > SENT_PART * (rtt - this.#base);
      if (rtt < this.#least || slow) this.#end(now, rtt);
      else if (rtt > this.#most) this.#samples = 0;
    }
    this.#rtt = Math.min(this.#rtt, rtt);
    this.#before = rtt;
    this.#sentAt = sentAt;
    this.#ackedAt = now;
    if (this.#samples < SAMPLES || this.#acked < SEGMENTS * mss) return -1;
    if (this.#first - rtt > PAUSE_PART * (this.#sentAt - this.#firstSentAt)) return -1;
    this.#samples = 0;
    this.#second = SECOND_PART * (this.#rtt - explained);
    this.#secondUntil = now + SECOND_ROUNDS * this.#rtt;
    return this.#rtt;
  }

  #begin(now: number, rtt: number, least: number, height: number): void {
    this.#samples = 1;
    this.#first = rtt;
    this.#firstSentAt = now - rtt;
    this.#least = least;
    this.#most = rtt + FLAT_PART * height + FLAT_MS;
    this.#rtt = rtt;
    this.#acked = 0;
  }

  /** The step was none. The one before may be. */
  #end(now: number, rtt: number): void {
    this.#samples = 0;
    if (rtt >= this.#leastBefore) this.#begin(now, rtt, this.#leastBefore, 0);
    this.#leastBefore = Infinity;
  }

  /** Counts what is acknowledged at `rate` or faster, in bytes per ms. */
  #countRate(now: number, acked: number, rate: number): void {
    if (this.#acked === 0) this.#since = this.#ackedAt;
    this.#acked += acked;
    if (this.#acked < rate * (now - this.#since)) this.#acked = 0;
  }
}
