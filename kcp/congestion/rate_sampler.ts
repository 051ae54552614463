import { Burst } from "./burst.ts";
import type { CongestionController, Loss, RateSample } from "./controller.ts";

// What is kept of the last transmission of each segment. Names as in draft-ietf-ccwg-bbr-06 §4.1.
const STRIDE = 8;
/** Bytes of the segment, header included. */
const BYTES = 0;
/** When it was sent, in ms. */
const SENT_AT = 1;
/** When the first segment of its sample was sent, in ms: P.first_send_time. */
const FIRST_SENT_AT = 2;
/** Bytes delivered before it was sent, and when the last of them were: P.delivered. */
const DELIVERED = 3;
const DELIVERED_AT = 4;
/** Bytes lost before it was sent: P.lost. */
const LOST = 5;
/** Bytes in flight when it was sent, it included: P.tx_in_flight. */
const TX_IN_FLIGHT = 6;
/** What limited the rate then: 1 for the application, 0 for the path. */
const APP_LIMITED = 7;
/** No place in the table. */
const NONE = -1;

/**
 * Counts what is in flight, delivered and lost, in bytes of segments, and makes rate samples of it for
 * the congestion controller. It knows a segment by its place in the table of the send buffer.
 *
 * Source: draft-ietf-ccwg-bbr-06 §4.1, "Delivery Rate Samples".
 */
export class RateSampler {
  /** Bytes in flight: sent, not acknowledged, and not counted as lost. */
  inFlight = 0;
  /** Segments that counted as lost and were acknowledged before they were sent again. */
  late = 0;
  /** How many packets may leave back to back. */
  readonly burst = new Burst();
  /** Whether the controller's window has held data back, in this round trip and in the last one. */
  #limitedNow = false;
  #limitedBefore = false;
  #segments = new Float64Array(0);
  #delivered = 0;
  #deliveredAt = 0;
  #firstSentAt = 0;
  #lost = 0;
  /** A segment that was sent after this many bytes were delivered starts the next round trip. */
  #roundEnds = 0;
  /** The rate is the application's until this many bytes are delivered. 0 if it is not. */
  #appLimitedUntil = 0;

