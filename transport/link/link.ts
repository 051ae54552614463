/**
 * One direction of a network path, as a model without a clock or a timer. The caller passes a
 * packet and the time at which it is sent. The link answers with the time at which the packet
 * arrives, or drops it.
 *
 * @module
 */

import { BandwidthQueue } from "./bandwidth_queue.ts";
import type { LinkControl } from "./link_control.ts";
import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link_options.ts";
import { emptyLinkStats, type LinkStats } from "./link_stats.ts";
import type { Random } from "./random.ts";

/** The largest slab that copies of packets share, in bytes. An idle link has a smaller one. */
const MAX_SLAB = 65_536;

/**
 * One direction of a network path.
 *
 * A packet passes the parts of the path in this order: the MTU, an outage (`down` or a blackout),
 * the queue in front of the bandwidth, latency and jitter, loss, reordering, corruption and
 * duplication. So a lost packet has used its share of the bandwidth.
 *
 * Each option that needs randomness has its own random stream, and each packet draws the same
 * count of numbers from it. Hence what an option does to the n-th packet depends only on the seed,
 * on n and on that option. If `loss` is turned on, some packets are lost and the others do not
 * change. If `loss` is raised, the same packets are lost and more.
 */
export class Link implements LinkControl {
  /** Whether the link is cut: every packet sent now is lost. Packets sent before still arrive. */
  down = false;
  /** What happened so far. It is the same object during the life of the link. */
  readonly stats: Readonly<LinkStats>;
  #stats: LinkStats = emptyLinkStats();
  #options: ResolvedLinkOptions;
  #start: number;
  #now = -Infinity;
  /** Whether the Gilbert–Elliott model is in its bad state. */
  #bad = false;
  #lastArrival = -Infinity;
  #queue = new BandwidthQueue();
  #slab: Uint8Array = new Uint8Array(2048);
  #slabUsed = 0;
  #lossRandom: Random;
  #burstRandom: Random;
  #jitterRandom: Random;
  #reorderRandom: Random;
  #duplicateRandom: Random;
  #corruptRandom: Random;

  /**
   * Makes a link.
   *
   * @param options What the link does to packets. By default it delivers each packet at once.
   * @param random The random stream of the link. The link forks it and draws nothing from it, so
   * two links with the same stream behave alike.
   * @param start When the times of `blackouts` start to count, in ms. Default: 0.
   * @throws {TypeError} If an option is unknown or has the wrong type.
   * @throws {RangeError} If an option is out of range, or `start` is not finite.
   */
  constructor(options: LinkOptions, random: Random, start = 0) {
    if (!Number.isFinite(start)) {
      throw new RangeError(`Cannot start a link at ${start}: expected a finite time in ms`);
    }
    this.#options = resolveLinkOptions(options);
    this.stats = this.#stats;
    this.#start = start;
    this.#lossRandom = random.fork("loss");
    this.#burstRandom = random.fork("burst");
    this.#jitterRandom = random.fork("jitter");
    this.#reorderRandom = random.fork("reorder");
    this.#duplicateRandom = random.fork("duplicate");
    this.#corruptRandom = random.fork("corrupt");
  }

  /** The options in force, with all defaults filled in. The object is frozen. */
  get options(): ResolvedLinkOptions {
    return this.#options;
  }

