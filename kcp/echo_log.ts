import { distance } from "./segment.ts";

/** How many of the last times are remembered: a power of two. */
const SIZE = 32;

/**
 * The `ts` of the last packets that ask for an echo. Nobody else can know them: a session starts its
 * clock at a random value. So an echo shows that the packet was received at the address that it was
 * sent to.
 */
export class EchoLog {
  readonly #times = new Int32Array(SIZE);
  readonly #isEchoed = new Uint8Array(SIZE);
  #count = 0;
  /** Index after the newest time that was echoed. */
  #newestEchoed = 0;

  /** Makes a `ts` at the time `ts`, or after the newest one: no two packets have the same. */
  next(ts: number): number {
    const last = this.#times[(this.#count - 1) & (SIZE - 1)];
    const unique = this.#count > 0 && distance(ts, last) <= 0 ? (last + 1) | 0 : ts | 0;
    this.#isEchoed[this.#count & (SIZE - 1)] = 0;
    this.#times[this.#count++ & (SIZE - 1)] = unique;
    return unique;
  }

  /** Whether a `ts` is one of them. */
  has(ts: number): boolean {
    return this.#find(ts) > 0;
  }

  /** Takes an echo. True if it is the first one that is so new: it is a round-trip sample then. */
  take(ts: number): boolean {
    const found = this.#find(ts);
    if (found > 0) this.#isEchoed[(found - 1) & (SIZE - 1)] = 1;
    if (found <= this.#newestEchoed) return false;
    this.#newestEchoed = found;
    return true;
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
