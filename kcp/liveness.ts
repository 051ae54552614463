/**
 * Why a machine treats its peer as unreachable: `silence`, nothing was heard for `deadLinkTime` while an
 * answer was due.
 */
export type DeadLink = "silence";

/** A verdict that comes this late, in ms, finds packets in the socket that nobody has read. */
export const LATE = 20;
/** How long a machine that was not run in time reads packets before it judges, in ms. */
export const GRACE = 1_000;

/** Judges whether the peer is still there, from when it was heard and since when it owes an answer. */
export class Liveness {
  /** The verdict; null while the peer is taken for alive. */
  dead: DeadLink | null = null;
  /** When a packet of the peer was last accepted. */
  heardAt = -Infinity;
  /** Since when the peer owes an answer; Infinity while it owes none. */
  #owedSince = Infinity;
  /** When the peer was asked whether its window is still closed, and has said nothing since. */
  #askedAt = Infinity;
  /** Silence is not judged before: the machine itself was not run for a while. */
  #graceEnds = -Infinity;
  #time = 0;

  /** Takes over `deadLinkTime`, in ms. */
  configure(time: number): void {
    this.#time = time;
  }

  /** The longest wait before the next try, in ms: a link is given up only after several. */
  get longestWait(): number {
    return this.#time / 8;
  }

  /** A valid packet came. */
  heard(now: number): void {
    this.heardAt = now;
    this.#askedAt = Infinity;
  }

  /** The peer is asked whether its window is still closed. */
  asked(now: number): void {
    this.#askedAt = Math.min(this.#askedAt, now);
  }

  /** Notes whether the peer owes an answer, given whether something is in flight. */
  watch(now: number, inFlight: boolean): void {
    if (!inFlight && this.#askedAt === Infinity) this.#owedSince = Infinity;
    else if (this.#owedSince === Infinity) this.#owedSince = now;
  }

  /** The peer owes nothing any more. */
  settle(): void {
    this.#owedSince = this.#askedAt = Infinity;
  }

  /** When the peer's silence has lasted too long; Infinity while it owes no answer. */
  get silenceEnds(): number {
    if (this.#owedSince === Infinity) return Infinity;
    return Math.max(Math.max(this.#owedSince, this.heardAt) + this.#time, this.#graceEnds);
  }

  /**
   * Puts the verdict off if the machine was not run when it was due: the process was blocked or
   * suspended, and what the peer has sent meanwhile may wait in the socket.
   */
  excuse(now: number): void {
    if (now > this.silenceEnds + LATE) this.#graceEnds = now + GRACE;
  }

  /** Gives the peer up if it was silent for too long. */
  judgeSilence(now: number): void {
    if (now >= this.silenceEnds) this.dead = "silence";
  }
}