  /**
   * Changes options while the link is in use. Packets that the link has accepted keep their times:
   * packets in the queue leave at the old bandwidth. A later packet never overtakes an earlier one
   * because the latency became shorter. A queue limit that is set for the first time counts only
   * packets sent afterwards.
   *
   * @param change The options to change. A member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   */
  configure(change: LinkOptions): void {
    this.#options = resolveLinkOptions({ ...this.#options, ...change });
    if (this.#options.burstLoss === undefined) this.#bad = false;
  }

  /**
   * Sends one packet. The link calls `deliver` before this method returns: not at all if the packet
   * is lost, once, or twice if the packet is duplicated. `deliver` gets a copy that nothing else
   * reads or writes, so the caller may reuse `packet` at once. The copy may lie in a larger buffer.
   * Arrival times are not in order if `reorder` is in use.
   *
   * @param packet The packet: the payload of a UDP datagram.
   * @param now When it is sent, in ms. Never less than in an earlier call.
   * @param deliver Gets the packet and the time at which it arrives, `now` or later.
   * @throws {RangeError} If `now` is NaN, infinite or less than in an earlier call.
   */
  transmit(
    packet: Uint8Array,
    now: number,
    deliver: (packet: Uint8Array, at: number) => void,
  ): void {
    if (!Number.isFinite(now) || now < this.#now) {
      throw new RangeError(
        `Cannot transmit at ${now}: expected a finite time, not before ${this.#now}`,
      );
    }
    this.#now = now;
    const options = this.#options;
    const stats = this.#stats;
    stats.packets++;
    stats.bytes += packet.length;

    // Every packet draws all numbers, also one that is dropped below: later packets must not depend
    // on what happens to this one.
    const lost = this.#lossRandom.next() < options.loss;
    const lostBurst = this.#stepBurst(this.#burstRandom.next(), this.#burstRandom.next());
    const jitter = this.#jitterRandom.next() * options.jitter;
    const heldBack = this.#reorderRandom.next() < options.reorder.probability;
    const duplicated = this.#duplicateRandom.next() < options.duplicate;
    const corrupted = this.#corruptRandom.next() < options.corrupt && packet.length > 0;
    const bit = Math.floor(this.#corruptRandom.next() * packet.length * 8);

    if (packet.length > options.mtu) {
      stats.tooLarge++;
      return;
    }
    if (this.#isOut(now)) {
      stats.blackedOut++;
      return;
    }
    const departure = this.#queue.add(packet.length + options.headerBytes, now, options);
    if (departure === undefined) {
      stats.overflowed++;
      return;
    }
    const arrival = Math.max(departure + options.latency + jitter, this.#lastArrival);
    this.#lastArrival = arrival;
    if (lostBurst || lost) {
      if (lostBurst) stats.lostBurst++;
      else stats.lost++;
      return;
    }

    const copy = this.#copy(packet);
    // Both copies are made before `deliver` runs, because it may reuse the caller's buffer.
    const second = duplicated ? this.#copy(packet) : undefined;
    if (corrupted) {
      copy[bit >>> 3] ^= 1 << (bit & 7);
      stats.corrupted++;
    }
    if (heldBack) stats.reordered++;
    stats.delivered += duplicated ? 2 : 1;
    stats.deliveredBytes += duplicated ? 2 * packet.length : packet.length;
    if (duplicated) stats.duplicated++;
    deliver(copy, heldBack ? arrival + options.reorder.delay : arrival);
    if (second !== undefined) deliver(second, arrival);
  }

  /** Copies a packet into a slab, which many packets share so that few allocations are needed. */
  #copy(packet: Uint8Array): Uint8Array {
    if (this.#slabUsed + packet.length > this.#slab.length) {
      const size = Math.min(2 * this.#slab.length, MAX_SLAB);
      this.#slab = new Uint8Array(Math.max(size, packet.length));
      this.#slabUsed = 0;
    }
    const copy = this.#slab.subarray(this.#slabUsed, this.#slabUsed += packet.length);
    copy.set(packet);
    return copy;
  }

  /** Moves the Gilbert–Elliott model by one packet. Returns whether it loses that packet. */
  #stepBurst(moveDraw: number, lossDraw: number): boolean {
    const burst = this.#options.burstLoss;
    if (burst === undefined) return false;
    if (moveDraw < (this.#bad ? burst.leave : burst.enter)) this.#bad = !this.#bad;
    return lossDraw < (this.#bad ? burst.lossBad : burst.lossGood);
  }

  #isOut(now: number): boolean {
    if (this.down) return true;
    const elapsed = now - this.#start;
    for (const [from, to] of this.#options.blackouts) {
      if (elapsed >= from && elapsed < to) return true;
    }
    return false;
  }
}
