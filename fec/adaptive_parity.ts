import type { FecEncoder } from "./encoder.ts";
import { ARRIVED, type Guard, LossEstimate, type Outcome } from "./loss_estimate.ts";
import {
  fillTime,
  groupSize,
  HOPELESS,
  mostParity,
  type PathState,
  planParity,
} from "./parity_plan.ts";
import type { FecRatio } from "./ratio.ts";

/**
 * Groups that get all parity, at the start and in each round, so that the peer learns the ratio.
 */
const FULL_GROUPS = 3;
/** Groups in a round while parity is sent, if the ratio is given. */
const ROUND = 64;
/** Another plan is made after so many ms, sooner after so many packets. */
const PLAN_TIME = 50;
const PLAN_PACKETS = 16;
const MIN_PLAN_TIME = 10;
/** The traffic is averaged over about so many fill times. */
const WINDOWS = 12;
/** Fewer say nothing. */
const MIN_WINDOWS = 4;
/**
 * For so long no parity is tried after it would not have repaired enough, in ms. It doubles each
 * time, until parity was of use for a while.
 */
const HOPELESS_TIME = 5_000;
const MAX_HOPELESS_TIME = 160_000;
const USEFUL_TIME = 30_000;
/** A peer that has not shown that it is of this library after so many packets is of another one. */
const PEER_PACKETS = 32;
/** The ratio for such a peer while there are no losses, so that it need not search for one. */
const USUAL_LOSS = 0.03;
/** The most losses that it is made for. */
const MOST_LOSS = 0.12;
/** The ratio changes if groups have more data shards than leave in time, by this many. */
const TOO_MANY = 0.5;
/** It changes if groups could be so many times larger, although a bit fewer packets left. */
const TOO_FEW = 1.3;
const MARGIN = 0.4;
/** Round trips, and ms, between two changes of the ratio. */
const CHANGE_ROUND_TRIPS = 50;
const CHANGE_TIME = 5_000;
/** They are doubled with each change, up to this factor. */
const MAX_PATIENCE = 64;
/** The same for a peer of another library, which learns slowly, in ms. */
const FOREIGN_CHANGE_TIME = 60_000;
/** The round trip is the least smoothed one of so many ms. */
const ROUND_TRIP_PERIOD = 5_000;
/**
 * Packets without parity that must arrive between two ratios at a peer of another library: kcp-go
 * looks for the ratio in the last 258 packets. No parity of the old ratio may be among them.
 */
const FOREIGN_QUIET = 300;
/** Most data shards of a group for such a peer. */
const FOREIGN_SIZE = 6;
/** The same for a peer of this library: data shards where the old ratio has parity. */
const QUIET = 3;

/** Marks a packet without parity that contradicts the last ratio. */
const CONTRADICTION: Guard = /* @__PURE__ */ Object.freeze({ dataShards: 1, parityShards: 0 });

/** What the sender knows of its peer. */
export interface PeerState {
  /** The smoothed round-trip time in ms; -1 while it is unknown. */
  readonly srtt: number;
  /** Whether the peer is of this library; null while that is unknown. */
  readonly extended: boolean | null;
}

/**
 * Decides how many parity shards each group of packets gets, and how large the groups are.
 *
 * It measures the losses, those that parity repairs included, the round trip, and how many packets
 * leave within a round trip. Then it takes the cheapest parity that lets few enough messages wait
 * for a retransmission: see {@linkcode planParity}.
 *
 * Parity shards that a group does not need keep their sequence numbers, but are not sent. So the
 * ratio on the wire rarely changes. A peer needs time to learn another ratio, and the parity of one
 * ratio must never meet the data of another. Therefore no parity is sent between two ratios until
 * the peer has got enough packets that contradict the old ratio.
 */
export class AdaptiveParity {
  readonly #encoder: FecEncoder;
  /** Whether the ratio is given. Only the number of parity shards changes then. */
  readonly #fixed: boolean;
  readonly #losses = new LossEstimate();
  /** Packets with data that left in the present fill time, and when it began. */
  #windowPackets = 0;
  #windowFrom = -Infinity;
  #windows = 0;
  /** Their number, averaged. */
  #packets = 1;
  /** Packets with data so far. */
  #sent = 0;
  #plannedAt = -Infinity;
  #plannedPackets = 0;
  #guard: Guard | null = null;
  /** Groups of the present ratio so far. */
  #group = 0;
  #changedAt = -Infinity;
  /** Until when parity counts as useless, in ms. */
  #hopelessUntil = -Infinity;
  #hopelessTime = HOPELESS_TIME;
  #patience = 1;
  /** Packets that must arrive without parity before the next ratio is used. */
  #quiet = 0;
  /** The ratio that they must contradict; null for any packets. */
  #previous: FecRatio | null = null;
  /** The ratio that is used as soon as the sequence number begins a group of it. */
  #next: FecRatio | null = null;
  /** Until when the open group may wait for more packets, in ms; Infinity for no such group. */
  #closeAt = Infinity;
  /**
   * The round trip in ms; -1 before it is known. It is the least of the present and last period.
   */
  #roundTrip = -1;
  #leastRoundTrip = Infinity;
  #lastRoundTrip = Infinity;
  #periodEnds = -Infinity;

