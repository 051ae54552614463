import { DataPattern } from "./data_pattern.ts";
import type { ForgeryMeter } from "./forgery_meter.ts";
import { seqidLimit } from "./header.ts";
import type { FecRatio } from "./ratio.ts";
import { RatioProof } from "./ratio_proof.ts";
import { RatioTuner } from "./ratio_tuner.ts";

/** After this many packets that contradict the ratio it is in doubt. A single one may be forged. */
const CONTRADICTIONS = 2;
/** The ratio does not change while groups confirm it that are at most this many groups of data old. */
const CONFIRMED_GROUPS = 8;
/** Fewer data shards than this do not establish a ratio, however small its groups are. */
const MIN_FIT = 6;
/** In a storm of forged parity, a new ratio needs this much evidence of types and numbers. */
const STORM_EVIDENCE = 6;
/** After so many data shards the ratio is guessed from data shards, if nothing else shows it. */
const GUESS_EVERY = 32;
/**
 * From this `seqid` on, some ratios have no sequence numbers: they wrap earlier. Such a packet is
 * no evidence for a ratio.
 */
const LAST_SEQIDS = 0xffffff00;

/**
 * Decides which ratio the peer uses, and whether packets may be restored by it.
 *
 * A ratio passes through these states:
 *
 * - **assumed**: shards are stored by it. It was given as a guess, or data shards suggest it.
 * - **on probation**: types and numbers of packets have shown it. Parity among them may be forged. So
 *   the content of a group must agree with the ratio: nobody who forges parity knows the data. This
 *   proves the number of data shards. And data must establish the size of the groups: data in two
 *   groups, and none where the ratio has parity.
 * - **trusted**: packets are restored by it.
 * - **doubted**: it was trusted, and packets contradict it. The peer may use another one now.
 *
 * In all states but trusted, a packet is restored only if the content of its group proves the ratio.
 * The content of several groups makes the ratio trusted in any state.
 */
export class RatioEvidence {
  readonly #forgery: ForgeryMeter;
  readonly #tuner = new RatioTuner();
  readonly #proof = new RatioProof();
  readonly #pattern = new DataPattern();
  /** The ratio by which shards are stored, proven or not. */
  #ratio: FecRatio | null = null;
  #total = 0;
  #seqidLimit = 0;
  /** Whether packets have confirmed the ratio. */
  #proven = false;
  /** Whether packets contradict a ratio that was confirmed. */
  #doubted = false;
  /** Whether packets have shown the ratio, but data has not established it yet. */
  #probation = false;
  /** Whether the content of a group has agreed with the ratio. */
  #verified = false;
  /** Packets that have contradicted the ratio since then. */
  #contradictions = 0;
  /** Packets that fit the ratio since the last contradiction. */
  #confirmations = 0;
  /** Data shards so far. */
  #data = 0;
  /** Data shards since the content of groups has last confirmed the ratio. */
  #sinceProof = Infinity;
  /** Data shards that have contradicted the ratio. */
  #refutations = 0;
  /** Data shards that fit it, groups that have some, and the number of the last of these groups. */
  #fitData = 0;
  #fitGroups = 0;
  #lastFit = -1;
  /** The ratio before this one, and whether packets had confirmed it. */
  #previous: FecRatio | null = null;
  #previousProven = false;

  /** @param ratio The peer's ratio, if it is known or can be guessed. */
  constructor(forgery: ForgeryMeter, ratio: FecRatio | null, guess: boolean) {
    this.#forgery = forgery;
    if (!ratio) return;
    this.#adopt(ratio);
    this.#proven = this.#verified = !guess;
  }

  /** The ratio by which shards are stored; null for none. */
  get ratio(): FecRatio | null {
    return this.#ratio;
  }

  /** Whether packets have confirmed the ratio. */
  get proven(): boolean {
    return this.#proven;
  }

  /** Whether packets have shown the ratio, but data has not established it yet. */
  get probation(): boolean {
    return this.#probation;
  }

  /** Whether packets may be restored by the ratio without a proof. */
  get trusted(): boolean {
    return this.#proven && !this.#doubted;
  }

