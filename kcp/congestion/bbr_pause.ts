/** A pause is longer than this part of the round trip that is explained, and these ms more. */
const PAUSE_PART = 1.25;
const PAUSE_MS = 10;
/** It lasts for as long as a segment that was in flight takes: its round trip is this part of it or more. */
const FLIGHT_PART = 0.5;
/** A round trip below this part shows that the path is no longer than it was. */
const SHORT_PART = 0.5;

/**
 * A pause in which nothing was acknowledged, though segments were in flight and have arrived.
 *
 * The first acknowledgment after it does not tell whether the path has become longer, or whether the path or
 * the peer has stopped for a while. A flow that waits until it knows leaves a longer path empty for one more
 * round trip. So it sends as on the longer path until it knows: not faster than before, hence a queue does
 * not grow. If it was a stop, the next round trip is short, and shows it.
 */
export class Pause {
  /** The round trip that it has shown, in ms. 0 if there was none, or if it is known what it was. */
  rtt = 0;

  /**
   * Notes a round-trip sample. Returns whether it shows a round trip of a path that may be longer.
   *
   * @param rtt The sample in ms.
   * @param waited The time in ms since the last acknowledgment.
   * @param explained The longest round trip in ms that the path and what is in flight explain.
   */
  onSample(rtt: number, waited: number, explained: number): boolean {
    if (this.rtt > 0) {
      if (rtt < SHORT_PART * this.rtt) {
        this.end();
        return false;
      }
      // The ways there and back change one after the other.
      if (rtt <= PAUSE_PART * this.rtt) return false;
    } else {
      const least = PAUSE_PART * explained + PAUSE_MS;
      if (Math.min(rtt, waited) < least || rtt < FLIGHT_PART * waited) return false;
    }
    this.rtt = rtt;
    return true;
  }

  /** It is known what it was. */
  end(): void {
    this.rtt = 0;
  }
}
