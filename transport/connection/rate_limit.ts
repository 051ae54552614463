import { shown } from "../session/shown.ts";

/**
 * How many ms of its rate a limit may catch up on: timers fire 1 to 2 ms late.
 */
const CATCH_UP = 5;
/** Bytes of a full packet. Two of them may always leave back to back. */
const FULL_PACKET = 1500;
/** A debt below one byte is none, so that rounding can't make a computed wait too short. */
const NOTHING = 1;

/** A sender that waits for its turn. */
export interface RateWaiter {
  /** Makes the sender ask again at a time (ms) of its clock; `-Infinity` for at once. */
  wake(at: number): void;
}

/** The senders that wait for a limit, and the bytes that have left. For the drivers. */
export class RateQueue {
  #rate: number;
  /** Bytes that have left too early; below zero, bytes that may leave at once. */
  #debt = 0;
  #last = -Infinity;
  /** The senders that wait, in the order of their turns. */
  readonly #waiting = new Set<RateWaiter>();

  constructor(rate: number) {
    this.#rate = rate;
  }

  get rate(): number {
    return this.#rate;
  }

  set rate(rate: number) {
    this.#rate = rate;
    this.#wakeFirst(-Infinity);
  }

  /**
   * Asks for a turn. Who must wait is woken when the turn comes.
   *
   * @returns How many full packets may leave now; 0 when the sender must wait.
   */
  ask(waiter: RateWaiter, now: number): number {
    if (this.#rate === Infinity) {
      this.#waiting.delete(waiter);
      return Infinity;
    }
    this.#advance(now);
    const [first = waiter] = this.#waiting;
    if (first === waiter && this.#debt < NOTHING) {
      this.#waiting.delete(waiter);
      return Math.max(1, Math.floor(-this.#debt / FULL_PACKET));
    }
    this.#waiting.add(waiter);
    if (first === waiter) waiter.wake(this.#readyAt);
    return 0;
  }

  /** Counts bytes that have left. The next sender gets its turn. */
  spend(bytes: number): void {
    if (this.#rate !== Infinity) this.#debt += bytes;
    this.#wakeFirst(this.#readyAt);
  }

  /** Ends the wait of a sender that has nothing to send, or is closed. */
  leave(waiter: RateWaiter): void {
    this.#waiting.delete(waiter);
    this.#wakeFirst(this.#readyAt);
  }

  get #readyAt(): number {
    return this.#rate === Infinity ? -Infinity : this.#last + 1000 * this.#debt / this.#rate;
  }

  #advance(now: number): void {
    const passed = now - this.#last;
    if (!(passed > 0)) return;
    this.#last = now;
    const depth = Math.max(2 * FULL_PACKET, this.#rate / 1000 * CATCH_UP);
    this.#debt = Math.max(-depth, this.#debt - passed * this.#rate / 1000);
  }

  #wakeFirst(at: number): void {
    for (const waiter of this.#waiting) {
      waiter.wake(at);
      return;
    }
  }
}

/** The queue of a limit. Only this folder needs it. */
export let queueOf: (limit: RateLimit) => RateQueue;

/**
 * A limit for the packets of several connections and listeners together: the option `rateLimit`. Each
 * gets its turn, so that one with much to send does not hold the others up. All packets count, with
 * acknowledgments and retransmissions, and with the headers of the library; those of UDP and IP do not.
 *
 * To limit one connection, the option `pacingRate` is enough. kcp-go has `SetBucket`, which limits what
 * is written, not what is sent.
 *
 * @example
 * ```ts
 * import { connect, RateLimit, turbo } from "@lowlatency/kcp";
 *
 * const rateLimit = new RateLimit(1_000_000); // bytes per second, for both together
 * await using music = await connect({ port: 4000, rateLimit, ...turbo });
 * await using video = await connect({ port: 4001, rateLimit, ...turbo });
 * rateLimit.bytesPerSecond = 2_000_000; // holds at once
 * ```
 */
export class RateLimit {
  static {
    queueOf = (limit) => limit.#queue;
  }
  readonly #queue: RateQueue;

  /**
   * Makes a limit.
   *
   * @param bytesPerSecond Bytes per second, 1 to `Infinity`.
   * @throws {TypeError | RangeError} When it has the wrong type or is out of its range.
   */
  constructor(bytesPerSecond: number) {
    checkRate(bytesPerSecond);
    this.#queue = new RateQueue(bytesPerSecond);
  }

  /**
   * Bytes per second, 1 to `Infinity`. A change holds at once.
   *
   * @throws {TypeError | RangeError} When it has the wrong type or is out of its range.
   *
   * @example
   * ```ts
   * import { RateLimit } from "@lowlatency/kcp";
   *
   * const rateLimit = new RateLimit(1_000_000);
   * rateLimit.bytesPerSecond /= 2;
   * console.log(rateLimit.bytesPerSecond); // 500000
   * ```
   */
  get bytesPerSecond(): number {
    return this.#queue.rate;
  }

  set bytesPerSecond(bytesPerSecond: number) {
    checkRate(bytesPerSecond);
    this.#queue.rate = bytesPerSecond;
  }
}

function checkRate(rate: unknown): void {
  if (typeof rate !== "number") {
    throw new TypeError(`Cannot set bytesPerSecond to ${shown(rate)}: it must be a number`);
  }
  if (!(rate >= 1)) {
    throw new RangeError(`Cannot set bytesPerSecond to ${rate}: allowed are 1 to Infinity`);
  }
}

/** The option that limits several connections together. */
export interface RateLimitOptions {
  /**
   * A limit for what leaves the socket. Give the same one to several connections or listeners, and it
   * holds for their sum. Default: none.
   */
  rateLimit?: RateLimit | undefined;
}

/** Takes the limit out of options, and checks it. */
export function splitRateLimit<T extends RateLimitOptions>(
  options: T,
): [rest: Omit<T, "rateLimit">, limit: RateLimit | undefined] {
  const { rateLimit, ...rest } = options;
  if (rateLimit !== undefined && !(rateLimit instanceof RateLimit)) {
    throw new TypeError(`Cannot set rateLimit to ${shown(rateLimit)}: it must be a RateLimit`);
  }
  return [rest, rateLimit];
}
