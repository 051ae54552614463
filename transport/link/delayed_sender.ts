/**
 * Sends packets through UDP sockets at given times, with one timer for all of them.
 *
 * @module
 */

import { type Timed, TimerHeap } from "../session/timer_heap.ts";

/** The UDP address of a destination: a `Deno.NetAddr`. */
export interface Destination {
  /** Always `udp`. */
  readonly transport: "udp";
  /** An IP address. */
  readonly hostname: string;
  /** The port, 1 to 65535. */
  readonly port: number;
}

/** What sends the packets of a route: a `Deno.DatagramConn`. */
export interface PacketSender {
  /** Sends a packet. Resolves when the operating system has it. */
  send(packet: Uint8Array, to: Destination): Promise<number>;
}

/**
 * A socket and a destination. Packets on one route keep their order: each send starts when the send
 * before it has ended. Concurrent sends would be only slightly faster, and Deno does not keep their
 * order: sends that wait until a new socket becomes writable end in reverse order.
 */
export interface Route<Socket extends PacketSender = PacketSender> {
  /** The socket that sends. The caller may replace it while packets wait. */
  socket: Socket;
  /** The destination. */
  readonly address: Destination;
  /** The packets that are due and not sent yet. */
  readonly due: Uint8Array[];
  /** Whether a packet is being sent. */
  sending: boolean;
}

interface Pending extends Timed {
  readonly route: Route;
  readonly packet: Uint8Array;
}

/** The longest delay that `setTimeout` supports, in ms. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/**
 * Sends packets at given times of `performance.now()`. A packet never leaves early. Packets of one
 * route with the same time leave in the order in which they were scheduled. A packet that waits for
 * the timer leaves 1 to 2 ms late, or later if the machine is overloaded. A packet that is due when
 * {@linkcode DelayedSender.run} is called leaves at once.
 */
export class DelayedSender {
  /** Packets dropped because too many bytes were waiting. */
  discarded = 0;
  /** Packets that the operating system did not send. */
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
   * @param maxPendingBytes How many bytes may wait. A packet that exceeds this is dropped.
   */
  constructor(maxPendingBytes: number) {
    this.#maxPendingBytes = maxPendingBytes;
  }

  /**
   * Adds a packet. Call {@linkcode DelayedSender.run} after adding one or more packets.
   *
   * @param route The socket and the destination.
   * @param packet The packet. The caller must not change it afterwards.
   * @param at When it is due, in ms on the scale of `performance.now()`.
   */
  schedule(route: Route, packet: Uint8Array, at: number): void {
    if (this.#pendingBytes + packet.length > this.#maxPendingBytes) {
      this.discarded++;
      return;
    }
    this.#pendingBytes += packet.length;
    this.#pending.push(at, { route, packet, place: -1 });
  }

  /**
   * Sends the packets that are due, and sets the timer for the others.
   *
   * @param now The current value of `performance.now()`.
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
    // Rounded up, because setTimeout drops the fraction and would fire too early.
    const delay = Math.min(Math.ceil(this.#timerAt - now), MAX_TIMEOUT);
    this.#timer = setTimeout(this.#onTimer, delay);
  }

  #onTimer = (): void => {
    this.#timerAt = Infinity;
    this.run(performance.now());
  };

  /**
   * Drops the packets that wait. Further calls have no effect.
   *
   * @returns A promise that is fulfilled once the sends in progress have ended.
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
      // Shortening the array only when half of it is sent moves each packet about once.
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
