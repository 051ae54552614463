/**
 * If the machine is looked at so late after the timeout, in ms, then it was the process that slept.
 * What the peer has sent lies below, unread.
 */
const LATE = 500;

/** When to say that this side is alive, and when to judge that the peer is not. Times are in ms. */
export class KeepAlive {
  /** Whether a NOP is to be sent. */
  nopDue = false;
  readonly #interval: number;
  readonly #timeout: number;
  #sentAt: number;
  #heardAt: number;
  /** Whether the peer has got more time because the process slept. */
  #extended = false;

  /**
   * @param interval A NOP is due when nothing was sent for this time.
   * @param timeout The peer is dead when nothing arrived for this time.
   * @param now The present time.
   */
  constructor(interval: number, timeout: number, now: number) {
    this.#interval = interval;
    this.#timeout = timeout;
    this.#sentAt = this.#heardAt = now;
  }

  /** Something was sent. */
  sent(now: number): void {
    this.#sentAt = now;
    this.nopDue = false;
  }

  /** Something arrived, or nothing could because this side did not take it. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#extended = false;
  }

  /** When the next NOP is due; Infinity while one waits to be sent. */
  get nopDeadline(): number {
    return this.nopDue ? Infinity : this.#sentAt + this.#interval;
  }

  /** When the peer is dead, if nothing arrives. */
  get deathDeadline(): number {
    return this.#heardAt + this.#timeout;
  }

  /** Time has passed. Returns whether the peer is dead. */
  expired(now: number): boolean {
    const deadline = this.deathDeadline;
    if (now < deadline) return false;
    if (this.#extended || now < deadline + LATE) return true;
    this.#extended = true;
    this.#heardAt = now + LATE - this.#timeout;
    return false;
  }
}
