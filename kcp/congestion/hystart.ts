/** A round trip that is longer by less than this is no sign of a queue, in ms. RFC 9406 §4.3. */
const MIN_RTT_THRESH = 4;
/** A round trip that is longer by this is always one, in ms. RFC 9406 §4.3. */
const MAX_RTT_THRESH = 16;
/** In between, it is this part of the shortest round trip. RFC 9406 §4.3. */
const MIN_RTT_DIVISOR = 8;
/** A round with fewer samples decides nothing. RFC 9406 §4.3. */
const N_RTT_SAMPLE = 8;
/** Conservative slow start grows more slowly by this factor. RFC 9406 §4.3. */
const CSS_GROWTH_DIVISOR = 4;
/** Conservative slow start lasts this many rounds, the one in which it begins included. §4.3. */
const CSS_ROUNDS = 5;

/**
 * HyStart++: finds the end of the first slow start before the queue at the bottleneck overflows. A
 * round whose shortest round trip is longer than that of the round before is the sign of a queue.
 * Then slow start goes on more slowly for some rounds, the conservative slow start (CSS). Usual slow
 * start comes back if round trips become short again: then the sign was a false one.
 *
 * One acknowledgment may let the window grow by all bytes that it acknowledges. RFC 9406 §4.3 allows
 * that (`L` is infinite) if the sender is paced, as it is here.
 *
 * Source: RFC 9406 §4.2.
 */
export class HyStart {
  #lastRoundMinRtt = Infinity;
  #currentRoundMinRtt = Infinity;
  /** Round-trip samples of the current round. */
  #samples = 0;
  /** Shortest round trip of the round in which CSS began. `Infinity` outside of CSS. */
  #cssBaselineMinRtt = Infinity;
  /** Rounds of CSS that have ended. */
  #cssRounds = 0;

  /** Whether slow start is conservative. */
  get conservative(): boolean {
    return this.#cssBaselineMinRtt < Infinity;
  }

  /** Whether slow start is over: a queue was there in all rounds of CSS. */
  get done(): boolean {
    return this.#cssRounds >= CSS_ROUNDS;
  }

  /**
   * Takes an acknowledgment.
   *
   * @param acked Bytes that it newly acknowledges.
   * @param rtt Its round-trip sample in ms, -1 if it gives none.
   * @param roundStart Whether it is the first one of a round.
   * @returns Bytes by which slow start lets the window grow.
   */
  onAck(acked: number, rtt: number, roundStart: boolean): number {
    if (roundStart) this.#startRound();
    if (rtt >= 0) {
      this.#currentRoundMinRtt = Math.min(this.#currentRoundMinRtt, rtt);
      this.#samples++;
      if (this.#samples >= N_RTT_SAMPLE) this.#judge();
    }
    return this.conservative ? acked / CSS_GROWTH_DIVISOR : acked;
  }

  #startRound(): void {
    if (this.conservative) this.#cssRounds++;
    this.#lastRoundMinRtt = this.#currentRoundMinRtt;
    this.#currentRoundMinRtt = Infinity;
    this.#samples = 0;
  }

  #judge(): void {
    const last = this.#lastRoundMinRtt;
    const current = this.#currentRoundMinRtt;
    if (this.conservative) {
      if (current >= this.#cssBaselineMinRtt) return;
      this.#cssBaselineMinRtt = Infinity;
      this.#cssRounds = 0;
    } else {
      // Without a sample in the last round, the threshold is infinite, too.
      const threshold = Math.min(last / MIN_RTT_DIVISOR, MAX_RTT_THRESH);
      if (current < last + Math.max(MIN_RTT_THRESH, threshold)) return;
      this.#cssBaselineMinRtt = current;
    }
  }
}
