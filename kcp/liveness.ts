/**
 * Why a machine has given up its peer as unreachable: `silence`, no packet arrived for `deadLinkTime`
 * while an answer was due.
 */
export type DeadLink = "silence";

/** A verdict that is this late, in ms, shows that the machine was not run in time. */
export const LATE = 20;
/** How long a machine that was not run in time takes in packets before it judges, in ms. */
export const GRACE = 1_000;

/** Decides whether the peer is still reachable. */
export class Liveness {
  /** Why the peer was given up, null while it counts as alive. */
  dead: DeadLink | null = null;
  /** When the last valid packet of the peer arrived. */
  heardAt = -Infinity;
  /** Since when an answer of the peer is due. Infinity while none is. */
  #dueSince = Infinity;
  /** When the peer was last probed without an answer. Infinity if it was not. */
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

  /** Notes that the peer is probed. */
  probed(now: number): void {
    this.#probedAt = now;
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

  /** Since when the peer is silent while an answer is due, in ms. Infinity while none is. */
  get silentSince(): number {
    return this.#dueSince === Infinity ? Infinity : Math.max(this.#dueSince, this.heardAt);
  }

  /**
   * When the peer is asked for a sign of life, in ms. The next retransmission may be due after the
   * verdict only, and a peer that lacks the first segment answers no other. A question is asked again
   * until the peer is heard, since it or its answer may be lost.
   *
   * @param rto The retransmission timeout in ms. An answer may be under way for that long.
   */
  askAt(rto: number): number {
    if (this.#probedAt === Infinity) return this.silentSince + this.#time / 2;
    return this.#probedAt + Math.max(rto, this.longestWait);
  }

  /** When the peer's silence has lasted too long, in ms. Infinity while no answer is due. */
  get silenceEnds(): number {
    if (this.#dueSince === Infinity) return Infinity;
    return Math.max(this.silentSince + this.#time, this.#graceEnds);
  }

  /**
   * Delays the verdict if the machine was not run when it was due: the process was blocked or
   * suspended. Packets that the peer has sent meanwhile may wait in the socket.
   *
   * @param late Whether anything was due long before `now`.
   */
  grantGrace(now: number, late: boolean): void {
    const { silenceEnds } = this;
    if (late ? now >= silenceEnds : now > silenceEnds + LATE) this.#graceEnds = now + GRACE;
  }

  /** Does not judge before `time` in ms and a while after: nothing could be sent that asks for an answer. */
  postpone(time: number): void {
    this.#graceEnds = Math.max(this.#graceEnds, time + GRACE);
  }

  /** Gives up the peer if it was silent for too long. */
  checkSilence(now: number): void {
    if (now >= this.silenceEnds) this.dead = "silence";
  }
}
