import { distance } from "./segment.ts";

/** How many of the last times are remembered: a power of two. */
const SIZE = 32;

/**
 * The `ts` of the last packets that ask for an echo or show the clock. Nobody else can know them: a session starts its
 * clock at a random value. So an echo shows that the packet was received at the address that it was
 * sent to.
 */
export class EchoLog {
  readonly #times = new Int32Array(SIZE);
  /** When these packets were made, in ms. */
  readonly #sentAt = new Float64Array(SIZE);
  readonly #isEchoed = new Uint8Array(SIZE);
  #count = 0;
  /** Index after the newest time that was echoed. */
  #newestEchoed = 0;
  /** The times of the last packets that only show the clock. Nobody echoes them. */
  readonly #shown = new Int32Array(SIZE);
  #shownCount = 0;
  /** The newest time of both kinds. */
  #last = 0;

  /** Makes a `ts` for a packet that is sent `now`, at the time `ts`, or after the newest one: no two packets have the same. */
  next(ts: number, now: number): number {
    const unique = this.#unique(ts);
    this.#sentAt[this.#count & (SIZE - 1)] = now;
    this.#isEchoed[this.#count & (SIZE - 1)] = 0;
    this.#times[this.#count++ & (SIZE - 1)] = unique;
    return unique;
  }

  /**
   * Makes a `ts` for a packet that only shows the clock. Many may leave in a round trip: with each
   * acknowledgment, or with each answer to an endpoint that keeps nothing. They share a `ts` for `step`
   * ms, so that the first of them is still known when a reset quotes it a round trip later.
   */
  show(ts: number, step: number): number {
    const newest = this.#shown[(this.#shownCount - 1) & (SIZE - 1)];
    if (this.#shownCount > 0 && distance(ts, newest) < step) return newest;
    const unique = this.#unique(ts);
    this.#shown[this.#shownCount++ & (SIZE - 1)] = unique;
    return unique;
  }

  #unique(ts: number): number {
    const first = this.#count + this.#shownCount === 0;
    this.#last = !first && distance(ts, this.#last) <= 0 ? (this.#last + 1) | 0 : ts | 0;
    return this.#last;
  }

  /** Whether a `ts` is one of those that only show the clock. */
  hasShown(ts: number): boolean {
    const oldest = Math.max(0, this.#shownCount - SIZE);
    for (let i = this.#shownCount; i > oldest; i--) {
      if (this.#shown[(i - 1) & (SIZE - 1)] === ts) return true;
    }
    return false;
  }

  /** Whether a `ts` is one that asks for an echo. */
  has(ts: number): boolean {
    return this.#find(ts) > 0;
  }

  /**
   * Takes an echo. Gives the time in ms at which its packet was sent if it is the first echo of one that
   * is so new: it is a round-trip sample then. NaN otherwise.
   */
  take(ts: number): number {
    const found = this.#find(ts);
    if (found > 0) this.#isEchoed[(found - 1) & (SIZE - 1)] = 1;
    if (found <= this.#newestEchoed) return NaN;
    this.#newestEchoed = found;
    return this.#sentAt[(found - 1) & (SIZE - 1)];
  }

  /** Whether a `ts` was echoed. */
  echoed(ts: number): boolean {
    const found = this.#find(ts);
    return found > 0 && this.#isEchoed[(found - 1) & (SIZE - 1)] === 1;
  }

  /** Number of times up to `ts`; 0 if it is unknown. */
  #find(ts: number): number {
    for (let i = this.#count; i > 0 && i > this.#count - SIZE; i--) {
      if (this.#times[(i - 1) & (SIZE - 1)] === ts) return i;
    }
    return 0;
  }
}
