/**
 * Waits for the sockets of Linux with `epoll`.
 *
 * @module
 */
import { deferred } from "../connection/deferred.ts";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  Libc,
} from "./libc.ts";

/** Largest number of sockets that one call of `epoll_wait` reports. */
const MAX_EVENTS = 64;
/** Size of `struct epoll_event` on arm64. On x86-64 it has no padding: see {@linkcode Poller}. */
const EVENT_SIZE = 16;

/** Both kinds of events. */
const BOTH = EPOLLIN | EPOLLOUT;
/** How often (ms) sockets are checked when none of those that wait keeps the process alive. */
const WEAK_INTERVAL = 5;

/** What waits for a socket. A call with `false` says that the wait has failed. */
interface Waits {
  readable: ((ready: boolean) => void) | null;
  writable: ((ready: boolean) => void) | null;
  /** Whether the kernel knows the socket. */
  known: boolean;
  /** Whether the socket keeps the process alive. */
  referenced: boolean;
}

/**
 * Waits for all sockets of the process in one call on one other thread.
 *
 * Deno 2 runs at most 32 blocking calls at one time. Files and names need such calls, too. If each
 * socket waited in a call of its own, 32 idle sockets would stop the program.
 *
 * A call keeps the process alive. While only sockets wait that must not, a timer checks all of them
 * every few ms.
 */
export class Poller {
  static #shared: Poller | null = null;
  /** The functions of libc. The poller keeps it open. */
  readonly libc: Libc;
  readonly #epoll: number;
  /** An eventfd; a write to it ends the call in progress. */
  readonly #wakeFd: number;
  readonly #sockets = new Map<number, Waits>();
  /** The event that `epoll_ctl` reads. */
  readonly #event = new DataView(new ArrayBuffer(EVENT_SIZE));
  readonly #events = new DataView(new ArrayBuffer(MAX_EVENTS * EVENT_SIZE));
  /** Size of an event, and the offset of its descriptor. */
  readonly #eventSize: number;
  readonly #fdOffset: number;
  readonly #eventCount = new Uint8Array(8);
  /** Number of sockets that use the poller. */
  #users = 0;
  /** Number of waits of sockets that keep the process alive, and of the others. */
  #strong = 0;
  #weak = 0;
  /** Settles when no call is in progress any more. Null if there is none. */
  #running: Promise<void> | null = null;
  /** Whether a call is in progress, and whether the eventfd was written to in its time. */
  #calling = false;
  #woken = false;
  /** The timer that checks weak waits. */
  #timer: ReturnType<typeof setInterval> | null = null;

