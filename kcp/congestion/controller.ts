/**
 * What one packet of acknowledgments shows of the path.
 *
 * The machine keeps one record and fills it anew for each packet, so it is only valid during the
 * call. "Bytes" are those of segments, headers included. A segment that arrived more than once
 * counts once. Source: draft-ietf-ccwg-bbr-06 §4.1, "Delivery Rate Samples".
 */
export interface RateSample {
  /** The time in ms. */
  now: number;
  /** Bytes that the packet newly acknowledged. They may be 0: then only `rtt` is news. */
  acked: number;
  /** Segments that the packet newly acknowledged. */
  segments: number;
  /** Segments by which `snd_una` advanced. 0 if a segment before them is missing. */
  advanced: number;
  /**
   * Bytes per second at which the path delivered: `delivered` in `interval`. 0 if the packet gives
   * no sample: all its segments were sent more than once and it is not known which copy arrived, or
   * error correction restored the packet.
   */
  deliveryRate: number;
  /** Bytes delivered between the sending of the sampled segment and now. 0 without a sample. */
  delivered: number;
  /** The time in ms in which they were delivered. 0 without a sample. */
  interval: number;
  /** The round-trip sample of the packet in ms. -1 if it gave none. */
  rtt: number;
  /** Bytes that counted as lost between the sending of the sampled segment and now. */
  lost: number;
  /** Bytes in flight before the packet. */
  priorInFlight: number;
  /** Bytes in flight after the packet: sent, not acknowledged, and not counted as lost. */
  inFlight: number;
  /** Bytes in flight when the sampled segment was sent, it included. */
  txInFlight: number;
  /** Bytes delivered since the beginning, when the sampled segment was sent. */
  priorDelivered: number;
  /** Bytes delivered since the beginning. */
  totalDelivered: number;
  /** Whether the application, or a window that is not the controller's, had limited the rate. */
  appLimited: boolean;
  /**
   * Whether the window of the controller has held data back in this round trip, or in the last one.
   */
  windowLimited: boolean;
  /** Whether a round trip has ended: the segment was sent after the last one had ended. */
  roundStart: boolean;
  /** The peer's receive window in segments. */
  remoteWindow: number;
}

/**
 * One segment that counts as lost. The machine keeps one record, which is only valid during the
 * call.
 */
export interface Loss {
  /** The time in ms. */
  now: number;
  /** Bytes of the segment. */
  bytes: number;
  /** When it was sent, in ms. */
  sentAt: number;
  /** Bytes that counted as lost since it was sent, it included. */
  lost: number;
  /** Bytes in flight when it was sent, it included. */
  txInFlight: number;
  /** Bytes in flight now. */
  inFlight: number;
  /** Segments from `snd_una` to before `snd_nxt`. */
  span: number;
  /** Whether the application limited the rate when it was sent. */
  appLimited: boolean;
  /** Whether it has timed out. Otherwise, later segments had arrived. */
  timedOut: boolean;
  /** Whether it had counted as lost before, and was sent again. */
  again: boolean;
}

/** What a controller tells about itself, for statistics and traces. */
export interface CongestionState {
  /** Name of the algorithm, such as `bbr`. */
  algorithm: string;
  /**
   * Name of the phase that it is in, such as `startup` and `cruise` of BBR, or `slow start` and
   * `avoidance` of the others. Empty if it has none.
   */
  phase: string;
  /** Bytes per second that the path is thought to deliver. 0 if unknown. */
  bandwidth: number;
  /** Round-trip time of the empty path in ms, as far as the controller knows it. 0 if unknown. */
  minRtt: number;
}

