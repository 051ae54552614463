/**
 * The buckets of bytes hold what their rate gives in this many ms, since timers fire 1 to 2 ms late.
 */
const CATCH_UP = 5;
/** Without a rate, the stream bucket fills each ms by this part of a burst. */
const REFILL = 1 / 8;
/** One packet: less than 1, so that rounding can't make a computed wait too short. */
const ONE = 0.99;
/**
 * The burst bucket fills by at least this many packets per ms. The slowest adapter takes as many
 * out of its receive buffer.
 */
const BURST_REFILL = 64;

/**
 * Decides when packets may leave. It spreads them out in time with three token buckets:
 *
 * - The burst bucket limits what leaves back to back, so that the peer's receive buffer can hold it:
 *   all packets take from it. It holds `burst` packets. Each ms fills it by 64 packets. It does not
 *   limit a rate that a peer can read.
 * - The stream bucket applies the rate of the congestion controller to segments with data. It counts
 *   the bytes of segments, as rate samples do: what error correction adds is not in the rate. For a
 *   controller without a rate, it takes care of the peer's receive buffer: it holds a burst of packets,
 *   and each ms fills it by an eighth of a burst.
 * - The rate bucket applies the `pacingRate` setting to all bytes.
 *
 * Each acknowledged packet fills the burst bucket, and a stream bucket of packets, by one, since it has
 * left the peer's receive buffer.
 */
export class Pacer {
  /** Bytes that have left so far. */
  spent = 0;
  /** Packets of the stream wait from this value of `spent` on. */
  streamPauseAt: number = Infinity;
  #burst: number;
  #rate: number;
  #streamRate = Infinity;
  /** The burst bucket, in packets. */
  #free: number;
  #freePerMs: number;
  /** The stream bucket, in packets or in bytes. */
  #packets: number;
  #packetsPerMs: number;
  #streamBytes = 0;
  #streamDepth = 0;
  /** Bytes that may leave at once. One packet may take it below zero; time refills it. */
  #bytes = 0;
  #last = -Infinity;

  /**
   * @param burst Packets that may leave back to back. `Infinity` for no limit.
   * @param rate Bytes per second. `Infinity` for no limit.
   * @param mtu Bytes of a full packet.
   */
  constructor(burst: number, rate: number, mtu: number) {
    this.#burst = this.#packets = this.#free = burst;
    this.#packetsPerMs = burst * REFILL;
    this.#freePerMs = Math.max(BURST_REFILL, this.#packetsPerMs);
    this.#rate = rate;
    this.#bytes = this.#depth(mtu);
  }

  /** Capacity of the rate bucket. */
  #depth(mtu: number): number {
    return Math.max(2 * mtu, this.#rate / 1000 * CATCH_UP);
  }

  /** Changes the limits. */
  configure(burst: number, rate: number, mtu: number): void {
    this.configureBurst(burst);
    if (rate !== this.#rate) {
      this.#rate = rate;
      this.#bytes = Math.min(this.#bytes, this.#depth(mtu));
    }
  }

