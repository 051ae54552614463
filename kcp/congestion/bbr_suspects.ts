/**
 * Counts the losses of an episode, and those of them that turn out to be none. An episode ends when no
 * loss is found for two round trips.
 */
export class Suspects {
  #all = 0;
  #left = 0;
  #last = -Infinity;

  /** Whether losses were found within the last two round trips. */
  areRecent(now: number, rtt: number): boolean {
    return now - this.#last <= 2 * rtt;
  }

  /**
   * Notes a loss. Returns whether an episode begins with it.
   *
   * @param again Whether the segment had counted as lost before: it is counted once.
   */
  add(now: number, rtt: number, again = false): boolean {
    const begins = !this.areRecent(now, rtt);
    if (begins) this.#all = this.#left = 0;
    this.#last = now;
    if (begins || !again) {
      this.#all++;
      this.#left++;
    }
    return begins;
  }

  /**
   * Notes that segments had only been late. Returns whether half of the losses of the episode were no
   * losses: then it has ended.
   */
  clear(segments: number): boolean {
    if (this.#all === 0) return false;
    this.#left = Math.max(0, this.#left - segments);
    if (this.#left > this.#all / 2) return false;
    this.#all = this.#left = 0;
    return true;
  }
}