  // The packet that is being read.
  #deliveredBefore = 0;
  #inFlightBefore = 0;
  #count = 0;
  /**
   * The place of the sampled segment in the table, NONE before there is one; what was delivered before it
   * was sent, and when that was. See {@linkcode RateSampler.acknowledge}.
   */
  #sampled = NONE;
  #priorDelivered = 0;
  #sentAt = 0;
  readonly #sample: RateSample = {
    now: 0,
    acked: 0,
    segments: 0,
    advanced: 0,
    deliveryRate: 0,
    delivered: 0,
    interval: 0,
    rtt: -1,
    lost: 0,
    priorInFlight: 0,
    inFlight: 0,
    txInFlight: 0,
    priorDelivered: 0,
    totalDelivered: 0,
    appLimited: false,
    windowLimited: false,
    roundStart: false,
    remoteWindow: 0,
  };
  readonly #loss: Loss = {
    now: 0,
    bytes: 0,
    sentAt: 0,
    lost: 0,
    txInFlight: 0,
    inFlight: 0,
    span: 0,
    appLimited: false,
    timedOut: false,
    again: false,
  };
  /** Takes the losses. */
  controller!: CongestionController;
  /** Segments from `snd_una` to before `snd_nxt`, when losses are looked for. */
  span = 0;

  /** Notes that a segment of `bytes` bytes is sent now. */
  send(slot: number, bytes: number, now: number): void {
    if (this.inFlight === 0) {
      if (this.#appLimitedUntil !== 0) this.controller.onIdleRestart?.(now);
      this.#firstSentAt = this.#deliveredAt = now;
    }
    if (this.burst.watches) this.burst.send(now, bytes, this.inFlight);
    this.inFlight += bytes;
    const segments = this.#segments;
    const at = slot * STRIDE;
    segments[at + BYTES] = bytes;
    segments[at + SENT_AT] = now;
    segments[at + FIRST_SENT_AT] = this.#firstSentAt;
    segments[at + DELIVERED] = this.#delivered;
    segments[at + DELIVERED_AT] = this.#deliveredAt;
    segments[at + LOST] = this.#lost;
    segments[at + TX_IN_FLIGHT] = this.inFlight;
    segments[at + APP_LIMITED] = this.#appLimitedUntil !== 0 ? 1 : 0;
    this.controller.onSend(now, bytes, this.inFlight);
  }

  /** When a segment was last sent, in ms, not counting copies. */
  sentAt(slot: number): number {
    return this.#segments[slot * STRIDE + SENT_AT];
  }

  /** Notes that a segment is in flight no more, and that nothing is known of why. */
  remove(slot: number): void {
    const at = slot * STRIDE;
    const bytes = this.#segments[at + BYTES];
    this.inFlight -= bytes;
    this.burst.arrive(this.#segments[at + SENT_AT], bytes, this.#segments[at + TX_IN_FLIGHT]);
  }

  /**
   * Notes that a segment in flight counts as lost.
   *
   * @param again Whether it had counted as lost before.
   */
  lose(slot: number, timedOut: boolean, again: boolean, now: number): void {
    const segments = this.#segments;
    const at = slot * STRIDE;
    const bytes = segments[at + BYTES];
    this.inFlight -= bytes;
    this.#lost += bytes;
    const loss = this.#loss;
    loss.now = now;
    loss.bytes = bytes;
    loss.sentAt = segments[at + SENT_AT];
    loss.lost = this.#lost - segments[at + LOST];
    loss.txInFlight = segments[at + TX_IN_FLIGHT];
    loss.inFlight = this.inFlight;
    loss.span = this.span;
    loss.appLimited = segments[at + APP_LIMITED] === 1;
    loss.timedOut = timedOut;
    loss.again = again;
    this.burst.lose(loss.sentAt, bytes);
    this.controller.onLoss(loss);
  }

  /**
   * Notes that the application, or a window that is not the controller's, limits the rate: what is sent
   * until all of this is delivered shows less than the path can do.
   */
  limitByApplication(): void {
    this.#appLimitedUntil = this.#delivered + this.inFlight || 1;
  }

  /** Notes that the window of the controller holds data back. */
  limitByWindow(): void {
    this.#limitedNow = true;
  }

  /** Starts on a packet of the peer. */
  startPacket(): void {
    this.#deliveredBefore = this.#delivered;
    this.#inFlightBefore = this.inFlight;
    this.#count = 0;
    this.#sampled = NONE;
  }

  /**
   * Notes that a segment was acknowledged.
   *
   * @param wasInFlight Whether it did not count as lost.
   * @param certain Whether its last transmission is known to have arrived. Otherwise it gives no sample:
   * the time of an earlier one is not known.
   */
  acknowledge(slot: number, wasInFlight: boolean, certain: boolean, now: number): void {
    const segments = this.#segments;
    const at = slot * STRIDE;
    const bytes = segments[at + BYTES];
    if (wasInFlight) {
      this.inFlight -= bytes;
      this.burst.arrive(segments[at + SENT_AT], bytes, segments[at + TX_IN_FLIGHT]);
    } else {
      this.late++;
    }
    this.#delivered += bytes;
    this.#deliveredAt = now;
    this.#count++;
    if (!certain) return;
    // The segment that was sent last gives the sample.
    const sentAt = segments[at + SENT_AT];
    const before = segments[at + DELIVERED];
    if (this.#sampled !== NONE) {
      if (before < this.#priorDelivered) return;
      if (before === this.#priorDelivered && sentAt < this.#sentAt) return;
    }
    this.#sampled = slot;
    this.#priorDelivered = before;
    this.#sentAt = sentAt;
  }

  /**
   * Hands the sample of the packet to the controller.
   *
   * @param rtt The round-trip sample in ms, -1 if there is none.
   * @param minRtt The shortest round trip in ms. A shorter interval is no sample: acknowledgments that were
   * held back would look like a high rate.
   * @param recovered Whether error correction restored the packet: the time of its arrival shows nothing.
   */
  finish(
    now: number,
    rtt: number,
    minRtt: number,
    advanced: number,
    remoteWindow: number,
    recovered: boolean,
  ): void {
    const sample = this.#sample;
    sample.now = now;
    sample.acked = this.#delivered - this.#deliveredBefore;
    sample.segments = this.#count;
    sample.advanced = advanced;
    sample.rtt = rtt;
    sample.priorInFlight = this.#inFlightBefore;
    sample.inFlight = this.inFlight;
    sample.totalDelivered = this.#delivered;
    sample.remoteWindow = remoteWindow;
    sample.deliveryRate = sample.delivered = sample.interval = 0;
    sample.roundStart = false;
    if (this.#appLimitedUntil !== 0 && this.#delivered > this.#appLimitedUntil) {
      this.#appLimitedUntil = 0;
    }
    if (this.#sampled !== NONE) {
      // Nothing was sent since the segment was acknowledged, so its place in the table still has its fields.
      const segments = this.#segments;
      const at = this.#sampled * STRIDE;
      sample.priorDelivered = this.#priorDelivered;
      sample.txInFlight = segments[at + TX_IN_FLIGHT];
      sample.lost = this.#lost - segments[at + LOST];
      sample.appLimited = segments[at + APP_LIMITED] === 1;
      this.#firstSentAt = this.#sentAt;
      if (sample.priorDelivered >= this.#roundEnds) {
        this.#roundEnds = this.#delivered;
        sample.roundStart = true;
        this.#limitedBefore = this.#limitedNow;
        this.#limitedNow = false;
      }
      const sendTime = this.#sentAt - segments[at + FIRST_SENT_AT];
      const interval = Math.max(sendTime, now - segments[at + DELIVERED_AT]);
      if (!recovered && interval >= minRtt && interval > 0) {
        sample.interval = interval;
        sample.delivered = this.#delivered - sample.priorDelivered;
        sample.deliveryRate = sample.delivered * 1000 / interval;
      }
    } else {
      sample.lost = 0;
      sample.priorDelivered = this.#delivered;
      sample.txInFlight = 0;
      sample.appLimited = this.#appLimitedUntil !== 0;
    }
    sample.windowLimited = this.#limitedNow || this.#limitedBefore;
    this.controller.onAck(sample);
  }

  /** Moves segments `una` to before `end` to a larger table. */
  grow(una: number, end: number, oldMask: number, mask: number): void {
    const old = this.#segments;
    const segments = new Float64Array((mask + 1) * STRIDE);
    const move = (from: number, to: number) => {
      for (let i = 0; i < STRIDE; i++) segments[to * STRIDE + i] = old[from * STRIDE + i];
    };
    for (let sn = una; sn !== end; sn = (sn + 1) | 0) move(sn & oldMask, sn & mask);
    if (this.#sampled !== NONE) {
      // It is acknowledged, and before `una` or between the others. No segment has the place before `una`.
      const free = (una - 1) & mask;
      move(this.#sampled, free);
      this.#sampled = free;
    }
    this.#segments = segments;
  }

  /** Frees the table. Only valid while no segment is kept. */
  release(): void {
    this.#segments = new Float64Array(0);
  }

  /** Notes that nothing is in flight any more. */
  clear(): void {
    this.inFlight = 0;
    this.burst.clear();
  }
}
