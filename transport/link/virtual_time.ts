/**
 * The time of a simulation, which jumps from one event to the next.
 *
 * @module
 */

import type { Clock } from "../connection/driver.ts";
import { type Timed, TimerHeap } from "../session/timer_heap.ts";
import { macrotask } from "./macrotask.ts";

/** Something that happens at a given time. */
interface ScheduledEvent extends Timed {
  readonly action: () => void;
}

/** A time that moves only when it is told to, and the events that happen at it. */
export class VirtualTime {
  readonly #events = new TimerHeap<ScheduledEvent>();
  #now: number;

  /** @param start The time at the start, in ms. */
  constructor(start: number) {
    this.#now = start;
  }

  /** The time in ms. */
  get now(): number {
    return this.#now;
  }

  /**
   * Makes a clock that shows this time and has a timer of its own.
   *
   * @param frozenUntil Until when (ms) the process that has the clock is suspended. Its timer fires then,
   * if it was due before.
   */
  clock(frozenUntil: () => number = () => -Infinity): Clock {
    let pending: ScheduledEvent | null = null;
    const stop = () => {
      if (pending) this.#events.remove(pending);
      pending = null;
    };
    const wake = (at: number, callback: () => void) => {
      pending = this.schedule(at, () => {
        const until = frozenUntil();
        pending = null;
        if (until > this.#now) wake(until, callback);
        else callback();
      });
    };
    return {
      now: () => this.#now,
      wake: (at, callback) => {
        stop();
        if (at !== Infinity) wake(at, callback);
      },
      stop,
      ref: () => {},
      unref: () => {},
    };
  }

  /** Calls `action` at the time `at`. If `at` has passed, the action is due now. */
  schedule(at: number, action: () => void): ScheduledEvent {
    const event: ScheduledEvent = { action, place: -1 };
    this.#events.push(Math.max(at, this.#now), event);
    return event;
  }

  /** Takes an event back. It may have happened. */
  cancel(event: ScheduledEvent): void {
    this.#events.remove(event);
  }

  /** {@linkcode VirtualTime.schedule}, unless the signal is aborted before. */
  scheduleUnless(at: number, action: () => void, signal: AbortSignal | undefined): void {
    if (signal?.aborted) return;
    const cancel = () => this.cancel(event);
    const event = this.schedule(at, () => {
      signal?.removeEventListener("abort", cancel);
      action();
    });
    signal?.addEventListener("abort", cancel, { once: true });
  }

  /** Returns a promise that is fulfilled after `ms` of virtual time, unless the signal is aborted. */
  delay(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = () => reject(signal!.reason);
      signal?.addEventListener("abort", abort, { once: true });
      this.scheduleUnless(this.#now + ms, () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, signal);
    });
  }

  /** Lets `ms` pass. All events of that time happen before this returns. */
  elapse(ms: number): void {
    const end = this.#now + ms;
    while (this.#events.deadline <= end) this.#step();
    this.#now = end;
  }

  /** Lets `ms` pass. After each event, code that waits for promises gets its turn. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await macrotask();
    while (this.#events.deadline <= end) {
      this.#step();
      await macrotask();
    }
    this.#now = end;
  }

  /**
   * Lets time pass until `body` has ended, and returns its result.
   *
   * @param body What to run.
   * @param limit After how many ms of virtual time to give up.
   * @throws {Error} If no event is left, or the limit is reached, before `body` has ended.
   */
  async run<T>(body: () => T | Promise<T>, limit: number): Promise<T> {
    const end = this.#now + limit;
    let done = false;
    const result = (async () => await body())().finally(() => done = true);
    // Without this, a rejection while time passes would count as unhandled.
    result.catch(() => {});
    for (await macrotask(); !done; await macrotask()) {
      if (this.#events.size === 0) {
        throw new Error(
          `Nothing is left to happen at ${this.#now} ms, but the body still waits: ` +
            `for a packet that was never sent, or for something outside the network. ` +
            `Timers of the application are outside until fakeTimers() is called`,
        );
      }
      if (this.#events.deadline > end) {
        throw new Error(`The body has not ended after ${limit} ms of the network's time`);
      }
      this.#step();
    }
    return await result;
  }

  /** Moves the time to the next event, and runs it. */
  #step(): void {
    const at = this.#events.deadline;
    if (at > this.#now) this.#now = at;
    this.#events.pop()!.action();
  }
}
