import { type LossModel, unrepaired } from "./loss_model.ts";

/** What became of a packet before which nothing was missing. Numbers, for typed arrays. */
export type Outcome =
  | typeof ARRIVED
  | typeof OVERTAKEN
  | typeof LOST
  | typeof UNKNOWN;
/** It arrived before all that was sent later. */
export const ARRIVED = 1;
/** It arrived after a packet that was sent later: it came late, or parity restored it. */
export const OVERTAKEN = 2;
/** A retransmission arrived instead. */
export const LOST = 3;
/** Nothing shows what became of it. */
export const UNKNOWN = 4;

/** About how many packets the averages span. */
const SPAN = 256;
/** The same for repairs that leave no trace. */
const LONG_SPAN = 4096;
const VISIBLE_SPAN = 1024;
/** Fewer packets than this say nothing. */
const MIN_PACKETS = 48;
/** So many losses say something sooner. */
const MIN_LOSSES = 4;
/** So many packets after a lost one are assumed to show independent losses. */
const PRIOR = 8;
/** After so many packets, a burst of losses is over. */
const FAR = 5;
/** Packets before which nothing was missing are no sample if they are fewer than this share. */
const MIN_CLEAR = 0.15;
/** Below this share, lost acknowledgments of many packets look like bursts. */
const CLEAR_FOR_BURSTS = 0.25;
/** They are a fair sample from this share on. */
const ENOUGH_CLEAR = 0.4;
/**
 * Losses come in bursts if the next packet is lost more often by this factor and this difference.
 */
const CLEARLY = 2;
const MORE = 0.1;
/** Repairs are counted if at least this share of them shows. */
const MIN_SHOWN = 0.3;
/** About how many acknowledgments the packets in each are averaged over. */
const BATCHES = 64;
/**
 * When parity should have failed so often, but never did, then there were fewer losses than it
 * seemed.
 */
const EXPECTED_FAILURES = 16;
/** What is expected is computed again after so many packets. */
const REFRESH = 64;
/** It counts as never if it happened this many times less often. */
const NEVER = 16;

/** The parity that a packet was sent with. */
export interface Guard {
  /** Data and parity shards of its group; 0 parity shards for none. */
  readonly dataShards: number;
  readonly parityShards: number;
}

/**
 * Estimates the losses of a path from the acknowledgments, parity or not.
 *
 * A loss that parity repairs shows, too: the acknowledgment of the restored packet comes after
 * those of the packets that were sent after it. That is also so where the network reorders packets.
 * How often it does shows while no parity is sent. If parity never fails where it should have, the
 * network reorders, too.
 */
export class LossEstimate implements LossModel {
  /** The averaged share of packets that were retransmitted in vain not even once. */
  #visible = 0;
  /** The averaged share of packets that were lost without a repair. */
  #longVisible = 0;
  /** The parity with which they were lost. */
  #longGuard: Guard | null = null;
  /** The averaged share of packets that parity has repaired. */
  #repaired = 0;
  /** The averaged share of packets that were overtaken without parity. */
  #reordered = 0;
  #unguarded = 0;
  #packets = 0;
  #losses = 0;
  /**
   * Packets next to a lost one, and packets further behind: how many there were, and how many got
   * no acknowledgment of their own. Decaying sums.
   */
  #next = 0;
  #nextSilent = 0;
  #behind = 0;
  #behindSilent = 0;
  /** All of these packets, and the averaged share that was lost, or its acknowledgment was. */
  #allBehind = 0;
  #hurtBehind = 0;
  /** The averaged share that was overtaken without parity. */
  #reorderedBehind = 0;
  /** The averaged share of packets before which nothing was missing. */
  #clear = 1;
  /** Packets that one packet of the peer acknowledges, averaged. */
  #batch = 1;
  /** Failures of parity since the last check, and how many were expected. */
  #failures = 0;
  #expected = 0;
  /**
   * The share of packets that parity should fail to repair, and for which parity it was computed.
   */
  #expectedShare = 0;
  #expectedGuard: Guard | null = null;

  /** Packets so far whose fate is known. */
  get packets(): number {
    return this.#packets;
  }

  /** Whether the estimate rests on enough packets. */
  get known(): boolean {
    return this.#packets >= MIN_PACKETS || this.#losses >= MIN_LOSSES ||
      this.#allBehind >= 2 * MIN_PACKETS;
  }

