/** From this level on, parity is checked more strictly. */
const FLOOD = 4;
/** From this level on, types and numbers of packets are poor evidence for a ratio. */
const STORM = 32;
const MAX_LEVEL = 64;
/** So many data shards for each forged parity shard end the flood. */
const CALM = 4;

/** Measures how many parity shards are forged, compared with the data shards. */
export class ForgeryMeter {
  #level = 0;
  /** Data shards until the level falls. */
  #untilCalm = CALM;

  /** Whether strangers send forged parity. */
  get isFlood(): boolean {
    return this.#level >= FLOOD;
  }

  /** Whether they send so much that most parity may be forged. */
  get isStorm(): boolean {
    return this.#level >= STORM;
  }

  /** Counts a parity shard that was forged. */
  noteForged(): void {
    if (this.#level < MAX_LEVEL) this.#level++;
  }

  /** Counts a data shard. */
  noteData(): void {
    if (--this.#untilCalm > 0) return;
    this.#untilCalm = CALM;
    if (this.#level > 0) this.#level--;
  }

  /** Assumes that most parity is forged: it has shown a wrong ratio. */
  raise(): void {
    this.#level = MAX_LEVEL;
  }

  /** Forgets what was counted: it was not forged. */
  forgive(): void {
    if (!this.isStorm) this.#level = 0;
  }
}
