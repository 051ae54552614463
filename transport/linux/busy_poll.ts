/** The longest time of a poll is this factor times the option `busyPoll`. */
const LONG_FACTOR = 5;
/** A turn of the event loop that takes longer than this (ms) while a socket polls is long. */
const LONG_TURN = 1;
/**
 * Long turns may take this part of the time of polls, and these ms: now and then the runtime collects
 * garbage or compiles. More of them show that others need the processor: the rest of the program, or
 * other programs.
 */
const LOST_PART = 0.1;
const LOST_MS = 8;
/**
 * How long (ms) a socket then does not poll. If the next sign follows soon after that, the time
 * doubles, up to the second number.
 */
const REST = 200;
const MAX_REST = 3200;

/**
 * Decides whether a socket that has no packet polls for the next one or sleeps. It reads no clock.
 *
 * A poll finds a packet sooner than a sleeping socket wakes up. On a busy machine it is the other way
 * round: a program that polls uses up its share of the processor, waits for the next one behind the
 * others, and takes the processor from the peer that should answer.
 */
export class BusyPoll {
  readonly #time: number;
  /** How long (ms) after a packet the socket polls at present. */
  #present: number;
  #lastPacket = -Infinity;
  #slept = false;
  /** When the turn of the event loop began in which the socket polls; -1 if it does not poll. */
  #turnAt = -1;
  /** Time (ms) that long turns took, less the part that they may take. */
  #lost = 0;
  #rest = REST;
  #restsUntil = -Infinity;

  /** @param time How long (ms) after a packet the socket polls. */
  constructor(time: number) {
    this.#time = this.#present = time;
  }

  /** Tells that packets have arrived. */
  arrived(now: number): void {
    this.#endTurn(now);
    if (this.#slept) {
      // A wake-up can take longer than a poll. Two ends that answer each other would then both sleep
      // before every packet. A longer poll ends this.
      const long = LONG_FACTOR * this.#time;
      this.#present = now - this.#lastPacket < long ? long : this.#time;
      this.#slept = false;
    }
    this.#lastPacket = now;
  }

  /** Whether the socket polls, as no packet has arrived. Otherwise it sleeps. */
  polls(now: number): boolean {
    this.#endTurn(now);
    const polls = now < this.#lastPacket + this.#present && now >= this.#restsUntil;
    if (polls) this.#turnAt = now;
    this.#slept = !polls;
    return polls;
  }

  #endTurn(now: number): void {
    if (this.#turnAt < 0) return;
    const turn = now - this.#turnAt;
    this.#turnAt = -1;
    if (turn <= LONG_TURN) {
      this.#lost = Math.max(0, this.#lost - LOST_PART * turn);
      return;
    }
    this.#lost += turn;
    if (this.#lost <= LOST_MS) return;
    const soon = now - this.#restsUntil < this.#rest;
    this.#rest = soon ? Math.min(2 * this.#rest, MAX_REST) : REST;
    this.#restsUntil = now + this.#rest;
    this.#lost = 0;
  }
}
