/** After so many rounds of timeouts without an acknowledgment, what is sent again is spread over time. */
const ROUNDS = 2;
/** The part of the time between two rounds over which it is spread. */
const PART = 1 / 2;
/** Segments that the rate gives in this time at least: a single one waits for nothing. */
const LEAST = 8;
/** The time between two rounds is taken for this in ms at most: the longest timeout. */
const MOST_TIME = 60_000;

/**
 * Slows down what is sent again while nothing at all is acknowledged.
 *
 * A path may let through only the first packets of each burst, fewer than one segment has: then no burst
 * brings an acknowledgment, nothing is learned of the path, and the same would happen for ever. Packets
 * that are spread over the time until the next timeout arrive even there. After an outage, one of them
 * finds sooner that the path is back.
 */
export class Silence {
  /** Bytes per second; `Infinity` as long as acknowledgments come. */
  rate = Infinity;
  /** Rounds of timeouts since the last acknowledgment, or since the peer was heard again. */
  #rounds = 0;
  /** Whether the peer was heard again since the last acknowledgment. */
  #heard = false;
  /** When the present round began, in ms, and from when on a timeout belongs to the next one. */
  #began = 0;
  #nextAt = -Infinity;

  /** Something was acknowledged, or the application says that the path works again. */
  end(): void {
    this.#begin();
    this.#heard = false;
  }

  /**
   * The peer is heard again, which acknowledges nothing: an outage has ended. If what is sent at once then
   * brings no acknowledgment, it was none.
   */
  hear(): void {
    if (this.#heard) return;
    this.#heard = this.#rounds > ROUNDS;
    this.#begin();
  }

  #begin(): void {
    this.rate = Infinity;
    this.#rounds = 0;
    this.#nextAt = -Infinity;
  }

  /**
   * Segments have timed out.
   *
   * @param rto The timeout of a first transmission in ms: segments of one round time out within it.
   * @param bytes Bytes that may have to be sent again.
   * @param size Bytes of a full segment.
   */
  onTimeout(now: number, rto: number, bytes: number, size: number): void {
    if (now < this.#nextAt) return;
    const time = Math.min(now - this.#began, MOST_TIME);
    if (++this.#rounds > ROUNDS) {
      this.rate = Math.max(bytes, LEAST * size) * 1000 / (PART * Math.max(rto, time));
    }
    this.#began = now;
    this.#nextAt = now + rto;
  }
}
