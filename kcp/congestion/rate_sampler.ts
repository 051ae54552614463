import type { Loss, RateSample } from "./controller.ts";
import { Macroflow } from "./macroflow.ts";

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
 * the congestion controller. It knows a segment by its place in the table of the send buffer. The sums are
 * those of its macroflow.
 *
 * Source: draft-ietf-ccwg-bbr-06 §4.1, "Delivery Rate Samples".
 */
export class RateSampler {
  /** Segments that counted as lost and were acknowledged before they were sent again. */
  late = 0;
  /** What the sums are of, and whose controller takes the samples and the losses. */
  flow: Macroflow = new Macroflow();
  #segments = new Float64Array(0);
  /** While the macroflow is shared: {@linkcode Macroflow.firstSent} when each segment was sent. */
  #firstSent = new Float64Array(0);

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
  /** Segments from `snd_una` to before `snd_nxt`, when losses are looked for. */
  span = 0;

  /** Bytes in flight of the macroflow. */
  get inFlight(): number {
    return this.flow.inFlight;
  }

  /** Notes that a segment of `bytes` bytes is sent now. */
  send(slot: number, bytes: number, now: number): void {
    const { flow } = this;
    if (flow.inFlight === 0) {
      if (flow.appLimitedUntil !== 0) flow.controller.onIdleRestart?.(now);
      flow.firstSentAt = flow.deliveredAt = now;
      flow.firstSent = flow.delivered + flow.lost;
    }
    if (flow.burst.watches) flow.burst.send(now, bytes, flow.inFlight);
    flow.inFlight += bytes;
    const segments = this.#segments;
    const at = slot * STRIDE;
    segments[at + BYTES] = bytes;
    segments[at + SENT_AT] = now;
    segments[at + FIRST_SENT_AT] = flow.firstSentAt;
    segments[at + DELIVERED] = flow.delivered;
    segments[at + DELIVERED_AT] = flow.deliveredAt;
    segments[at + LOST] = flow.lost;
    segments[at + TX_IN_FLIGHT] = flow.inFlight;
    segments[at + APP_LIMITED] = flow.appLimitedUntil !== 0 ? 1 : 0;
    if (flow.turns !== null) this.#noteFirstSent(slot);
    flow.controller.onSend(now, bytes, flow.inFlight);
  }

  #noteFirstSent(slot: number): void {
    const size = this.#segments.length / STRIDE;
    if (this.#firstSent.length !== size) this.#firstSent = new Float64Array(size);
    this.#firstSent[slot] = this.flow.firstSent;
  }

