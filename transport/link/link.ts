/**
 * One direction of a network path, as a model that reads no clock and sets no timer: a packet goes
 * in with the time at which it is sent, and comes out with the time at which it arrives, or not at
 * all.
 *
 * @module
 */

import { type LinkOptions, type ResolvedLinkOptions, resolveLinkOptions } from "./link_options.ts";
import type { Random } from "./random.ts";

/**
 * What a {@linkcode Link} did so far, in packets where no other unit is given. Each packet has one
 * fate: `packets + duplicated = delivered + lost + lostBurst + overflowed + tooLarge + blackedOut`.
 */
export interface LinkStats {
  /** Packets sent into the link. */
  packets: number;
  /** Bytes of payload sent into the link. */
  bytes: number;
  /** Packets that arrived, second copies included. */
  delivered: number;
  /** Bytes of payload that arrived, second copies included. */
  deliveredBytes: number;
  /** Lost by `loss`, and not by `burstLoss` too. */
  lost: number;
  /** Lost by `burstLoss`. */
  lostBurst: number;
  /** Second copies that arrived. */
  duplicated: number;
  /** Arrived with a bit flipped. */
  corrupted: number;
  /** Arrived after being held back, whether or not another packet overtook them. */
  reordered: number;
  /** Dropped because the queue was full. */
  overflowed: number;
  /** Dropped because they were longer than `mtu`. */
  tooLarge: number;
  /** Lost because the link was down or in a blackout. */
  blackedOut: number;
}

/**
 * Makes the counters of a link on which nothing has happened.
 *
 * @returns Counters that are all 0.
 */
export function emptyLinkStats(): LinkStats {
  return {
    packets: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    lostBurst: 0,
    duplicated: 0,
    corrupted: 0,
    reordered: 0,
    overflowed: 0,
    tooLarge: 0,
    blackedOut: 0,
  };
}

/** The most bytes that copies share: an idle link keeps less, a busy one allocates rarely. */
const MAX_SLAB = 65_536;

/**
 * One direction of a network path.
 *
 * A packet meets the parts of the path in this order: the MTU, an outage (`down` or a blackout),
 * the queue in front of the bandwidth, latency and jitter, loss, then being held back, corrupted
 * and duplicated. So a lost packet has used its share of the bandwidth.
 *
 * Every packet draws the same count of numbers, and each knob has its own stream. Hence the fate
 * that a knob gives to the n-th packet depends on the seed, on n and on that knob only: to turn on
 * loss takes packets away and changes nothing about the others, and to raise it loses the same
 * packets and more.
 *
 * @example A lossy link of 50 ms
 * ```ts
 * import { Link } from "./link.ts";
 * import { Random } from "./random.ts";
 *
 * const link = new Link({ latency: 50, loss: 0.1 }, new Random(1));
 * link.transmit(new Uint8Array(100), 0, (packet, at) => console.log(packet.length, at)); // 100 50
 * ```
 */
export class Link {
  /**
   * A partition switched by hand: while it is true, everything that is sent is lost. What was sent
   * before arrives.
   */
  down = false;
  /** What happened so far. The object is live, and the same one for the life of the link. */
  readonly stats: Readonly<LinkStats>;
  #stats: LinkStats = emptyLinkStats();
  #options: ResolvedLinkOptions;
  #start: number;
  #now = -Infinity;
  #bad = false;
  #lastArrival = -Infinity;
  /** When the last accepted packet has left the queue completely. */
  #busyUntil = -Infinity;
  /** The packets that wait: when each begins to be sent, and its bytes; from `#head` on. */
  #begins: number[] = [];
  #sizes: number[] = [];
  #head = 0;
  #waitingBytes = 0;
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
   * @param options What the link does to packets; by default it delivers each at once.
   * @param random The seed of all that is random here. The link forks it and draws nothing from it,
   * so two links need two streams to differ.
   * @param start The time, on the scale of `now` in {@linkcode transmit}, from which `blackouts`
   * count.
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

  /** The options in force, with every default filled in, frozen. */
  get options(): ResolvedLinkOptions {
    return this.#options;
  }

  /**
   * Changes options while the link is in use. Packets that were accepted keep their times: those
   * that wait are sent at the old bandwidth, and with a shorter latency later packets arrive no
   * earlier than they do. The order of delivery holds across the change. A queue limit counts what
   * is sent from when the link first has one.
   *
   * @param change The options to change; a member that is `undefined` goes back to its default.
   * @throws {TypeError} If an option is unknown or has the wrong type. Nothing is changed then.
   * @throws {RangeError} If an option is out of range. Nothing is changed then.
   */
  configure(change: Partial<LinkOptions>): void {
    this.#options = resolveLinkOptions({ ...this.#options, ...change });
    if (this.#options.burstLoss === undefined) this.#bad = false;
  }

  /**
   * Sends one packet. `deliver` is called before this returns: not at all, once, or twice for a
   * duplicate. It gets a copy that nobody else reads or writes (it may lie in a larger buffer), so
   * the caller may reuse `packet` at once. The times are not in order where packets are held back.
   *
   * @param packet The packet, as UDP payload.
   * @param now The time at which it is sent, in ms; never less than in an earlier call.
   * @param deliver Gets the packet and the time, at or after `now`, at which it arrives.
   * @throws {RangeError} If `now` is NaN, infinite or in the past.
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

    // All draws come first: how many there are must not depend on what happens to the packet.
    const lost = this.#lossRandom.next() < options.loss;
    const lostBurst = this.#burst(this.#burstRandom.next(), this.#burstRandom.next());
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
    const departure = this.#enqueue(packet.length + options.headerBytes, now);
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
    // Also made before `deliver` runs, which may reuse the caller's buffer.
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

  /** Copies a packet into memory that is written once, allocated for many packets together. */
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

  /** Moves the Gilbert–Elliott chain by one packet, and says whether it loses that packet. */
  #burst(moveDraw: number, lossDraw: number): boolean {
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

  /** Puts a packet in the queue: when its last byte leaves, or `undefined` if there was no room. */
  #enqueue(size: number, now: number): number | undefined {
    const { bandwidth, queuePackets, queueBytes } = this.#options;
    const limited = queuePackets < Infinity || queueBytes < Infinity;
    while (this.#head < this.#begins.length && this.#begins[this.#head] <= now) {
      this.#waitingBytes -= this.#sizes[this.#head++];
    }
    // At least half of the array is past: drop it. That moves each packet about once.
    if (this.#head > 0 && this.#head * 2 >= this.#begins.length) {
      this.#begins.splice(0, this.#head);
      this.#sizes.splice(0, this.#head);
      this.#head = 0;
    }
    const begin = Math.max(now, this.#busyUntil);
    if (begin > now && limited) {
      const waiting = this.#begins.length - this.#head;
      if (waiting >= queuePackets || this.#waitingBytes + size > queueBytes) return undefined;
      this.#begins.push(begin);
      this.#sizes.push(size);
      this.#waitingBytes += size;
    }
    this.#busyUntil = begin + size * 1000 / bandwidth;
    return this.#busyUntil;
  }
}
