/**
 * A sender that always has data, and a path without randomness, for controllers without a machine.
 *
 * @module
 */
import type { CongestionController } from "../../../kcp/mod.ts";
import { lossOf, sampleOf } from "./records.ts";

/** Bytes of each segment. */
export const MSS = 1000;
/** A segment counts as lost when this many arrived that were sent later. */
const SKIPS = 3;
/** A segment times out after this time in ms if no later one arrives. */
const TIMEOUT = 1000;

/** When a segment that is sent at `now` is acknowledged, in ms. `Infinity` if it is lost. */
export type Path = (now: number) => number;

/** A path with a fixed round trip in ms that loses one transmission of `lossEvery`. */
export function fixedDelay(rtt: number, lossEvery = Infinity): Path {
  let count = 0;
  return (now) => ++count % lossEvery === 0 ? Infinity : now + rtt;
}

/**
 * A path with a bottleneck.
 *
 * @param rate Bytes per ms.
 * @param rtt Round trip of the empty path in ms.
 * @param room Bytes that its queue holds.
 */
export function bottleneck(rate: number, rtt: number, room: number): Path {
  let free = 0;
  return (now) => {
    free = Math.max(free, now);
    if ((free - now) * rate > room) return Infinity;
    free += MSS / rate;
    return free + rtt;
  };
}

interface Sent {
  readonly sentAt: number;
  /** When it arrives. The time of the segment before it, if it is lost. */
  readonly arrivesAt: number;
  readonly lost: boolean;
  /** Bytes delivered, and when, when it was sent. */
  readonly priorDelivered: number;
  readonly priorTime: number;
  readonly inFlight: number;
}

/** One flow from the beginning on. */
export class Flow {
  readonly #controller: CongestionController;
  readonly #path: Path;
  readonly #sent: Sent[] = [];
  #head = 0;
  readonly #skipped: { segment: Sent; skips: number }[] = [];
  readonly #sample = sampleOf({ segments: 1, windowLimited: true });
  #inFlight = 0;
  #delivered = 0;
  #deliveredAt = 0;
  #nextRound = 0;
  #lastArrival = 0;
  /** The time in ms. */
  now = 0;
  /** Segments that counted as lost. */
  losses = 0;
  /** Round trip of the last segment in ms. */
  rtt = 0;

  /**
   * @param gap The first window leaves with this gap between segments, in ms.
   */
  constructor(controller: CongestionController, path: Path, gap: number) {
    this.#controller = controller;
    this.#path = path;
    while (this.#inFlight < controller.window) {
      this.#send();
      this.now += gap;
    }
  }

  /** Segments delivered. */
  get delivered(): number {
    return this.#delivered / MSS;
  }

  #send(): void {
    const at = this.#path(this.now);
    const lost = at === Infinity;
    if (!lost) this.#lastArrival = at;
    this.#inFlight += MSS;
    const inFlight = this.#inFlight;
    this.#sent.push({
      sentAt: this.now,
      arrivesAt: this.#lastArrival,
      lost,
      priorDelivered: this.#delivered,
      priorTime: this.#deliveredAt,
      inFlight,
    });
    this.#controller.onSend(this.now, MSS, inFlight);
  }

  /** Runs until the time `end` in ms. */
  run(end: number): void {
    while (true) {
      const segment = this.#sent[this.#head];
      const at = segment?.arrivesAt ?? this.#timeoutAt;
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (segment === undefined) {
        this.#timeOut();
        continue;
      }
      this.#head++;
      if (segment.lost) this.#skipped.push({ segment, skips: 0 });
      else this.#arrive(segment);
      if (this.#head > 1 << 16) {
        this.#sent.splice(0, this.#head);
        this.#head = 0;
      }
    }
    this.now = end;
  }

  get #timeoutAt(): number {
    const first = this.#skipped[0];
    return first === undefined ? Infinity : first.segment.sentAt + TIMEOUT;
  }

  #timeOut(): void {
    const { now } = this;
    const count = this.#skipped.length;
    while (this.#skipped.length > 0) this.#lose(true);
    this.#controller.onTimeout(now, count, this.#inFlight);
    for (let i = 0; i < count; i++) this.#send();
  }

  #lose(timedOut: boolean): void {
    const { sentAt, inFlight: txInFlight } = this.#skipped.shift()!.segment;
    this.#inFlight -= MSS;
    this.losses++;
    const { now } = this;
    const inFlight = this.#inFlight;
    this.#controller.onLoss(lossOf({ now, sentAt, txInFlight, inFlight, bytes: MSS, timedOut }));
  }

  #arrive(segment: Sent): void {
    const { now } = this;
    const sample = this.#sample;
    sample.priorInFlight = this.#inFlight;
    for (const one of this.#skipped) one.skips++;
    let again = 0;
    for (; this.#skipped.length > 0 && this.#skipped[0].skips >= SKIPS; again++) this.#lose(false);
    this.#delivered += MSS;
    this.#deliveredAt = now;
    this.#inFlight -= MSS;
    this.rtt = now - segment.sentAt;
    sample.now = now;
    sample.acked = MSS;
    sample.rtt = this.rtt;
    sample.inFlight = this.#inFlight;
    sample.txInFlight = segment.inFlight;
    sample.priorDelivered = segment.priorDelivered;
    sample.totalDelivered = this.#delivered;
    sample.delivered = this.#delivered - segment.priorDelivered;
    sample.interval = Math.max(now - segment.priorTime, this.rtt);
    sample.deliveryRate = 1000 * sample.delivered / sample.interval;
    sample.roundStart = segment.priorDelivered >= this.#nextRound;
    if (sample.roundStart) this.#nextRound = this.#delivered;
    this.#controller.onAck(sample);
    // A retransmission does not wait for the window.
    for (; again > 0; again--) this.#send();
    while (this.#inFlight < this.#controller.window) this.#send();
  }
}
