/** Why a machine has given up its peer as unreachable. */
export type DeadLink =
  /** A segment was sent `deadLink` times and not acknowledged. */
  | "retransmissions"
  /** No packet arrived for `deadLinkTime` while an answer was due. */
  | "silence";

/** Decides whether the peer is still reachable. */
export class Liveness {
  /** Why the peer was given up, null while it counts as alive. */
  dead: DeadLink | null = null;
  /** When the last valid packet of the peer arrived. */
  heardAt = -Infinity;
  /** Since when an answer of the peer is due. Infinity while none is. */
  #dueSince = Infinity;
  /** When a closed window was first probed without an answer. Infinity if it was not. */
  #probedAt = Infinity;
  /** Silence does not end the session before this time, since the caller missed a deadline. */
  #graceEnds = -Infinity;
  #time = 0;

  /** Takes over `deadLinkTime` in ms. */
  configure(time: number): void {
    this.#time = time;
  }

  /** The longest wait before a retransmission or probe, in ms. So several come before the end. */
  get longestWait(): number {
    return this.#time / 8;
  }

  /** Notes that a valid packet arrived. */
  heard(now: number): void {
    this.heardAt = now;
    this.#probedAt = Infinity;
  }

  /** Notes that a closed window is probed. */
  probed(now: number): void {
    this.#probedAt = Math.min(this.#probedAt, now);
  }

  /** Notes whether an answer is due: segments are in flight, or a probe is unanswered. */
  update(now: number, inFlight: boolean): void {
    if (!inFlight && this.#probedAt === Infinity) this.#dueSince = Infinity;
    else if (this.#dueSince === Infinity) this.#dueSince = now;
  }

  /** Notes that no answer is due any more. */
  reset(): void {
    this.#dueSince = this.#probedAt = Infinity;
  }

  /** When the peer's silence has lasted too long, in ms. Infinity while no answer is due. */
  get silenceEnds(): number {
    if (this.#dueSince === Infinity) return Infinity;
    return Math.max(Math.max(this.#dueSince, this.heardAt) + this.#time, this.#graceEnds);
  }

  /** Allows time for one more try if the caller missed the deadline by long, since `before`. */
  grantGrace(before: number, now: number): void {
    if (now >= this.silenceEnds && now - before > this.longestWait) {
      this.#graceEnds = now + this.longestWait;
    }
  }

  /** Gives up the peer if it was silent for too long. */
  checkSilence(now: number): void {
    if (now >= this.silenceEnds) this.dead = "silence";
  }

  /**
   * Gives up the peer if a segment was sent too often and either no packet arrived since its first
   * transmission, or that is longer ago than `deadLinkTime`. So a bad link alone is not given up.
   *
   * @param since First transmission of the segment, in ms. Infinity if there is no such segment.
   */
  checkSegment(now: number, since: number): void {
    if (since === Infinity) return;
    if (this.heardAt <= since || now - since >= this.#time) this.dead = "retransmissions";
  }
}
