/**
 * The queue in front of the bandwidth of a link.
 *
 * @module
 */

import type { ResolvedLinkOptions } from "./link_options.ts";

/** The options of a link that this queue follows. */
type QueueOptions = Pick<ResolvedLinkOptions, "bandwidth" | "queuePackets" | "queueBytes">;

/** Sends packets one after the other at a given bandwidth, and drops those that find it full. */
export class BandwidthQueue {
  /** When the last byte of the last accepted packet leaves. */
  #busyUntil = -Infinity;
  /** When each waiting packet starts to leave. Entries before `#head` have left. */
  #startTimes: number[] = [];
  /** The size of each waiting packet, in bytes. */
  #sizes: number[] = [];
  #head = 0;
  #waitingBytes = 0;

  /**
   * Adds a packet.
   *
   * @param size Bytes of the packet, headers included.
   * @param now The time in ms, never less than in an earlier call.
   * @param options The bandwidth and the limits that are in force now.
   * @returns When the last byte of the packet leaves, or `undefined` if the queue is full.
   */
  add(size: number, now: number, options: QueueOptions): number | undefined {
    const { bandwidth, queuePackets, queueBytes } = options;
    this.#removeSent(now);
    const start = Math.max(now, this.#busyUntil);
    const limited = queuePackets < Infinity || queueBytes < Infinity;
    if (start > now && limited) {
      const waiting = this.#startTimes.length - this.#head;
      if (waiting >= queuePackets || this.#waitingBytes + size > queueBytes) return undefined;
      this.#startTimes.push(start);
      this.#sizes.push(size);
      this.#waitingBytes += size;
    }
    this.#busyUntil = start + size * 1000 / bandwidth;
    return this.#busyUntil;
  }

  /** Removes the packets that wait no longer. */
  #removeSent(now: number): void {
    while (this.#head < this.#startTimes.length && this.#startTimes[this.#head] <= now) {
      this.#waitingBytes -= this.#sizes[this.#head++];
    }
    // Shortening the arrays only when half of them is unused moves each entry about once.
    if (this.#head > 0 && this.#head * 2 >= this.#startTimes.length) {
      this.#startTimes.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