  /**
   * @param encoder The encoder that forms the groups.
   * @param fixed Whether its ratio stays. Otherwise it has none at first.
   */
  constructor(encoder: FecEncoder, fixed: boolean) {
    this.#encoder = encoder;
    this.#fixed = fixed;
  }

  /** Whether there was no group yet, so that the numbers of packets mean nothing. */
  get idle(): boolean {
    return this.#changedAt === -Infinity && !this.#next && this.#encoder.ratio === null;
  }

  /** Parity shards that a group gets now. */
  get level(): number {
    return this.#guard?.parityShards ?? 0;
  }

  /** The share of packets that the path seems to lose, 0 to 1. */
  get loss(): number {
    return this.#losses.loss;
  }

  /** The parity of the packet that is sealed next; null for none. */
  get guard(): Guard | null {
    if (this.#quiet === 0) return this.#guard;
    const { nextSeqid } = this.#encoder;
    const previous = this.#previous;
    const total = previous ? previous.dataShards + previous.parityShards : 1;
    return !previous || nextSeqid % total >= previous.dataShards ? CONTRADICTION : null;
  }

  /**
   * When the open group should get its parity though it is not full, in ms. Infinity when no group
   * waits.
   */
  get closeAt(): number {
    return this.#closeAt;
  }

  /** Gives up closing the open group early. */
  leaveOpen(): void {
    this.#closeAt = Infinity;
  }

  /** {@linkcode LossEstimate.add}. */
  addFate(outcome: Outcome, guard: Guard | null): void {
    if (outcome === ARRIVED) this.#noteArrival(guard);
    this.#losses.add(outcome, guard === CONTRADICTION ? null : guard);
  }

  /** {@linkcode LossEstimate.addBehindLoss}. */
  addBehindLoss(outcome: Outcome, between: number, guard: Guard | null): void {
    if (outcome === ARRIVED) this.#noteArrival(guard);
    this.#losses.addBehindLoss(outcome, between, guard === CONTRADICTION ? null : guard);
  }

  /** {@linkcode LossEstimate.addBatch}. */
  addBatch(packets: number): void {
    this.#losses.addBatch(packets);
  }

  #noteArrival(guard: Guard | null): void {
    if (guard === CONTRADICTION && this.#quiet > 0) this.#quiet--;
  }

  /** Prepares the encoder for a packet with data. Call it before the packet is sealed. */
  beforeData(now: number, peer: PeerState): void {
    if (peer.srtt >= 0) this.#noteRoundTrip(now, peer.srtt);
    this.#sent++;
    if (this.#encoder.atGroupStart) this.#beginGroup(now, peer);
  }

  /** Takes the least of the last one to two periods: losses make the smoothed round trip longer. */
  #noteRoundTrip(now: number, srtt: number): void {
    if (now >= this.#periodEnds) {
      this.#lastRoundTrip = this.#leastRoundTrip;
      this.#leastRoundTrip = Infinity;
      this.#periodEnds = now + ROUND_TRIP_PERIOD;
    }
    this.#leastRoundTrip = Math.min(this.#leastRoundTrip, srtt);
    this.#roundTrip = Math.min(this.#leastRoundTrip, this.#lastRoundTrip);
  }

  /**
   * Counts a packet with new data. Retransmissions do not fill groups once parity repairs losses.
   */
  noteNew(now: number): void {
    const length = fillTime(Math.max(0, this.#roundTrip));
    if (now <= this.#windowFrom + length) {
      this.#windowPackets++;
      return;
    }
    if (this.#windowPackets > 0 && this.#roundTrip >= 0) {
      const weight = 1 / Math.min(WINDOWS, ++this.#windows);
      this.#packets += (this.#windowPackets - this.#packets) * weight;
    }
    this.#windowFrom = now;
    this.#windowPackets = 1;
  }

  #beginGroup(now: number, peer: PeerState): void {
    const encoder = this.#encoder;
    if (this.#roundTrip >= 0) this.#update(now, peer);
    if (this.#next) this.#useNext(now, this.#next, peer.extended !== true);
    const { ratio } = encoder;
    if (!ratio) {
      this.#guard = null;
      return;
    }
    const group = this.#group++;
    // A peer of this library learns the ratio without groups that have all parity.
    const teaches = this.#fixed || peer.extended !== true;
    const round = this.#fixed ? ROUND : FULL_GROUPS;
    const full = teaches &&
      (group < FULL_GROUPS || (this.level > 0 && group % round < FULL_GROUPS));
    encoder.parityLimit = full ? ratio.parityShards : this.level;
  }

  /** Begins to use a ratio. */
  #useNext(now: number, ratio: FecRatio, foreign: boolean): void {
    const encoder = this.#encoder;
    // A gap in the numbers would keep kcp-go from learning the ratio.
    if (foreign && encoder.nextSeqid % (ratio.dataShards + ratio.parityShards) !== 0) return;
    encoder.restart(ratio);
    this.#next = null;
    this.#group = 0;
    this.#changedAt = now;
    this.#setLevel(now, ratio, foreign);
  }

  /** Makes another plan, if it is time, and another ratio, if it is worth it. */
  #update(now: number, peer: PeerState): void {
    const losses = this.#losses;
    const wait = losses.packets >= this.#plannedPackets + PLAN_PACKETS ? MIN_PLAN_TIME : PLAN_TIME;
    if (now < this.#plannedAt + wait) return;
    this.#plannedAt = now;
    this.#plannedPackets = losses.packets;
    const { ratio } = this.#encoder;
    if (ratio) this.#setLevel(now, ratio, peer.extended !== true);
    if (!this.#fixed) this.#updateRatio(now, peer, ratio);
  }

  get #path(): PathState {
    const { loss, repeat } = this.#losses;
    return { loss, repeat, roundTrip: this.#roundTrip, packets: this.#packets };
  }

  /** Sets the number of parity shards of the next groups. */
  #setLevel(now: number, { dataShards, parityShards }: FecRatio, foreign: boolean): void {
    const most = this.#fixed ? parityShards : Math.min(parityShards, mostParity(dataShards));
    // Where the ratio can't follow the losses, as much parity as there is has to do.
    const determined = this.#fixed || foreign;
    let level = 0;
    if (this.#losses.known && now >= this.#hopelessUntil) {
      level = planParity(this.#path, dataShards, most, this.level, determined);
      if (level === HOPELESS) {
        const useful = now - this.#hopelessUntil > USEFUL_TIME;
        this.#hopelessTime = useful
          ? HOPELESS_TIME
          : Math.min(MAX_HOPELESS_TIME, 2 * this.#hopelessTime);
        this.#hopelessUntil = now + this.#hopelessTime;
        level = 0;
      }
    }
    if (level === 0) this.#guard = null;
    else if (level !== this.level || this.#guard?.dataShards !== dataShards) {
      this.#guard = { dataShards, parityShards: level };
    }
  }

  #updateRatio(now: number, peer: PeerState, ratio: FecRatio | null): void {
    const foreign = peer.extended !== true;
    const encoder = this.#encoder;
    if (!ratio) {
      if (this.#next || this.#quiet > 0 || this.#windows < MIN_WINDOWS) return;
      let path = this.#path;
      if (foreign) {
        // The losses may grow when the ratio can't change any more.
        if (peer.extended === null && this.#sent < PEER_PACKETS) return;
        if (path.loss < USUAL_LOSS) path = { ...path, loss: USUAL_LOSS, repeat: USUAL_LOSS };
      } else if (!this.#losses.known) {
        return;
      }
      this.#next = foreign ? this.#foreignRatio(path) : this.#ownRatio(path);
      return;
    }
    const wait = this.#patience *
      (foreign ? FOREIGN_CHANGE_TIME : Math.max(CHANGE_TIME, CHANGE_ROUND_TRIPS * this.#roundTrip));
    if (!this.#losses.known || now < this.#changedAt + wait || this.level === 0) return;
    const { dataShards } = ratio;
    const largest = foreign ? FOREIGN_SIZE : Infinity;
    const larger = Math.min(largest, groupSize(this.#packets - MARGIN));
    if (dataShards <= this.#packets + TOO_MANY && larger < TOO_FEW * dataShards) return;
    encoder.restart(null);
    this.#guard = null;
    this.#patience = Math.min(MAX_PATIENCE, 2 * this.#patience);
    this.#previous = foreign ? null : ratio;
    this.#quiet = foreign ? FOREIGN_QUIET : QUIET;
    // The next data shards are where the old ratio has parity.
    if (!foreign) encoder.skip(dataShards);
  }

  /** The ratio for a peer of this library: it learns it from any groups, so there may be room. */
  #ownRatio(path: PathState): FecRatio | null {
    const dataShards = groupSize(this.#packets);
    const parityShards = mostParity(dataShards);
    return planParity(path, dataShards, parityShards, 0) > 0 ? { dataShards, parityShards } : null;
  }

  /**
   * The ratio for a peer of another library. kcp-go learns it from a whole group and the packets
   * around it, without a gap. So groups are small, and all of them have all of their parity.
   */
  #foreignRatio(path: PathState): FecRatio {
    const dataShards = Math.min(FOREIGN_SIZE, groupSize(this.#packets));
    // The first estimate may be far too high.
    const loss = Math.min(MOST_LOSS, path.loss);
    const usual = { ...path, loss, repeat: loss };
    const parityShards = planParity(usual, dataShards, mostParity(dataShards), 0, true);
    return { dataShards, parityShards: Math.max(1, parityShards) };
  }

  /** Takes note of a packet with data that was sealed. */
  afterData(now: number): void {
    const { atGroupStart, pending, ratio, count } = this.#encoder;
    if (atGroupStart || pending > 0 || this.level === 0 || !ratio) {
      this.#closeAt = Infinity;
      return;
    }
    if (count === 1) this.#closeAt = now + fillTime(this.#roundTrip) * 1.1 + 1;
    // No more packets are to be expected in time.
    if (count + 0.25 > this.#packets) this.#closeAt = now;
  }
}
