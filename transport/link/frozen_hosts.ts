/**
 * Hosts of a simulated network whose processes are suspended.
 *
 * @module
 */
import { hostOf } from "../session/address.ts";
import type { VirtualTime } from "./virtual_time.ts";

/**
 * Bytes of packets that wait for a suspended process, as in the receive buffer of a socket: the default
 * of Linux.
 */
const RECEIVE_BUFFER = 212_992;

/** A host that is suspended. */
class FrozenHost {
  /** When its processes go on, in ms. */
  until = -Infinity;
  /** What passes on the packets that they have sent, and those that have arrived, in order. */
  readonly sent: (() => void)[] = [];
  readonly arrived: (() => void)[] = [];
  /** Bytes of the packets that wait at each address. */
  readonly waiting = new Map<string, number>();
}

/** The hosts that are suspended. */
export class FrozenHosts {
  readonly #time: VirtualTime;
  readonly #hosts = new Map<string, FrozenHost>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** Suspends the processes of a host for `ms` from now on, or for longer if they are suspended. */
  freeze(hostname: string, ms: number): void {
    if (!(ms >= 0 && ms < Infinity)) {
      throw new RangeError(`Cannot freeze ${hostname} for ${ms} ms: allowed are 0 to Infinity`);
    }
    const host = this.#hosts.get(hostname) ?? new FrozenHost();
    this.#hosts.set(hostname, host);
    host.until = Math.max(host.until, this.#time.now + ms);
    // The timers of the host have been moved to the same time. They fire before its sockets are read.
    this.#time.schedule(host.until, () => {
      this.#time.schedule(this.#time.now, () => this.#thaw(hostname, host));
    });
  }

  /** Drops all that waits for a host, and goes on: its processes have ended. */
  forget(hostname: string): void {
    this.#hosts.delete(hostname);
  }

  /** Whether the processes of a socket's host are suspended. */
  has(address: string): boolean {
    return this.#find(address) !== undefined;
  }

  /** When they go on, in ms; -Infinity if they are not suspended. */
  until(address: string): number {
    return this.#find(address)?.until ?? -Infinity;
  }

  /** Keeps a packet that a suspended process sends. */
  holdSent(address: string, pass: () => void): void {
    this.#find(address)!.sent.push(pass);
  }

  /** Keeps a packet that arrives for a suspended process. False if there is no room. */
  holdArrived(address: string, bytes: number, pass: () => void): boolean {
    const { waiting, arrived } = this.#find(address)!;
    const sum = (waiting.get(address) ?? 0) + bytes;
    if (sum > RECEIVE_BUFFER) return false;
    waiting.set(address, sum);
    arrived.push(pass);
    return true;
  }

  #find(address: string): FrozenHost | undefined {
    return this.#hosts.size === 0 ? undefined : this.#hosts.get(hostnameOf(address));
  }

  #thaw(hostname: string, host: FrozenHost): void {
    if (this.#hosts.get(hostname) !== host || host.until > this.#time.now) return;
    this.#hosts.delete(hostname);
    for (const pass of host.sent) pass();
    for (const pass of host.arrived) pass();
  }
}

/** The host of an address, without the brackets of IPv6. */
export function hostnameOf(address: string): string {
  const host = hostOf(address);
  return host.startsWith("[") ? host.slice(1, -1) : host;
}
