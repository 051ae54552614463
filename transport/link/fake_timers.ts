/**
 * Timers and clocks of the application on the time of a simulation.
 *
 * @module
 */
import { shown } from "../session/shown.ts";
import type { VirtualTime } from "./virtual_time.ts";

/** Settings of {@linkcode SimulatedNetwork.fakeTimers}. */
export interface FakeTimersOptions {
  /** What `Date.now()` gives at the network's time 0, in ms since 1970, or as a date. Default: 0. */
  readonly date?: number | Date;
}

/** The timers of the application while they are on the time of a network. */
export interface FakeTimers extends Disposable {
  /**
   * Gives the application the runtime's timers and clocks again. Timers that have not fired never
   * will. A second call does nothing.
   *
   * @example
   * ```ts
   * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
   *
   * const network = new SimulatedNetwork();
   * const timers = network.fakeTimers();
   * try {
   *   await network.run(() => new Promise((resolve) => setTimeout(resolve, 60_000)));
   * } finally {
   *   timers.restore();
   * }
   * console.log(network.now); // 60000
   * ```
   */
  restore(): void;
}

/** Shortest delay in ms, as in Node.js: a loop of timers must move the time. */
const MIN_DELAY = 1;
/** A timer with a longer delay (ms) has the shortest one, as in Node.js. */
const MAX_DELAY = 2 ** 31 - 1;
/** Ids of fake timers start here: those of the runtime's timers are smaller. */
const FIRST_ID = 2 ** 40;

type Callback = (...args: unknown[]) => void;

/** Whether timers are fake already: there is one set of them in a process. */
let installed = false;

/** A timer that waits, and what Node.js gives for one. */
class FakeTimer {
  readonly id: number;
  readonly delay: number;
  readonly run: () => void;
  readonly repeats: boolean;
  event: ReturnType<VirtualTime["schedule"]> | null = null;
  readonly #start: (timer: FakeTimer) => void;
  readonly #stop: (timer: FakeTimer) => void;
  #referenced = true;

  constructor(
    id: number,
    delay: number,
    run: () => void,
    repeats: boolean,
    start: (timer: FakeTimer) => void,
    stop: (timer: FakeTimer) => void,
  ) {
    this.id = id;
    this.delay = delay;
    this.run = run;
    this.repeats = repeats;

    this.#start = start;
    this.#stop = stop;
  }

  ref(): this {
    this.#referenced = true;
    return this;
  }

  unref(): this {
    this.#referenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.#referenced;
  }

  refresh(): this {
    this.#start(this);
    return this;
  }

  close(): this {
    this.#stop(this);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }

  [Symbol.dispose](): void {
    this.#stop(this);
  }
}

/**
 * Replaces `setTimeout`, `setInterval`, what clears them, `Date`, `performance.now` and
 * `AbortSignal.timeout` of the process.
 *
 * @throws {Error} When they are replaced already.
 * @throws {TypeError | RangeError} When the date is none.
 */
export function installFakeTimers(time: VirtualTime, options: FakeTimersOptions): FakeTimers {
  const base = Number(options.date ?? 0);
  if (!Number.isFinite(base)) {
    throw new RangeError(`Cannot start at the date ${options.date}: it must be a time`);
  }
  if (installed) {
    throw new Error("Cannot install fake timers: those of another call are not restored yet");
  }
  installed = true;
  const replaced = new Replacements();
  const timers = new TimerTable(time);
  const milliseconds = () => Math.floor(base + time.now);
  replaced.set(globalThis, "setTimeout", timers.setTimeout);
  replaced.set(globalThis, "setInterval", timers.setInterval);
  replaced.set(globalThis, "clearTimeout", timers.clearTimeout);
  replaced.set(globalThis, "clearInterval", timers.clearInterval);
  replaced.set(globalThis, "Date", dateAt(milliseconds));
  replaced.set(performance, "now", () => time.now);
  replaced.set(AbortSignal, "timeout", (ms: number) => timers.signal(ms));
  let restored = false;
  const restore = () => {
    if (restored) return;
    restored = true;
    installed = false;
    replaced.undo();
    timers.clear();
  };
  return { restore, [Symbol.dispose]: restore };
}

/** Properties that were replaced. */
class Replacements {
  readonly #undo: (() => void)[] = [];

