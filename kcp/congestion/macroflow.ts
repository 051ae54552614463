import { Burst } from "./burst.ts";
import type { CongestionController } from "./controller.ts";
import { Pacer } from "./pacer.ts";
import { Silence } from "./silence.ts";
import type { Turns } from "./turns.ts";

/**
 * What a sender knows of its path, and what limits it there: a congestion controller, a pacer, and the
 * bytes that are in flight, delivered and lost.
 *
 * Each conversation begins with one of its own. Several that send over one path may share one: they are
 * a macroflow then, which takes as much of a bottleneck as a single conversation does. Loss detection and
 * timeouts stay with each conversation. Source: RFC 3124, "The Congestion Manager"; the counters are those
 * that draft-ietf-ccwg-bbr-06 §4.1 keeps for each connection.
 */
export class Macroflow {
  controller!: CongestionController;
  // The first configuration of the sender sets its limits.
  readonly pacer: Pacer = new Pacer(Infinity, Infinity, 0);
  readonly silence = new Silence();
  /** How many packets may leave back to back, and how many of them the controller knows of. */
  readonly burst = new Burst();
  burstTold = 0;
  /** Bytes in flight: sent, not acknowledged, and not counted as lost. */
  inFlight = 0;
  /** Bytes delivered, and when the last of them were, in ms: C.delivered, C.delivered_time. */
  delivered = 0;
  deliveredAt = 0;
  /** When the first segment of the next sample was sent, in ms: C.first_send_time. */
  firstSentAt = 0;
  /** Bytes that were sent until then, that segment included. Only counted while it is shared. */
  firstSent = 0;
  /** Bytes lost: C.lost. */
  lost = 0;
  /** A segment that was sent after this many bytes were delivered starts the next round trip. */
  roundEnds = 0;
  /** The rate is the application's until this many bytes are delivered. 0 if it is not. */
  appLimitedUntil = 0;
  /** Whether the controller's window has held data back, in this round trip and in the last one. */
  limitedNow = false;
  limitedBefore = false;
  /** The turns of the conversations that share it; null as long as there is one. */
  turns: Turns | null = null;
}
