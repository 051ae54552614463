import type { RateSample } from "./controller.ts";

/**
 * After this many rounds, losses above those of the path are congestion even without a queue: it may be
 * full all the time.
 */
const EXCESS_ROUNDS = 2;
/** Losses of several rounds are counted together up to about this many segments. */
const SUM_SEGMENTS = 512;

/**
 * Says of each round trip whether it has shown congestion.
 *
 * Source: draft-ietf-ccwg-bbr-06 §5.5.10.3, `loss_round_start` and `is_loss_in_round`.
 */
export class LossRounds {
  /** Whether the present acknowledgment begins a round. */
  begins = false;
  /** Whether this round has shown congestion. */
  congested = false;
  /** Bytes that were sent in the last rounds, and what was lost of them. */
  sumSent = 0;
  sumLost = 0;
  /** The round ends when this many bytes are delivered. */
  #end = 0;
  /** Whether more was lost in this round than the path loses itself. */
  excess = false;
  /** In how many rounds before. */
  #rounds = 0;

  /** Reads an acknowledgment. Returns whether it begins a round. */
  onAck(sample: RateSample): boolean {
    this.begins = sample.delivered > 0 && sample.priorDelivered >= this.#end;
    if (this.begins) this.#end = sample.totalDelivered;
    return this.begins;
  }

  /** Adds a round to the last ones: a few segments in flight show no loss rate of a few per cent. */
  add(sample: RateSample, mss: number): void {
    if (this.sumSent > SUM_SEGMENTS * mss) this.sumSent = this.sumLost = 0;
    this.sumSent += sample.lost + sample.delivered;
    this.sumLost += sample.lost;
  }

  /** The last rounds have shown congestion. */
  onSum(): void {
    this.congested = true;
    this.sumSent = this.sumLost = 0;
  }

  /**
   * More was lost than the path loses itself.
   *
   * @param current Whether what was lost was sent in the present phase.
   * @param queued Whether a queue stands.
   */
  onExcess(current: boolean, queued: boolean): void {
    this.excess ||= current;
    if (this.excess && (queued || this.#rounds >= EXCESS_ROUNDS)) this.congested = true;
  }

  /** The acknowledgment that begins a round is handled. */
  finish(): void {
    this.#rounds = this.excess ? this.#rounds + 1 : 0;
    this.congested = this.excess = false;
  }
}