  set(owner: object, name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    Object.defineProperty(owner, name, {
      value,
      configurable: true,
      enumerable: before?.enumerable ?? false,
      writable: true,
    });
    this.#undo.push(() => {
      if (before) Object.defineProperty(owner, name, before);
      // The prototype has it.
      else delete (owner as Record<string, unknown>)[name];
    });
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
  }
}

/** The timers that wait, and the functions that an application calls. */
class TimerTable {
  readonly #time: VirtualTime;
  readonly #timers = new Map<number, FakeTimer>();
  #nextId = FIRST_ID;
  /** Bound, because browsers refuse to call them on another object. */
  readonly #real = {
    clearTimeout: clearTimeout.bind(globalThis),
    clearInterval: clearInterval.bind(globalThis),
  };
  /** Whether the runtime gives objects for timers, as Node.js does. */
  readonly #objects: boolean;

  constructor(time: VirtualTime) {
    this.#time = time;
    const sample: unknown = setTimeout(() => {}, 0);
    this.#real.clearTimeout(sample as number);
    this.#objects = typeof sample === "object";
    const promised = (ms: number, value: unknown) =>
      new Promise((resolve) => this.setTimeout(() => resolve(value), ms));
    // What `promisify` of Node.js takes for `setTimeout`.
    const symbol = Symbol.for("nodejs.util.promisify.custom");
    Object.defineProperty(this.setTimeout, symbol, { value: promised });
  }

  readonly setTimeout = (callback: Callback, delay?: number, ...args: unknown[]) =>
    this.#add(callback, delay, args, false);

  readonly setInterval = (callback: Callback, delay?: number, ...args: unknown[]) =>
    this.#add(callback, delay, args, true);

  readonly clearTimeout = (timer?: unknown): void => {
    if (!this.#clear(timer)) this.#real.clearTimeout(timer as number);
  };

  readonly clearInterval = (timer?: unknown): void => {
    if (!this.#clear(timer)) this.#real.clearInterval(timer as number);
  };

  /** A signal that is aborted after `ms`. */
  signal(ms: number): AbortSignal {
    if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`Cannot abort after ${ms} ms: allowed are 0 to 2^53 - 1`);
    }
    const controller = new AbortController();
    this.#time.schedule(this.#time.now + ms, () => {
      const reason = new DOMException("The operation was aborted due to timeout", "TimeoutError");
      controller.abort(reason);
    });
    return controller.signal;
  }

  /** Removes all timers. */
  clear(): void {
    for (const timer of [...this.#timers.values()]) this.#stop(timer);
  }

  #add(callback: Callback, delay: unknown, args: unknown[], repeats: boolean): unknown {
    if (typeof callback !== "function") {
      throw new TypeError(`Cannot set a timer for ${shown(callback)}: it must be a function`);
    }
    const ms = Number(delay ?? 0);
    const timer = new FakeTimer(
      this.#nextId++,
      ms >= MIN_DELAY && ms <= MAX_DELAY ? Math.floor(ms) : MIN_DELAY,
      () => callback(...args),
      repeats,
      (timer) => this.#start(timer),
      (timer) => this.#stop(timer),
    );
    this.#start(timer);
    return this.#objects ? timer : timer.id;
  }

  #start(timer: FakeTimer): void {
    if (timer.event) this.#time.cancel(timer.event);
    this.#timers.set(timer.id, timer);
    timer.event = this.#time.schedule(this.#time.now + timer.delay, () => {
      timer.event = null;
      if (timer.repeats) this.#start(timer);
      else this.#timers.delete(timer.id);
      timer.run();
    });
  }

  #stop(timer: FakeTimer): void {
    if (timer.event) this.#time.cancel(timer.event);
    timer.event = null;
    this.#timers.delete(timer.id);
  }

  /** Removes a timer. False if it is not of this table. */
  #clear(timer: unknown): boolean {
    const id = timer instanceof FakeTimer ? timer.id : Number(timer);
    if (!(id >= FIRST_ID)) return false;
    const found = this.#timers.get(id);
    if (found) this.#stop(found);
    return true;
  }
}

/** `Date` with another present time. */
function dateAt(now: () => number): DateConstructor {
  return new Proxy(Date, {
    apply: (target) => new target(now()).toString(),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    get: (target, name) => name === "now" ? now : Reflect.get(target, name),
  });
}