  /** Whether the ratio gives a packet of this type that sequence number. */
  fits(seqid: number, parity: boolean): boolean {
    return this.#ratio !== null && seqid < this.#seqidLimit &&
      parity === (seqid % this.#total >= this.#ratio.dataShards);
  }

  /**
   * Notes the type and number of a packet. The ratio and its state may be others afterwards.
   *
   * @param fits Whether the ratio gives a packet of this type that sequence number.
   */
  note(seqid: number, parity: boolean, fits: boolean): void {
    if (!parity) {
      this.#data++;
      this.#sinceProof++;
    }
    if (seqid >= LAST_SEQIDS) return;
    if (!parity) this.#noteData(seqid, fits);
    else if (!fits && this.#ratio) this.#forgery.noteForged();
    if (this.#probation && this.#verified && this.#isEstablished) this.#trust();
    if (this.trusted) {
      if (fits) {
        // An old contradiction does not add up with a new one.
        if (++this.#confirmations > 2 * this.#total) this.#contradictions = 0;
        return;
      }
      this.#confirmations = 0;
      if (++this.#contradictions < CONTRADICTIONS) return;
      this.#doubted = true;
      this.#tuner.clear();
      this.#proof.clear();
      this.#pattern.clear();
    } else if (this.#probation && !fits && ++this.#contradictions === CONTRADICTIONS) {
      this.#tuner.clear();
    }
    const found = this.#tuner.note(seqid, parity, this.#ratio);
    if (found) this.#learn(found);
  }

  #noteData(seqid: number, fits: boolean): void {
    if (fits) {
      this.#fitData++;
      const group = Math.floor(seqid / this.#total);
      if (group !== this.#lastFit) this.#fitGroups++;
      this.#lastFit = group;
    } else if (this.#ratio) {
      // Groups of a wrong ratio agree with their parity where they begin with real ones.
      this.#proof.clear();
      if (++this.#refutations >= CONTRADICTIONS && this.#probation) this.#refute(seqid);
    }
    if (!this.trusted) this.#guess(seqid);
  }

  /**
   * Whether data has confirmed the ratio: it came in two groups, and not in the parity between them.
   * This alone is not enough: all data may be lost where forged parity seems to be.
   */
  get #isEstablished(): boolean {
    if (this.#refutations > 0 || this.#fitGroups < 2) return false;
    const ratio = this.#total / this.#ratio!.dataShards;
    return this.#fitData >= Math.max(this.#total, MIN_FIT) ||
      (this.#fitGroups - 1) * Math.log10(ratio) >= 1;
  }

  /** Guesses the ratio from data shards, if forged parity hides it. */
  #guess(seqid: number): void {
    this.#pattern.note(seqid);
    if (this.#proven || this.#data % GUESS_EVERY !== 0) return;
    if (this.#ratio && this.#refutations < CONTRADICTIONS) return;
    const guess = this.#pattern.guess();
    if (guess) this.#adopt(guess);
  }

  /** Gives a ratio up that forged parity has shown: data refutes it. */
  #refute(seqid: number): void {
    this.#forgery.raise();
    this.#tuner.clear();
    this.#proven = this.#doubted = this.#probation = false;
    const previous = this.#previous;
    if (!previous || !isData(previous, seqid)) return;
    const proven = this.#previousProven;
    this.#adopt(previous);
    this.#proven = this.#doubted = proven;
  }

  /** Starts to use the ratio that packets have confirmed. */
  #learn(ratio: FecRatio): void {
    const { dataShards, parityShards } = ratio;
    const forgery = this.#forgery;
    const { data, groups, evidence } = this.#tuner.support(ratio);
    if (forgery.isStorm && evidence < STORM_EVIDENCE) return;
    if (this.#ratio?.dataShards === dataShards && this.#ratio.parityShards === parityShards) {
      if (this.#probation) return;
      // Forged parity may show a guess, but it does not make the content of a group agree.
      if (this.#verified) this.#trust();
      else this.#probe(data, groups);
      return;
    }
    // Types and numbers may be forged, the content of groups may not.
    if (this.#ratio && this.#sinceProof < CONFIRMED_GROUPS * this.#ratio.dataShards) return;
    const young = this.#probation && this.#previous !== null;
    const previous = young ? this.#previous : this.#ratio;
    const proven = young ? this.#previousProven : this.#proven;
    // Parity that contradicted the old ratio was not forged if the new one is right.
    forgery.forgive();
    this.#adopt(ratio);
    this.#probe(data, groups);
    this.#previous = previous;
    this.#previousProven = proven;
  }

  /**
   * Notes that the content of a group agrees with the ratio.
   *
   * @returns The number of the last group up to which this proves the ratio; -1 for none.
   */
  verify(number: number): number {
    this.#verified = true;
    const last = this.#proof.verify(number);
    if (this.trusted) return -1;
    if (this.#probation && this.#isEstablished) {
      this.#trust();
      return number;
    }
    if (last < 0) return -1;
    this.#sinceProof = 0;
    this.#trust();
    this.#tuner.clear();
    return last;
  }

  /** Begins the probation of the ratio, which so many data shards in so many groups fit. */
  #probe(data: number, groups: number): void {
    this.#proven = this.#doubted = this.#probation = true;
    this.#contradictions = this.#confirmations = this.#refutations = 0;
    this.#fitData = data;
    this.#fitGroups = groups;
  }

  /** Ends all doubt about the ratio. */
  #trust(): void {
    this.#proven = true;
    this.#doubted = this.#probation = false;
    this.#contradictions = this.#confirmations = 0;
  }

  #adopt(ratio: FecRatio): void {
    this.#ratio = ratio;
    this.#total = ratio.dataShards + ratio.parityShards;
    this.#seqidLimit = seqidLimit(this.#total);
    this.#sinceProof = Infinity;
    this.#previous = null;
    this.#verified = false;
    this.#refutations = this.#fitGroups = this.#fitData = 0;
    this.#lastFit = -1;
    this.#proof.clear();
  }
}

/** Whether a ratio gives that sequence number to a data shard. */
function isData({ dataShards, parityShards }: FecRatio, seqid: number): boolean {
  return seqid % (dataShards + parityShards) < dataShards;
}
