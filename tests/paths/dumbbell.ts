/**
 * A path that flows share: one bottleneck with a queue, and a way back.
 *
 * It is made of the parts of the simulated network. It knows two things that the network does not
 * tell: how long the queue of the bottleneck is, and which flow a packet belongs to.
 *
 * @module
 */
import { attachMachine } from "../../transport/link/attachment.ts";
import { Link } from "../../transport/link/link.ts";
import { Random } from "../../transport/link/random.ts";
import { SimulatedSocket } from "../../transport/link/simulated_socket.ts";
import { VirtualTime } from "../../transport/link/virtual_time.ts";
import type { Attachment, EndpointMachine, LinkOptions } from "../../transport/simulated.ts";
import { quantiles } from "./statistics.ts";

/** What the bottleneck did to the packets of one flow. Bytes are those of UDP payload. */
export interface Fates {
  /** Packets sent. */
  packets: number;
  /** Packets that were lost or found the queue full. */
  dropped: number;
  /** Bytes of these packets. */
  droppedBytes: number;
  /** Bytes of the packets that have arrived. */
  arrivedBytes: number;
}

/** Makes the counters of a flow that has sent nothing yet. */
export function noFates(): Fates {
  return { packets: 0, dropped: 0, droppedBytes: 0, arrivedBytes: 0 };
}

/** Measures the queue in front of the bandwidth of a link, at regular times. */
export class QueueGauge {
  readonly link: Link;
  readonly interval: number;
  /** The time in ms that a packet would have waited: one value for each interval. */
  readonly waits: number[] = [];
  /** When the last byte of the last accepted packet leaves. */
  #busyUntil = 0;

  /**
   * @param link The link. Every packet must be sent through the gauge.
   * @param interval The time between two values in ms.
   */
  constructor(link: Link, interval: number) {
    this.link = link;
    this.interval = interval;
  }

  /** Takes the values that are due before `now`. */
  advance(now: number): void {
    for (let at = this.waits.length * this.interval; at < now; at += this.interval) {
      this.waits.push(Math.max(0, this.#busyUntil - at));
    }
  }

  /** Percentiles of the values from one time to another, by the nearest rank, in ms. */
  quantiles(shares: readonly number[], from: number, to: number): number[] {
    return quantiles(this.#between(from, to), shares);
  }

  /** When the queue is first at or below `wait`, from one time to another; Infinity for never. */
  below(wait: number, from: number, to: number): number {
    const found = this.#between(from, to).findIndex((value) => value <= wait);
    return found < 0 ? Infinity : (Math.ceil(from / this.interval) + found) * this.interval;
  }

  #between(from: number, to: number): number[] {
    return this.waits.slice(Math.ceil(from / this.interval), Math.ceil(to / this.interval));
  }

  /** {@linkcode Link.transmit}. */
  transmit(
    packet: Uint8Array,
    now: number,
    deliver: (packet: Uint8Array, at: number) => void,
  ): void {
    this.advance(now);
    const { stats } = this.link;
    const refused = stats.overflowed + stats.blackedOut + stats.tooLarge;
    this.link.transmit(packet, now, deliver);
    // A packet that is lost on the way has used the bandwidth.
    if (stats.overflowed + stats.blackedOut + stats.tooLarge > refused) return;
    const { bandwidth, headerBytes } = this.link.options;
    const size = packet.length + headerBytes;
    this.#busyUntil = Math.max(now, this.#busyUntil) + size * 1000 / bandwidth;
  }
}

/** One bottleneck from left to right, and the way back. All packets of a direction share it. */
export class Dumbbell {
  readonly time = new VirtualTime(0);
  readonly random: Random;
  readonly gauge: QueueGauge;
  readonly #back: Link;

  /**
   * @param seed The seed of all randomness.
   * @param path What both directions do to packets.
   * @param interval How often the queue is measured, in ms.
   * @param lossBack The share of packets that are lost on the way back, if it is another.
   */
  constructor(seed: number | string, path: LinkOptions, interval: number, lossBack = path.loss) {
    this.random = new Random(seed);
    this.gauge = new QueueGauge(new Link(path, this.random.fork("there")), interval);
    this.#back = new Link({ ...path, loss: lossBack }, this.random.fork("back"));
  }

  /** The time in ms. */
  get now(): number {
    return this.time.now;
  }

  /** Changes both directions. */
  configure(change: LinkOptions): void {
    this.gauge.link.configure(change);
    this.#back.configure(change);
  }

  /** Cuts both directions, or restores them. */
  cut(down: boolean): void {
    this.gauge.link.down = this.#back.down = down;
  }

  /**
   * Connects two machines, one on the left and one on the right.
   *
   * @param access How much longer than the path the round trip of the two is, in ms.
   * @param fates Counts what happens to the packets from the left.
   */
  connect(
    name: string,
    left: EndpointMachine,
    right: EndpointMachine,
    access: number,
    fates: Fates,
  ): { left: Attachment; right: Attachment; leftAddress: string; rightAddress: string } {
    const [leftAddress, rightAddress] = [`${name}-left:1000`, `${name}-right:80`];
    const leftSocket = new SimulatedSocket(leftAddress, (packet) => {
      let dropped = true;
      fates.packets++;
      this.gauge.transmit(packet, this.now, (arriving, at) => {
        dropped = false;
        this.time.schedule(at + access / 2, () => {
          fates.arrivedBytes += arriving.length;
          rightSocket.receiver?.packet(arriving, leftAddress);
        });
      });
      if (!dropped) return;
      fates.dropped++;
      fates.droppedBytes += packet.length;
    }, () => {});
    const rightSocket = new SimulatedSocket(rightAddress, (packet) => {
      this.#back.transmit(packet, this.now, (arriving, at) => {
        this.time.schedule(at + access / 2, () => {
          leftSocket.receiver?.packet(arriving, rightAddress);
        });
      });
    }, () => {});
    return {
      left: attachMachine(left, leftSocket, this.time.clock(), undefined),
      right: attachMachine(right, rightSocket, this.time.clock(), undefined),
      leftAddress,
      rightAddress,
    };
  }
}
