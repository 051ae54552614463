/** So long (ms) the streams of a peer may be silent after data was sent to them. */
const MAX_SILENCE = 5000;

/**
 * Tells whether the streams of a peer have become silent: data was sent to them, and no byte came
 * back for a while.
 *
 * A server of kcp-go that has restarted acknowledges the packets of its old sessions, but reads
 * nothing of them. Only the silence of the streams shows it. A peer may have other reasons to say
 * nothing. So a session that is silent in this way takes no new streams, but it is not closed.
 */
export class AnswerWatch {
  #received = 0;
  /** Bytes that had been sent when the last ones were received. */
  #sentBefore = 0;
  /** When more was first seen to be sent. */
  #since = Infinity;

  /**
   * Takes note of the counters of the streams. It is to be called from time to time.
   *
   * @param now The time in ms.
   * @param sent Bytes of streams that were sent.
   * @param received Bytes that were received, frames of every kind.
   * @returns Whether the peer is silent. One that has never answered is not counted.
   */
  note(now: number, sent: number, received: number): boolean {
    if (received !== this.#received) {
      this.#received = received;
      this.#sentBefore = sent;
      this.#since = Infinity;
    } else if (received > 0 && sent > this.#sentBefore && this.#since === Infinity) {
      this.#since = now;
    }
    return now - this.#since >= MAX_SILENCE;
  }
}
