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

/** Who waits for a socket. A call with `false` says that the wait has failed. */
interface Waits {
  readable: ((ready: boolean) => void) | null;
  writable: ((ready: boolean) => void) | null;
}

/**
 * Waits for all sockets of the process in one call on one other thread.
 *
 * Deno 2 runs at most 32 blocking calls at one time. Files and names need such calls, too. If each
 * socket waited in a call of its own, 32 idle sockets would stop the program.
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
  /** Number of waits. */
  #waiting = 0;
  /** Settles when no call is in progress any more. Null if there is none. */
  #running: Promise<void> | null = null;
  /** Whether the eventfd was written to during the call in progress. */
  #woken = false;

  private constructor() {
    const packed = Deno.build.arch === "x86_64";
    this.#eventSize = packed ? 12 : 16;
    this.#fdOffset = packed ? 4 : 8;
    const libc = this.libc = Libc.acquire();
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

  /**
   * Waits until a socket is ready, or until {@linkcode Poller.cancel}. A socket may wait for both
   * kinds of events at the same time, but not twice for one.
   *
   * @param events `EPOLLIN` or `EPOLLOUT`.
   * @returns A promise of whether the wait has worked. It never rejects.
   */
  wait(fd: number, events: typeof EPOLLIN | typeof EPOLLOUT): Promise<boolean> {
    const { promise, resolve } = deferred<boolean>();
    let waits = this.#sockets.get(fd);
    const known = waits !== undefined;
    if (!waits) this.#sockets.set(fd, waits = { readable: null, writable: null });
    waits[events === EPOLLIN ? "readable" : "writable"] = resolve;
    this.#waiting++;
    if (!this.#arm(known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, waits)) {
      if (!known) this.#sockets.delete(fd);
      this.#end(waits, EPOLLIN | EPOLLOUT, false);
    } else this.#running ??= this.#run();
    return promise;
  }

  /** Ends the waits of a socket. */
  cancel(fd: number): void {
    const waits = this.#sockets.get(fd);
    if (!waits) return;
    this.#end(waits, EPOLLIN | EPOLLOUT, true);
    // A call in progress would keep the process alive.
    if (this.#waiting === 0) this.#wake();
  }

  /** Ends the waits of a socket and forgets it. Call this before the descriptor is closed. */
  forget(fd: number): void {
    this.cancel(fd);
    if (this.#sockets.delete(fd)) this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Asks the kernel to report, once, the events that a socket waits for. */
  #arm(operation: number, fd: number, { readable, writable }: Waits): boolean {
    const events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    return this.#control(operation, fd, events | EPOLLONESHOT);
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
      this.#waiting--;
      readable(ready);
    }
    if (writable && events & EPOLLOUT) {
      waits.writable = null;
      this.#waiting--;
      writable(ready);
    }
  }

  /** Calls `epoll_wait` again and again while a socket waits. */
  async #run(): Promise<void> {
    const { symbols } = this.libc;
    while (this.#waiting > 0) {
      const count = await symbols.epoll_wait(this.#epoll, this.#events, MAX_EVENTS, -1);
      if (count < 0) {
        for (const waits of this.#sockets.values()) this.#end(waits, EPOLLIN | EPOLLOUT, false);
      }
      for (let i = 0; i < count; i++) this.#report(i * this.#eventSize);
    }
    this.#running = null;
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
    this.#end(waits, events & ~(EPOLLIN | EPOLLOUT) ? EPOLLIN | EPOLLOUT : events, true);
    if (waits.readable || waits.writable) this.#arm(EPOLL_CTL_MOD, fd, waits);
  }

  /** Ends the call in progress. */
  #wake(): void {
    if (!this.#running || this.#woken) return;
    this.#woken = true;
    this.libc.symbols.write(this.#wakeFd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8n);
  }
}
