import type { FecEncoder } from "./encoder.ts";
import { ARRIVED, type Guard, LossEstimate, type Outcome } from "./loss_estimate.ts";
import { fillTime, groupSize, mostParity, planParity } from "./parity_plan.ts";
import type { FecRatio } from "./ratio.ts";

/** Groups that get all parity, at the start and in each round, so that the peer learns the ratio. */
const FULL_GROUPS = 3;
/** Groups in a round while parity is sent. */
const ROUND = 64;
/** Another plan is made after so many packets, or so many ms. */
const PLAN_PACKETS = 16;
const PLAN_TIME = 50;
/** The traffic is averaged over about so many fill times. */
const WINDOWS = 12;
/** A peer that has not shown that it is of this library after so many packets is of another one. */
const PEER_PACKETS = 32;
/** The ratio for such a peer while there are no losses, so that it need not search for one. */
const USUAL_LOSS = 0.05;
/** A ratio changes if the size of the groups is wrong by this factor. */
const WRONG = 1.6;
/** Round trips, and ms, between two changes of the ratio. */
const CHANGE_ROUND_TRIPS = 50;
const CHANGE_TIME = 5_000;
/** The same for a peer of another library, which learns slowly, in ms. */
const FOREIGN_CHANGE_TIME = 60_000;
/**
 * Packets without parity that must arrive between two ratios at a peer of another library: kcp-go
 * looks for the ratio in the last 258 packets. No parity of the old ratio may be among them.
 */
