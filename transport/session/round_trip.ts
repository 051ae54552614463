import type { Kcp } from "../../kcp/kcp.ts";

/** A round-trip time that is older than this, in ms, is taken anew while data arrives. */
const MAX_AGE = 5_000;
/** Two questions are at least this part of an RTO apart: the machine remembers the last 32. */
const MIN_PACE = 1 / 8;
/** Each wait for an answer is this many times as long as the one before. */
const BACKOFF = 1.5;
/** The longest wait for an answer, in ms. */
const MAX_WAIT = 4_000;

/**
 * Measures the round trip when nothing else does: the application asks for it, or the session only
 * receives. Acknowledgments have no answer that could be timed.
 *
 * A question is a window probe, which a peer of this library echoes. Other implementations get a data
 * segment that they know already, and acknowledge it.
 */
export class RoundTrip {
  readonly #kcp: Kcp;
  /** When the application asked last, in ms; the question before that does not count. */
  #wantedAt = -Infinity;
  #askedAt = -Infinity;
  /** The age of the round-trip time counts from here if there is none yet, in ms. */
  readonly #checkedFrom: number;
  #nextAt = Infinity;
  #wait = 0;
  /** Payload bytes that had arrived when the age was checked last. */
  #payloadIn = 0;
  /** Whether a window probe of this end can draw an echo. */
  readonly #extensions: boolean;
  /** Whether the last question was the data segment. */
  #askedForEcho = false;

  /**
   * @param kcp The machine of the session.
   * @param extensions The setting of the machine.
   * @param now The time in ms. Most sessions get a sample soon, and need not be asked.
   */
  constructor(kcp: Kcp, extensions: boolean, now: number) {
    this.#kcp = kcp;
    this.#checkedFrom = now;
    this.#extensions = extensions;
  }

  /** Asks the peer until it answers a question that is asked from now on. */
  start(now: number): void {
    this.#wantedAt = now;
    this.#wait = this.#kcp.rto;
    const earliest = this.#askedAt + MIN_PACE * this.#kcp.rto;
    if (now >= earliest) this.#ask(now);
    else this.#nextAt = Math.min(this.#nextAt, earliest);
  }

  /** The round trip in ms of a question that was asked at the time `since` or later; -1 if none. */
  since(since: number): number {
    const { sentAt, rtt } = this.#kcp.echo;
    return sentAt >= since ? rtt : -1;
  }

  /** When {@linkcode RoundTrip.tick} is next due, in ms. */
  get deadline(): number {
    return this.#nextAt;
  }

  /** Repeats the question if no answer came. */
  tick(now: number): void {
    if (now < this.#nextAt) return;
    this.#wait = Math.min(MAX_WAIT, BACKOFF * this.#wait);
    this.#ask(now);
  }

  /** Takes note of a valid packet, after the machine has read it. */
  received(now: number): void {
    const kcp = this.#kcp;
    if (this.#nextAt !== Infinity) {
      if (kcp.echo.sentAt >= this.#wantedAt) this.#nextAt = Infinity;
      // It has answered the window probe, but without an echo.
      else if (!this.#echoesProbes && !this.#askedForEcho) this.#ask(now);
    }
    if (kcp.payloadIn === this.#payloadIn) return;
    this.#payloadIn = kcp.payloadIn;
    const since = Math.max(kcp.sampledAt, this.#askedAt, this.#checkedFrom);
    if (now - since > MAX_AGE) this.#send(now);
  }

  /** Asks no more. */
  stop(): void {
    this.#nextAt = Infinity;
  }

  /** Whether the peer may echo a window probe. */
  get #echoesProbes(): boolean {
    return this.#extensions && this.#kcp.extended !== false;
  }

  #ask(now: number): void {
    this.#nextAt = now + this.#wait;
    this.#send(now);
  }

  #send(now: number): void {
    this.#askedAt = now;
    this.#askedForEcho = !this.#echoesProbes;
    if (this.#askedForEcho) this.#kcp.askEcho();
    else this.#kcp.askWindow();
  }
}
