/**
 * Packets that leave through UDP sockets at given times, whatever their number: one timer, and one
 * send under way for each route.
 *
 * @module
 */

import { TimerHeap } from "../session/timer_heap.ts";

/**
 * A way out, on which packets keep their order: the next send starts when the last one has ended.
 * Several at once would be faster by little, and Deno does not keep them in order: those that wait
 * for the socket to become writable, as the first ones on a new socket do, end in the reverse
 * order.
 */
export interface Route {
  /** The socket that sends. It may be replaced while packets wait. */
  socket: Deno.DatagramConn;
  /** Where the packets go. */
  readonly address: Deno.NetAddr;
  /** The packets that are due, while one is being sent. */
  readonly due: Uint8Array[];
  /** Whether a packet is being sent. */
  sending: boolean;
}

interface Pending {
  readonly route: Route;
  readonly packet: Uint8Array;
}

/** The longest time that setTimeout takes, in ms. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/**
 * Sends packets at given times of `performance.now()`; for each route in the order of
 * {@linkcode TimerHeap}. A packet never leaves early. It leaves late by what timers are, 1 to 2 ms,
 * as long as the machine keeps up; {@linkcode DelayedSender.run} sends what is due without that
 * delay.
 */
export class DelayedSender {
  /** Packets that were dropped because `maxPendingBytes` were waiting. */
  discarded = 0;
  /** Packets that the operating system refused to send. */
  failed = 0;
  #maxPendingBytes: number;
  #pendingBytes = 0;
  #pending = new TimerHeap<Pending>();
  #sending = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #closed = false;
  #drained = Promise.withResolvers<void>();

  /**
   * Makes a sender.
   *
   * @param maxPendingBytes How many bytes may wait; a packet beyond them is dropped.
   */
  constructor(maxPendingBytes: number) {
    this.#maxPendingBytes = maxPendingBytes;
  }

  /**
   * Adds a packet. It is sent by a later {@linkcode DelayedSender.run}: call that once the packets
   * at hand are added.
   *
   * @param route Where it leaves.
   * @param packet The packet, which must not change any more.
   * @param at When it is due, in ms on the scale of `performance.now()`.
   */
  schedule(route: Route, packet: Uint8Array, at: number): void {
    if (this.#pendingBytes + packet.length > this.#maxPendingBytes) {
      this.discarded++;
      return;
    }
    this.#pendingBytes += packet.length;
    this.#pending.push(at, { route, packet });
  }

  /**
   * Sends what is due, and sets the timer for the rest.
   *
   * @param now The present `performance.now()`.
   */
  run(now: number): void {
    while (this.#pending.deadline <= now) {
      const { route, packet } = this.#pending.pop()!;
      route.due.push(packet);
      if (!route.sending) this.#sendAll(route);
    }
    if (this.#pending.deadline >= this.#timerAt || this.#closed) return;
    clearTimeout(this.#timer);
    this.#timerAt = this.#pending.deadline;
    // A fraction of a ms would be cut off, and the timer would fire early and for nothing.
    const delay = Math.min(Math.ceil(this.#timerAt - now), MAX_TIMEOUT);
    this.#timer = setTimeout(this.#onTimer, delay);
  }

  #onTimer = (): void => {
    this.#timerAt = Infinity;
    this.run(performance.now());
  };

  /**
   * Drops what waits. Another call changes nothing.
   *
   * @returns A promise that is fulfilled once no send is under way.
   */
  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pending.clear();
    if (this.#sending === 0) this.#drained.resolve();
    return this.#drained.promise;
  }

  async #sendAll(route: Route): Promise<void> {
    route.sending = true;
    this.#sending++;
    const { due } = route;
    let next = 0;
    while (next < due.length && !this.#closed) {
      const packet = due[next++];
      try {
        await route.socket.send(packet, route.address);
      } catch {
        this.failed++;
      }
      this.#pendingBytes -= packet.length;
      // At least half of the array is sent: drop it. That moves each packet about once.
      if (next * 2 >= due.length) {
        due.splice(0, next);
        next = 0;
      }
    }
    due.length = 0;
    route.sending = false;
    if (--this.#sending === 0 && this.#closed) this.#drained.resolve();
  }
}