  /** The share of packets that are lost, 0 to 1. */
  get loss(): number {
    const begin = this.#begin;
    const clear = begin / (1 - Math.max(begin, this.#bursts) + begin);
    if (this.#allBehind < 2 * MIN_PACKETS || this.#clear >= ENOUGH_CLEAR) return clear;
    // Something is missing nearly always. As a guess, acknowledgments are lost as often as data.
    const behind = 1 - Math.sqrt(1 - Math.min(1, Math.max(0, this.#hurtBehind)));
    const part = Math.max(0, this.#clear - MIN_CLEAR) / (ENOUGH_CLEAR - MIN_CLEAR);
    return part * clear + (1 - part) * behind;
  }

  /** The share of packets that are lost of those that follow one that arrived. */
  get #begin(): number {
    return Math.min(0.9, Math.max(0, this.#visible + this.#repaired));
  }

  /** The share of packets after a lost one that are lost, too: {@linkcode LossModel.repeat}. */
  get repeat(): number {
    return Math.max(this.loss, this.#bursts);
  }

  /** The same if losses come in bursts, else 0. */
  get #bursts(): number {
    if (this.#clear < CLEAR_FOR_BURSTS) return 0;
    const begin = this.#begin;
    // Acknowledgments are lost, too: those of packets far behind a loss show how often.
    const likely = (this.#nextSilent + PRIOR * begin) / (this.#next + PRIOR);
    const loss = begin / (1 - likely + begin);
    const silent = (this.#behindSilent + PRIOR * 2 * loss) / (this.#behind + PRIOR);
    const ackLoss = Math.max(0, (silent - loss) / (1 - loss));
    const repeat = (likely - ackLoss) / (1 - ackLoss);
    return repeat > CLEARLY * begin + MORE ? Math.min(0.95, repeat) : 0;
  }

  /** Takes note of what became of a packet. Call it in the order in which the packets were sent. */
  add(outcome: Outcome, guard: Guard | null): void {
    if (outcome === UNKNOWN) return;
    this.#clear += (1 - this.#clear) / SPAN;
    const lost = outcome === LOST ? 1 : 0;
    const overtaken = outcome === OVERTAKEN ? 1 : 0;
    this.#packets++;
    this.#losses += lost;
    const weight = Math.max(1 / SPAN, 1 / this.#packets);
    const before = guard && guard !== this.#longGuard ? this.loss : this.#visible + this.#repaired;
    this.#visible += (lost - this.#visible) * weight;
    if (guard) {
      this.#addGuarded(lost, overtaken, weight, guard, before);
    } else {
      this.#unguarded++;
      const slow = Math.max(1 / SPAN, 1 / (this.#unguarded + MIN_PACKETS));
      this.#reordered += (overtaken - this.#reordered) * slow;
      this.#repaired -= this.#repaired * weight;
    }
  }

  /**
   * Takes note of a packet that followed a lost one before that was repaired.
   *
   * @param outcome What became of it meanwhile; `UNKNOWN` if it got no acknowledgment of its own.
   * @param between Packets between the two.
   * @param guard Its parity; null for none.
   */
  addBehindLoss(outcome: Outcome, between: number, guard: Guard | null): void {
    this.#clear -= this.#clear / SPAN;
    const weight = Math.max(1 / SPAN, 1 / ++this.#allBehind);
    const overtaken = outcome === OVERTAKEN ? 1 : 0;
    // Without parity, it was only late.
    const hurt = outcome === ARRIVED || overtaken && !guard ? 0 : 1;
    if (!guard) this.#reorderedBehind += (overtaken - this.#reorderedBehind) * weight;
    const late = guard ? this.#reorderedBehind : 0;
    this.#hurtBehind += (hurt - late - this.#hurtBehind) * weight;
    if (between === 0) {
      this.#next += 1 - this.#next / SPAN;
      this.#nextSilent += hurt - this.#nextSilent / SPAN;
    } else if (between >= FAR) {
      this.#behind += 1 - this.#behind / SPAN;
      this.#behindSilent += hurt - this.#behindSilent / SPAN;
    }
  }

  #addGuarded(
    lost: number,
    overtaken: number,
    weight: number,
    guard: Guard,
    before: number,
  ): void {
    const { dataShards, parityShards } = guard;
    // A repair shows if other packets were acknowledged before it.
    const shown = (dataShards - this.#batch) / dataShards;
    if (shown >= MIN_SHOWN) {
      this.#repaired += ((overtaken - this.#reordered) / shown - this.#repaired) * weight;
    } else {
      // Only failures show. The more losses there are, the more often parity fails.
      if (guard !== this.#longGuard) {
        this.#longGuard = guard;
        const model = { loss: before, repeat: Math.max(before, this.repeat) };
        this.#longVisible = unrepaired(model, dataShards, parityShards)[parityShards];
      }
      this.#longVisible += (lost - this.#longVisible) / VISIBLE_SPAN;
      let loss = before * (1 - 1 / LONG_SPAN);
      if (lost > 0) loss = Math.max(loss, this.#impliedLoss(guard));
      this.#repaired = Math.max(0, loss - this.#visible);
    }
    this.#failures += lost;
    if (guard !== this.#expectedGuard || this.#packets % REFRESH === 0) {
      this.#expectedGuard = guard;
      this.#expectedShare = unrepaired(this, dataShards, parityShards)[parityShards];
    }
    this.#expected += this.#expectedShare;
    if (this.#expected < EXPECTED_FAILURES) return;
    if (this.#failures * NEVER < this.#expected) {
      if (shown >= MIN_SHOWN) {
        this.#reordered += this.#repaired * shown;
        this.#repaired = 0;
      } else {
        this.#repaired /= 2;
      }
    }
    this.#failures = this.#expected = 0;
  }

  /** The loss at which parity fails as often as it does. */
  #impliedLoss({ dataShards, parityShards }: Guard): number {
    let [low, high] = [0, 1];
    for (let step = 0; step < 12; step++) {
      const loss = (low + high) / 2;
      const repeat = Math.max(loss, this.repeat);
      const share = unrepaired({ loss, repeat }, dataShards, parityShards)[parityShards];
      if (share < this.#longVisible) low = loss;
      else high = loss;
    }
    return low;
  }

  /** Takes note of how many packets one packet of the peer has acknowledged. */
  addBatch(packets: number): void {
    this.#batch += (packets - this.#batch) / BATCHES;
  }
}