/**
 * Decides how many bytes may be in flight, and how fast they may leave.
 *
 * The state machine reports events to the controller in the order in which they happen. It reads
 * {@linkcode CongestionController.window} and {@linkcode CongestionController.pacingRate} before it
 * sends. A controller reads no clock. Every time is in milliseconds.
 *
 * Datagrams, acknowledgments, copies and parity packets are not reported, and the controller does
 * not limit them. The `sndWnd`, `pacingRate` and `burst` settings limit the machine in addition.
 *
 * @example A window that grows by one segment in each round trip, and halves after a loss
 * ```ts
 * import type { CongestionController, Loss, RateSample } from "@lowlatency/kcp/kcp";
 * import { Kcp } from "@lowlatency/kcp/kcp";
 *
 * class Aimd implements CongestionController {
 *   window: number;
 *   segmentWindow = Infinity;
 *   pacingRate = Infinity;
 *   ssthresh = Infinity;
 *   state = { algorithm: "aimd", phase: "", bandwidth: 0, minRtt: 0 };
 *   #mss: number;
 *   #reducedAt = -Infinity;
 *
 *   constructor(mss: number, window: number) {
 *     this.#mss = mss;
 *     this.window = window;
 *   }
 *   onSend(): void {}
 *   onAck({ acked, windowLimited }: RateSample): void {
 *     if (windowLimited) this.window += this.#mss * acked / this.window;
 *   }
 *   onLoss({ now, sentAt }: Loss): void {
 *     if (sentAt <= this.#reducedAt) return; // the window was larger when it was sent
 *     this.#reducedAt = now;
 *     this.window = Math.max(2 * this.#mss, this.window / 2);
 *   }
 *   onTimeout(): void {}
 * }
 *
 * const congestion = ({ mss, initialWindow }: { mss: number; initialWindow: number }) =>
 *   new Aimd(mss, initialWindow);
 * console.log(new Kcp(1, { congestion }).stats.congestion.cwnd); // 89600
 * ```
 */
export interface CongestionController {
  /**
   * Bytes that may be in flight. Another segment may leave as long as fewer are. `Infinity` for no
   * limit.
   */
  readonly window: number;
  /**
   * Segments from `snd_una` on that may be sent, at least 1, in the way of the C reference.
   * `Infinity` for no limit.
   */
  readonly segmentWindow: number;
  /** Bytes per second at which segments may leave. `Infinity` for no limit. */
  readonly pacingRate: number;
  /** Slow start threshold in bytes. `Infinity` if the controller has none. */
  readonly ssthresh: number;
  /** What the controller tells about itself. The statistics show it as `congestion`. */
  readonly state: CongestionState;
  /**
   * A segment was sent.
   *
   * @param now The time in ms.
   * @param bytes Bytes of the segment.
   * @param inFlight Bytes in flight, the segment included.
   */
  onSend(now: number, bytes: number, inFlight: number): void;
  /**
   * Sending begins again, with nothing in flight, after the application had nothing to send. Called
   * before {@linkcode CongestionController.onSend}.
   *
   * @param now The time in ms.
   */
  onIdleRestart?(now: number): void;
  /** A packet acknowledged segments, or gave a round-trip sample. */
  onAck(sample: RateSample): void;
  /** A segment counts as lost. Called once for each, before the acknowledgment that showed it. */
  onLoss(loss: Loss): void;
  /**
   * Segments timed out. Each was reported by {@linkcode CongestionController.onLoss} before.
   *
   * @param now The time in ms.
   * @param segments How many segments timed out at once.
   * @param inFlight Bytes in flight now.
   */
  onTimeout(now: number, segments: number, inFlight: number): void;
  /**
   * Segments that counted as lost had only been late: an earlier transmission of them has arrived,
   * or they were acknowledged before they were sent again. A controller may undo what it did when
   * they counted as lost or timed out.
   *
   * @param now The time in ms.
   * @param segments How many. One that counted as lost several times is one.
   */
  onNeedlessLoss?(now: number, segments: number): void;
  /**
   * The path MTU has changed.
   *
   * @param mss Bytes of a full segment, header included.
   */
  onMtu?(mss: number): void;
  /**
   * It was found out how much may leave back to back: bursts arrive whole, or their ends are lost. Called
   * with the `burst` setting `"auto"`.
   *
   * @param bytes Bytes of a burst.
   */
  onBurst?(bytes: number): void;
}

/** What a controller may want to know at its creation. */
export interface CongestionContext {
  /** Bytes of a full segment, header included. */
  readonly mss: number;
  /** See {@linkcode NodelayOptions.resend}. */
  readonly resend: number;
  /**
   * Bytes that may be in flight before anything is known of the path: a burst of full segments.
   * Maybe `Infinity`: see {@linkcode KcpLiveOptions.burst}.
   */
  readonly initialWindow: number;
}

/**
 * Creates a controller. It is called once for each machine, and again when `nc` is turned on and
 * off.
 *
 * @param context What is known then. It does not change later.
 */
export type CongestionControllerFactory = (context: CongestionContext) => CongestionController;