const FOREIGN_QUIET = 300;
/** The same for a peer of this library, in groups of the old ratio, and at least so many. */
const QUIET_GROUPS = 2;
const MIN_QUIET = 6;

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
 * leave within a round trip. Then it takes the cheapest parity that lets few enough messages wait for
 * a retransmission: see {@linkcode planParity}.
 *
 * Parity shards that a group does not need keep their sequence numbers, but are not sent. So the
 * ratio on the wire rarely changes. A peer needs time to learn another ratio, and the parity of one
 * ratio must never meet the data of another. Therefore no parity is sent between two ratios until the
 * peer has got enough packets that contradict the old ratio.
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
  /** Packets that must arrive without parity before the next ratio is used. */
  #quiet = 0;
  /** The ratio that is used as soon as the sequence number begins a group of it. */
  #next: FecRatio | null = null;
  /** Until when the open group may wait for more packets, in ms; Infinity for no such group. */
  #closeAt = Infinity;
  #roundTrip = -1;

  /**
   * @param encoder The encoder that forms the groups.
   * @param fixed Whether its ratio stays. Otherwise it has none at first.
   */
  constructor(encoder: FecEncoder, fixed: boolean) {
    this.#encoder = encoder;
    this.#fixed = fixed;
  }

  /** Parity shards that a group gets now. */
  get level(): number {
    return this.#guard?.parityShards ?? 0;
  }

  /** The share of packets that the path seems to lose, 0 to 1. */
  get loss(): number {
    return this.#losses.loss;
  }

  /** The parity of the packet that is sent next. */
  get guard(): Guard | null {
    return this.#guard;
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
    this.#losses.add(outcome, guard);
    if (guard === null && outcome === ARRIVED && this.#quiet > 0) this.#quiet--;
  }

  /** {@linkcode LossEstimate.addBatch}. */
  addBatch(packets: number): void {
    this.#losses.addBatch(packets);
  }

  /** {@linkcode LossEstimate.addBehindLoss}. */
  addBehindLoss(acknowledged: boolean, next: boolean, guard: Guard | null): void {
    this.#losses.addBehindLoss(acknowledged, next, guard);
  }

  /** Prepares the encoder for a packet with data. Call it before the packet is sealed. */
  beforeData(now: number, peer: PeerState): void {
    this.#roundTrip = peer.srtt;
    this.#countTraffic(now);
    if (this.#encoder.atGroupStart) this.#beginGroup(now, peer);
  }

  #countTraffic(now: number): void {
    this.#sent++;
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
    if (this.#next) this.#useNext(now, this.#next);
    const { ratio } = encoder;
    if (!ratio) {
      this.#guard = null;
      return;
    }
    const group = this.#group++;
    // A peer of this library learns the ratio without groups that have all parity.
    const teaches = this.#fixed || peer.extended !== true;
    const full = teaches &&
      (group < FULL_GROUPS || (this.level > 0 && group % ROUND < FULL_GROUPS));
    encoder.parityLimit = full ? ratio.parityShards : this.level;
  }

  /** Begins to use a ratio. A gap in the numbers would keep kcp-go from learning it. */
  #useNext(now: number, ratio: FecRatio): void {
    const encoder = this.#encoder;
    if (encoder.nextSeqid % (ratio.dataShards + ratio.parityShards) !== 0) return;
    encoder.restart(ratio);
    this.#next = null;
    this.#group = 0;
    this.#changedAt = now;
    this.#setLevel(ratio);
  }

  /** Makes another plan, if it is time, and another ratio, if it is worth it. */
  #update(now: number, peer: PeerState): void {
    const losses = this.#losses;
    const due = losses.packets >= this.#plannedPackets + PLAN_PACKETS ||
      now >= this.#plannedAt + PLAN_TIME;
    if (!due) return;
    this.#plannedAt = now;
    this.#plannedPackets = losses.packets;
    const { ratio } = this.#encoder;
    if (ratio) this.#setLevel(ratio);
    if (!this.#fixed) this.#updateRatio(now, peer, ratio);
  }

  get #path() {
    const { loss, repeat } = this.#losses;
    return { loss, repeat, roundTrip: this.#roundTrip, packets: this.#packets };
  }

  /** Sets the number of parity shards of the next groups. */
  #setLevel({ dataShards, parityShards }: FecRatio): void {
    const most = Math.min(parityShards, mostParity(dataShards));
    const level = this.#losses.known ? planParity(this.#path, dataShards, most) : 0;
    if (level === 0) this.#guard = null;
    else if (level !== this.level || this.#guard?.dataShards !== dataShards) {
      this.#guard = { dataShards, parityShards: level };
    }
  }

  #updateRatio(now: number, peer: PeerState, ratio: FecRatio | null): void {
    const foreign = peer.extended !== true;
    const encoder = this.#encoder;
    if (!ratio) {
      if (
        this.#next || this.#quiet > 0 ||
        foreign && peer.extended === null && this.#sent < PEER_PACKETS
      ) return;
      let path = this.#path;
      if (!this.#losses.known || path.loss < USUAL_LOSS && foreign) {
        if (!foreign || this.#sent < PEER_PACKETS) return;
        path = { ...path, loss: USUAL_LOSS, repeat: Math.max(path.repeat, USUAL_LOSS) };
      }
      const dataShards = groupSize(this.#packets);
      const parityShards = mostParity(dataShards);
      if (!foreign && planParity(path, dataShards, parityShards) === 0) return;
      this.#next = { dataShards, parityShards };
      return;
    }
    const wait = foreign
      ? FOREIGN_CHANGE_TIME
      : Math.max(CHANGE_TIME, CHANGE_ROUND_TRIPS * this.#roundTrip);
    if (!this.#losses.known || now < this.#changedAt + wait || this.level === 0) return;
    const size = groupSize(this.#packets);
    if (Math.max(size / ratio.dataShards, ratio.dataShards / size) < WRONG) return;
    encoder.restart(null);
    this.#guard = null;
    const { dataShards, parityShards } = ratio;
    this.#quiet = foreign
      ? FOREIGN_QUIET
      : Math.max(MIN_QUIET, QUIET_GROUPS * (dataShards + parityShards));
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
    if (count + 0.75 > this.#packets) this.#closeAt = now;
  }
}
