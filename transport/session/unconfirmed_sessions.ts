import type { Session } from "./session.ts";

/**
 * A session gives way to another one after this time of silence, in ms. In a flood, packets of a peer
 * that is there may wait for seconds in the queue of the socket. Before, the newcomer must prove its
 * address; it has as long for that.
 */
const CONFIRM_TIME = 10_000;

/**
 * Sessions whose address is not confirmed, in the order in which they give way to others.
 *
 * A flood of forged addresses sends one packet from each. A peer that is there sends more: it
 * retransmits, and it answers. So a session of which only one packet came gives way before the others.
 */
export class UnconfirmedSessions {
  /** Those of which one packet came, the oldest first. */
  readonly #heardOnce = new Set<Session>();
  /** Those of which more came, the one that was silent for the longest time first. */
  readonly #heardAgain = new Set<Session>();

  /** How many there are. */
  get size(): number {
    return this.#heardOnce.size + this.#heardAgain.size;
  }

  /** Adds a session, of which one packet came. */
  add(session: Session): void {
    this.#heardOnce.add(session);
  }

  /** Notes a further packet of a session. */
  heard(session: Session): void {
    if (!this.#heardOnce.delete(session)) this.#heardAgain.delete(session);
    this.#heardAgain.add(session);
  }

  /** Removes a session. */
  delete(session: Session): void {
    if (!this.#heardOnce.delete(session)) this.#heardAgain.delete(session);
  }

  /**
   * The session that gives way to a new one; null if there is none.
   *
   * @param anyAge Whether a session gives way that was heard only just.
   */
  next(now: number, anyAge: boolean): Session | null {
    for (const session of this.#heardOnce.size > 0 ? this.#heardOnce : this.#heardAgain) {
      return anyAge || now >= session.kcp.heardAt + CONFIRM_TIME ? session : null;
    }
    return null;
  }
}