  private constructor() {
    const libc = this.libc = Libc.acquire();
    const packed = Deno.build.arch === "x86_64";
    this.#eventSize = packed ? 12 : 16;
    this.#fdOffset = packed ? 4 : 8;
    let epoll = -1, wakeFd = -1;
    try {
      epoll = libc.symbols.epoll_create1(EPOLL_CLOEXEC);
      if (epoll < 0) throw libc.error("epoll_create1");
      wakeFd = libc.symbols.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (wakeFd < 0) throw libc.error("eventfd");
      this.#epoll = epoll;
      this.#wakeFd = wakeFd;
      if (!this.#control(EPOLL_CTL_ADD, wakeFd, EPOLLIN)) throw libc.error("epoll_ctl");
    } catch (error) {
      if (epoll >= 0) libc.symbols.close(epoll);
      if (wakeFd >= 0) libc.symbols.close(wakeFd);
      libc.release();
      throw error;
    }
  }

  /**
   * Opens the poller, or returns the open one. Call {@linkcode Poller.release} once for each call.
   *
   * @throws {Error} When libc can't be opened, or a system call fails.
   */
  static acquire(): Poller {
    const poller = Poller.#shared ??= new Poller();
    poller.#users++;
    return poller;
  }

  /**
   * Ends one use. The last one closes the poller and libc.
   *
   * @returns A promise that settles when that is done.
   */
  async release(): Promise<void> {
    if (--this.#users > 0) return;
    Poller.#shared = null;
    this.#wake();
    await this.#running;
    const { symbols } = this.libc;
    symbols.close(this.#epoll);
    symbols.close(this.#wakeFd);
    this.libc.release();
  }

  /** Adds a socket. It keeps the process alive while it waits. */
  add(fd: number): void {
    this.#sockets.set(fd, { readable: null, writable: null, known: false, referenced: true });
  }

  /**
   * Waits until a socket is ready, or until {@linkcode Poller.cancel}. A socket may wait for both
   * kinds of events at the same time, but not twice for one.
   *
   * @param events `EPOLLIN` or `EPOLLOUT`.
   * @returns A promise of whether the wait has worked. It never rejects.
   */
  wait(fd: number, events: typeof EPOLLIN | typeof EPOLLOUT): Promise<boolean> {
    const { promise, resolve } = deferred<boolean>();
    const waits = this.#sockets.get(fd)!;
    waits[events === EPOLLIN ? "readable" : "writable"] = resolve;
    this.#count(waits, 1);
    if (this.#arm(fd, waits)) this.#proceed();
    else this.#end(waits, BOTH, false);
    return promise;
  }

  /** Decides whether the waits of a socket keep the process alive. */
  setReferenced(fd: number, referenced: boolean): void {
    const waits = this.#sockets.get(fd)!;
    const count = (waits.readable ? 1 : 0) + (waits.writable ? 1 : 0);
    this.#count(waits, -count);
    waits.referenced = referenced;
    this.#count(waits, count);
    this.#proceed();
  }

  /** Ends the waits of a socket. */
  cancel(fd: number): void {
    this.#end(this.#sockets.get(fd)!, BOTH, true);
    this.#proceed();
  }

  /** Ends the waits of a socket and forgets it. Call this before the descriptor is closed. */
  forget(fd: number): void {
    this.cancel(fd);
    if (this.#sockets.get(fd)!.known) this.#control(EPOLL_CTL_DEL, fd, 0);
    this.#sockets.delete(fd);
  }

  #count({ referenced }: Waits, change: number): void {
    if (referenced) this.#strong += change;
    else this.#weak += change;
  }

  /** Asks the kernel to report, once, the events that a socket waits for. */
  #arm(fd: number, waits: Waits): boolean {
    const events = (waits.readable ? EPOLLIN : 0) | (waits.writable ? EPOLLOUT : 0);
    const operation = waits.known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const done = this.#control(operation, fd, events | EPOLLONESHOT);
    waits.known ||= done;
    return done;
  }

  #control(operation: number, fd: number, events: number): boolean {
    this.#event.setUint32(0, events, true);
    this.#event.setInt32(this.#fdOffset, fd, true);
    return this.libc.symbols.epoll_ctl(this.#epoll, operation, fd, this.#event) === 0;
  }

  /** Ends the waits of a socket for some events. */
  #end(waits: Waits, events: number, ready: boolean): void {
    const { readable, writable } = waits;
    if (readable && events & EPOLLIN) {
      waits.readable = null;
      this.#count(waits, -1);
      readable(ready);
    }
    if (writable && events & EPOLLOUT) {
      waits.writable = null;
      this.#count(waits, -1);
      writable(ready);
    }
  }

  /** Starts or ends the call and the timer, as the waits need them. */
  #proceed(): void {
    if (this.#strong > 0) this.#running ??= this.#run();
    else if (this.#calling) this.#wake();
    if (this.#weak === 0) {
      if (this.#timer !== null) clearInterval(this.#timer);
      this.#timer = null;
    } else if (this.#timer === null && !this.#calling) {
      this.#timer = setInterval(() => this.#check(), WEAK_INTERVAL);
      Deno.unrefTimer(this.#timer as unknown as number);
    }
  }

  /** Calls `epoll_wait` again and again while a socket waits that keeps the process alive. */
  async #run(): Promise<void> {
    const { symbols } = this.libc;
    while (this.#strong > 0) {
      this.#calling = true;
      const count = await symbols.epoll_wait(this.#epoll, this.#events, MAX_EVENTS, -1);
      this.#calling = false;
      this.#reportAll(count);
    }
    this.#running = null;
    this.#proceed();
  }

  /** Reports what has happened. A call in progress will report it by itself. */
  #check(): void {
    if (this.#calling) return;
    this.#reportAll(this.libc.symbols.epoll_poll(this.#epoll, this.#events, MAX_EVENTS, 0));
    this.#proceed();
  }

  #reportAll(count: number): void {
    if (count < 0) {
      for (const waits of this.#sockets.values()) this.#end(waits, BOTH, false);
    }
    for (let i = 0; i < count; i++) this.#report(i * this.#eventSize);
  }

  /** Ends the waits that an event is for. */
  #report(at: number): void {
    const fd = this.#events.getInt32(at + this.#fdOffset, true);
    if (fd === this.#wakeFd) {
      this.#woken = false;
      this.libc.symbols.read(fd, this.#eventCount, 8n);
      return;
    }
    const waits = this.#sockets.get(fd);
    if (!waits) return;
    const events = this.#events.getUint32(at, true);
    // An error ends both waits: the next call of either kind reports it.
    this.#end(waits, events & ~BOTH ? BOTH : events, true);
    if (waits.readable || waits.writable) this.#arm(fd, waits);
  }

  /** Ends the call in progress. */
  #wake(): void {
    if (!this.#calling || this.#woken) return;
    this.#woken = true;
    this.libc.symbols.write(this.#wakeFd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8n);
  }
}
