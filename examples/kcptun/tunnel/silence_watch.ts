/** A peer may be silent for so long (ms) although it owes an acknowledgment. */
const MIN_SILENCE = 3000;
/** On slow paths, it may be silent for so many round trips. */
const ROUND_TRIPS = 4;

/**
 * Tells whether a peer is silent although it owes an answer. A peer that has never answered is not
 * counted: a new session would not reach it either.
 */
export class SilenceWatch {
  /** When something was first seen to wait for an acknowledgment, after the peer was last heard. */
  #since = Infinity;

  /**
   * Takes note of the state of a connection. It is to be called from time to time.
   *
   * @param now The time in ms.
   * @param owes Whether something waits for an acknowledgment.
   * @param lastHeard How long ago (ms) the peer was heard; `Infinity` if never.
   * @param rtt The round trip in ms; -1 if it is unknown.
   * @returns Whether the peer is silent.
   */
  note(now: number, owes: boolean, lastHeard: number, rtt: number): boolean {
    if (!owes || lastHeard === Infinity) {
      this.#since = Infinity;
      return false;
    }
    if (this.#since === Infinity || now - lastHeard > this.#since) this.#since = now;
    return now - this.#since >= Math.max(MIN_SILENCE, ROUND_TRIPS * rtt);
  }
}
