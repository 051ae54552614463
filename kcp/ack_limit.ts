/**
 * At most so many acknowledgments wait for others.
 *
 * If more could wait, a sender could stop: its burst or window may be in flight, and part of that
 * may be FEC parity, which is not acknowledged.
 */
const MOST = 16;
/** Of a sender that has stopped, this part of its flight is acknowledged at once from then on. */
const PART = 1 / 2;
/** And not less than this many segments, as in TCP: RFC 5681 §4.2. */
const LEAST = 2;
/** By how much the limit grows with each packet of acknowledgments that reaches it. */
const GROWTH = 1 / 128;
/** Segments have stopped to come after a pause of so many times the one between them, and so many ms. */
const PAUSE_FACTOR = 2;
const PAUSE_MS = 1;

/**
 * Says how many acknowledgments may wait for others before they are sent together.
 *
 * On a short path, the window of a sender can be smaller than that. Then it stops, and goes on when the
 * acknowledgments leave at the end of the interval, which may be many round trips later. That shows: no
 * segments come for a while, and some come soon after the acknowledgments. So fewer wait from then on.
 * The limit grows back slowly, since each attempt to let more wait costs an interval.
 */
export class AckLimit {
  #value = MOST;
  /** When the first of the acknowledgments that wait was added, and the last one, in ms. */
  #firstAt = 0;
  #lastAt = 0;
  /** How many had waited when segments had stopped to come; 0 if they had not. */
  #stopped = 0;
  /** When these acknowledgments were sent, in ms. */
  #sentAt = 0;

  /** So many acknowledgments may not wait any longer. */
  get value(): number {
    return Math.floor(this.#value);
  }

  /**
   * An acknowledgment is added to those that wait.
   *
   * @param now The time in ms.
   * @param waiting How many wait already.
   * @param interval The longest time that they wait, in ms.
   */
  add(now: number, waiting: number, interval: number): void {
    if (waiting === 0) this.#firstAt = now;
    this.#lastAt = now;
    if (this.#stopped === 0) return;
    // What the sender sends later has other reasons.
    if (now - this.#sentAt < interval) this.#value = Math.max(LEAST, PART * this.#stopped);
    this.#stopped = 0;
  }

  /**
   * The acknowledgments that wait are sent.
   *
   * @param now The time in ms.
   * @param waiting How many wait.
   * @param late Whether they have waited until the end of the interval.
   */
  send(now: number, waiting: number, late: boolean): void {
    if (waiting >= this.value) {
      this.#value = Math.min(MOST, this.#value + GROWTH);
    } else if (late && waiting > 1) {
      const spacing = (this.#lastAt - this.#firstAt) / (waiting - 1);
      if (now - this.#lastAt <= PAUSE_FACTOR * spacing + PAUSE_MS) return;
      this.#stopped = waiting;
      this.#sentAt = now;
    }
  }
}