  /** Bytes that were sent since the beginning, this segment included. */
  #sent(slot: number): number {
    const segments = this.#segments;
    const at = slot * STRIDE;
    return segments[at + DELIVERED] + segments[at + LOST] + segments[at + TX_IN_FLIGHT];
  }

  /**
   * Bytes that were sent in the time of a sample, if others share the macroflow. They are what the path
   * delivered in it at most. More may have been acknowledged: the peer holds acknowledgments back, for each
   * conversation by itself.
   */
  #sentInSample(slot: number): number {
    const shared = this.flow.turns !== null && slot < this.#firstSent.length;
    return shared ? this.#sent(slot) - this.#firstSent[slot] : Infinity;
  }

  /** When a segment was last sent, in ms, not counting copies. */
  sentAt(slot: number): number {
    return this.#segments[slot * STRIDE + SENT_AT];
  }

  /** Notes that a segment is in flight no more, and that nothing is known of why. */
  remove(slot: number): void {
    const { flow } = this;
    const at = slot * STRIDE;
    const bytes = this.#segments[at + BYTES];
    flow.inFlight -= bytes;
    flow.burst.arrive(this.#segments[at + SENT_AT], bytes, this.#segments[at + TX_IN_FLIGHT]);
  }

  /**
   * Notes that a segment in flight counts as lost.
   *
   * @param again Whether it had counted as lost before.
   */
  lose(slot: number, timedOut: boolean, again: boolean, now: number): void {
    const { flow } = this;
    const segments = this.#segments;
    const at = slot * STRIDE;
    const bytes = segments[at + BYTES];
    flow.inFlight -= bytes;
    flow.lost += bytes;
    const loss = this.#loss;
    loss.now = now;
    loss.bytes = bytes;
    loss.sentAt = segments[at + SENT_AT];
    loss.lost = flow.lost - segments[at + LOST];
    loss.txInFlight = segments[at + TX_IN_FLIGHT];
    loss.inFlight = flow.inFlight;
    loss.span = this.span;
    loss.appLimited = segments[at + APP_LIMITED] === 1;
    loss.timedOut = timedOut;
    loss.again = again;
    flow.burst.lose(loss.sentAt, bytes);
    flow.controller.onLoss(loss);
  }

  /**
   * Notes that the application, or a window that is not the controller's, limits the rate: what is sent
   * until all of this is delivered shows less than the path can do.
   */
  limitByApplication(): void {
    const { flow } = this;
    flow.appLimitedUntil = flow.delivered + flow.inFlight || 1;
  }

  /** Notes that the window of the controller holds data back. */
  limitByWindow(): void {
    this.flow.limitedNow = true;
  }

  /** Starts on a packet of the peer. */
  startPacket(): void {
    this.#deliveredBefore = this.flow.delivered;
    this.#inFlightBefore = this.flow.inFlight;
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
    const { flow } = this;
    const segments = this.#segments;
    const at = slot * STRIDE;
    const bytes = segments[at + BYTES];
    if (wasInFlight) {
      flow.inFlight -= bytes;
      flow.burst.arrive(segments[at + SENT_AT], bytes, segments[at + TX_IN_FLIGHT]);
    } else {
      this.late++;
    }
    flow.delivered += bytes;
    if (flow.turns === null) flow.deliveredAt = now;
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
    const { flow } = this;
    const sample = this.#sample;
    sample.now = now;
    sample.acked = flow.delivered - this.#deliveredBefore;
    sample.segments = this.#count;
    sample.advanced = advanced;
    sample.rtt = rtt;
    sample.priorInFlight = this.#inFlightBefore;
    sample.inFlight = flow.inFlight;
    sample.totalDelivered = flow.delivered;
    sample.remoteWindow = remoteWindow;
    sample.deliveryRate = sample.delivered = sample.interval = 0;
    sample.roundStart = false;
    if (flow.appLimitedUntil !== 0 && flow.delivered > flow.appLimitedUntil) {
      flow.appLimitedUntil = 0;
    }
    if (this.#sampled !== NONE) {
      // Nothing was sent since the segment was acknowledged, so its place in the table still has its fields.
      const segments = this.#segments;
      const at = this.#sampled * STRIDE;
      sample.priorDelivered = this.#priorDelivered;
      sample.txInFlight = segments[at + TX_IN_FLIGHT];
      sample.lost = flow.lost - segments[at + LOST];
      sample.appLimited = segments[at + APP_LIMITED] === 1;
      // Acknowledgments of several conversations arrive in another order than segments leave.
      if (flow.turns === null) {
        flow.firstSentAt = this.#sentAt;
      } else if (this.#sentAt > flow.firstSentAt) {
        flow.firstSentAt = this.#sentAt;
        flow.firstSent = this.#sent(this.#sampled);
        flow.deliveredAt = now;
      }
      if (sample.priorDelivered >= flow.roundEnds) {
        flow.roundEnds = flow.delivered;
        sample.roundStart = true;
        flow.limitedBefore = flow.limitedNow;
        flow.limitedNow = false;
      }
      const sendTime = this.#sentAt - segments[at + FIRST_SENT_AT];
      const interval = Math.max(sendTime, now - segments[at + DELIVERED_AT]);
      if (!recovered && interval >= minRtt && interval > 0) {
        sample.interval = interval;
        sample.delivered = Math.min(
          flow.delivered - sample.priorDelivered,
          this.#sentInSample(this.#sampled),
        );
        sample.deliveryRate = sample.delivered * 1000 / interval;
      }
    } else {
      sample.lost = 0;
      sample.priorDelivered = flow.delivered;
      sample.txInFlight = 0;
      sample.appLimited = flow.appLimitedUntil !== 0;
    }
    sample.windowLimited = flow.limitedNow || flow.limitedBefore;
    flow.controller.onAck(sample);
  }

  /** Moves segments `una` to before `end` to larger tables. */
  grow(una: number, end: number, oldMask: number, mask: number): void {
    const old = this.#segments;
    const segments = new Float64Array((mask + 1) * STRIDE);
    const oldFirst = this.#firstSent;
    const firstSent = new Float64Array(oldFirst.length === 0 ? 0 : mask + 1);
    const move = (from: number, to: number) => {
      for (let i = 0; i < STRIDE; i++) segments[to * STRIDE + i] = old[from * STRIDE + i];
      if (firstSent.length > 0) firstSent[to] = oldFirst[from];
    };
    for (let sn = una; sn !== end; sn = (sn + 1) | 0) move(sn & oldMask, sn & mask);
    if (this.#sampled !== NONE) {
      // It is acknowledged, and before `una` or between the others. No segment has the place before `una`.
      const free = (una - 1) & mask;
      move(this.#sampled, free);
      this.#sampled = free;
    }
    this.#segments = segments;
    this.#firstSent = firstSent;
  }

  /** Frees the tables. Only valid while no segment is kept. */
  release(): void {
    this.#segments = this.#firstSent = new Float64Array(0);
  }

  /** Notes that a segment in flight is given up. */
  drop(slot: number): void {
    this.flow.inFlight -= this.#segments[slot * STRIDE + BYTES];
  }

  /** Notes that all segments in flight were given up. */
  clear(): void {
    this.flow.burst.clear();
  }
}