  /** Changes how many packets may leave back to back. */
  configureBurst(burst: number): void {
    if (burst === this.#burst) return;
    this.#burst = burst;
    this.#packetsPerMs = burst * REFILL;
    this.#freePerMs = Math.max(BURST_REFILL, this.#packetsPerMs);
    this.#packets = burst === Infinity ? Infinity : Math.min(this.#packets, burst);
    this.#free = burst === Infinity ? Infinity : Math.min(this.#free, burst);
  }

  /**
   * Changes the rate of the stream.
   *
   * @param rate Bytes of segments per second. `Infinity` if the controller has none.
   * @param mtu Bytes of a full packet.
   */
  paceStream(rate: number, mtu: number): void {
    if (rate === this.#streamRate) return;
    const depth = Math.max(2 * mtu, Math.min(rate / 1000 * CATCH_UP, this.#burst * mtu));
    const paced = this.#streamRate !== Infinity;
    this.#streamBytes = paced ? Math.min(this.#streamBytes, depth) : depth;
    this.#streamRate = rate;
    this.#streamDepth = depth;
  }

  /**
   * Fills the buckets for the time that passed.
   *
   * @param now The time in ms.
   * @param mtu Bytes of a full packet.
   */
  advance(now: number, mtu: number): void {
    const passed = now - this.#last;
    // Those that share the pacer may know different times.
    if (!(passed > 0)) return;
    this.#last = now;
    if (this.#burst !== Infinity) {
      this.#packets = Math.min(this.#burst, this.#packets + passed * this.#packetsPerMs);
      this.#free = Math.min(this.#burst, this.#free + passed * this.#freePerMs);
    }
    if (this.#streamRate !== Infinity) {
      const bytes = this.#streamBytes + passed * this.#streamRate / 1000;
      this.#streamBytes = Math.min(this.#streamDepth, bytes);
    }
    if (this.#rate !== Infinity) {
      this.#bytes = Math.min(this.#depth(mtu), this.#bytes + passed * this.#rate / 1000);
    }
  }

  /** Notes that the peer has taken packets out of its receive buffer. */
  credit(packets: number): void {
    this.#packets = Math.min(this.#burst, this.#packets + packets);
    this.#free = Math.min(this.#burst, this.#free + packets);
  }

  /** Whether a packet of the stream may leave now. */
  get ready(): boolean {
    return this.#streamReady && this.anyReady && this.spent < this.streamPauseAt;
  }

  get #streamReady(): boolean {
    return this.#streamRate === Infinity ? this.#packets >= ONE : this.#streamBytes > 0;
  }

  /** Whether a packet that is not of the stream may leave now. */
  get anyReady(): boolean {
    return this.#free >= ONE && (this.#rate === Infinity || this.#bytes > 0);
  }

  /**
   * Bytes that may leave now.
   *
   * @param mtu Bytes of a full packet.
   */
  room(mtu: number): number {
    return Math.min(this.#free * mtu, this.#rate === Infinity ? Infinity : this.#bytes);
  }

  /**
   * Bytes of segments with data that may leave now.
   *
   * @param mtu Bytes of a full packet.
   */
  streamRoom(mtu: number): number {
    const stream = this.#streamRate === Infinity ? this.#packets * mtu : this.#streamBytes;
    return Math.min(stream, this.room(mtu));
  }

  /** Bytes that the `pacingRate` setting gives in `ms`. `Infinity` without one. */
  bytesIn(ms: number): number {
    return this.#rate * ms / 1000;
  }

  /** Notes that a segment of the stream left: it counts against the controller's rate. */
  spendSegment(bytes: number): void {
    this.#streamBytes -= bytes;
  }

  /** Notes that a packet of the stream left. */
  spend(bytes: number): void {
    this.#packets -= 1;
    this.spendAny(bytes);
  }

  /** Notes that a packet left that is not of the stream. */
  spendAny(bytes: number): void {
    this.#free -= 1;
    this.charge(bytes);
  }

  /** Notes that a packet that left was `bytes` larger than counted. */
  charge(bytes: number): void {
    this.spent += bytes;
    if (this.#rate !== Infinity) this.#bytes -= bytes;
  }

  /** The time in ms at which packets of the stream may leave again. */
  get readyAt(): number {
    if (this.#streamReady) return this.anyReadyAt;
    const at = this.#streamRate === Infinity
      ? this.#filledAt(this.#packets, this.#packetsPerMs)
      : this.#after((this.#wakeBytes - this.#streamBytes) * 1000 / this.#streamRate);
    return Math.max(this.anyReadyAt, at);
  }

  /**
   * What the stream bucket holds when a wait ends. To wake up more often than once a ms costs too much,
   * and timers can't do it.
   */
  get #wakeBytes(): number {
    return Math.max(1, Math.min(this.#streamDepth / 2, this.#streamRate / 1000));
  }

  /** The time in ms at which packets that are not of the stream may leave again. */
  get anyReadyAt(): number {
    let at = this.#last;
    if (this.#free < ONE) at = this.#filledAt(this.#free, this.#freePerMs);
    if (this.#rate !== Infinity && this.#bytes <= 0) {
      at = Math.max(at, this.#after((1 - this.#bytes) * 1000 / this.#rate));
    }
    return at;
  }

  /**
   * When a bucket of packets holds a quarter of a burst. To wake up for single packets costs too
   * much.
   */
  #filledAt(packets: number, perMs: number): number {
    return this.#after((Math.max(1, this.#burst / 4) - packets) / perMs);
  }

  /** The time `wait` ms later: at least one step of a double later, so that the time advances. */
  #after(wait: number): number {
    return this.#last + Math.max(wait, 0.001 + Math.abs(this.#last) * 2 ** -50);
  }
}
