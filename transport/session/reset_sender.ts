import { OVERHEAD } from "../../kcp/segment.ts";
import { type Quote, writeReset } from "./reset.ts";

/** How often a reset is sent without being asked for: one may be lost. */
export const REPEATS = 3;
/** Shortest time in ms in which a session answers the packets of its peer with resets. */
const MIN_TIME = 1_000;
/** That time in RTOs. */
const RTOS = 3;

/** Sends resets to the peer of one session that has ended. */
export class ResetSender {
  readonly #conv: number;
  readonly #cause: number;
  readonly #closeCode: number;
  readonly #reason: Uint8Array;
  readonly #rto: number;
  #quote: Quote;
  #nextAt: number;
  #repeatsLeft: number;
  #wait: number;
  /** Bytes of the packet that is answered: no reset is longer. */
  #most = Infinity;
  #sentAt = -Infinity;
  readonly #startedAt: number;
  readonly #endsAt: number;
  /** How long resets are sent at most, in ms, once {@linkcode ResetSender.shorten} was called. */
  #limit = -1;

  constructor(
    conv: number,
    cause: number,
    closeCode: number,
    reason: Uint8Array,
    quote: Quote,
    { rto, wait }: { readonly rto: number; readonly wait: number },
    repeats: number,
    now: number,
  ) {
    this.#conv = conv;
    this.#cause = cause;
    this.#closeCode = closeCode;
    this.#reason = reason;
    this.#quote = quote;
    this.#rto = rto;
    this.#wait = wait;
    this.#repeatsLeft = repeats;
    this.#nextAt = now;
    this.#startedAt = now;
    this.#endsAt = now + Math.max(MIN_TIME, RTOS * rto);
  }

  /** When the session is over, in ms. */
  get endsAt(): number {
    if (this.#limit < 0 || this.#sentAt === -Infinity) return this.#endsAt;
    if (this.#nextAt === Infinity) return this.#sentAt;
    return Math.min(this.#endsAt, this.#startedAt + this.#limit);
  }

  /** When the next reset is due, or the session is over, in ms. */
  get deadline(): number {
    return Math.min(this.#nextAt, this.endsAt);
  }

  /**
   * Ends the session when the resets that nobody has asked for have left: the socket is to be closed.
   *
   * @param limit For how long (ms) they are sent at most. One leaves in any case. -1: no limit.
   */
  shorten(limit: number): void {
    this.#limit = limit;
  }

  /** Answers a packet of the peer, at most one in a quarter of an RTO. */
  answer(quote: Quote, bytes: number, now: number): void {
    this.#quote = quote;
    if (now < this.#sentAt + this.#rto / 4) return;
    this.#most = bytes;
    this.#nextAt = now;
  }

  /** Whether a reset is due. */
  due(now: number): boolean {
    return now >= this.#nextAt;
  }

  /** Bytes of the next reset, at most. */
  get size(): number {
    return OVERHEAD + this.#reason.length;
  }

  /** Writes the reset at an offset of the arena. Returns the offset after it. */
  write(view: DataView<ArrayBuffer>, at: number, now: number): number {
    const fits = this.size <= this.#most;
    const reason = fits ? this.#reason : this.#reason.subarray(0, 0);
    this.#sentAt = now;
    this.#nextAt = --this.#repeatsLeft > 0 ? now + this.#wait : Infinity;
    this.#wait += this.#rto;
    this.#most = Infinity;
    return writeReset(view, at, this.#conv, this.#quote, this.#cause, this.#closeCode, reason);
  }
}
