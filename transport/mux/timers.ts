import type { Clock } from "../connection/driver.ts";
import { type Timed, TimerHeap } from "../session/timer_heap.ts";

/** A call that is due at a time. */
interface Call extends Timed {
  readonly run: () => void;
}

/** Calls at later times, by the one timer of a clock. */
export class Timers {
  readonly #clock: Clock;
  #over = false;
  readonly #calls = new TimerHeap<Call>();

  /** @param clock A clock for these calls only. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time in ms. */
  now(): number {
    return this.#clock.now();
  }

  /** Calls `run` after `delay` ms. Returns a function that cancels the call. */
  after(delay: number, run: () => void): () => void {
    if (delay === Infinity || this.#over) return () => {};
    const call: Call = { run, place: -1 };
    this.#calls.push(this.now() + delay, call);
    this.#arm();
    return () => {
      this.#calls.remove(call);
      this.#arm();
    };
  }

  /** Cancels all calls. No more can be added. */
  clear(): void {
    this.#over = true;
    this.#calls.clear();
    this.#clock.stop();
  }

  /** Keeps the process alive while a call is due. */
  ref(): void {
    this.#clock.ref();
  }

  /** Lets the process end. */
  unref(): void {
    this.#clock.unref();
  }

  #arm(): void {
    const { deadline } = this.#calls;
    if (deadline === Infinity) this.#clock.stop();
    else this.#clock.wake(deadline, this.#run);
  }

  readonly #run = (): void => {
    const now = this.now();
    for (let call; (call = this.#calls.popDue(now)) !== undefined;) call.run();
    this.#arm();
  };
}
