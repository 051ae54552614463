/**
 * Decides how much may be in flight, and how fast it may leave.
 *
 * The state machine tells a controller what happens, in the order in which it happens, and asks for
 * {@linkcode CongestionController.window} and {@linkcode CongestionController.pacingRate} before it
 * sends. A controller reads no clock. Every time is in milliseconds.
 */
export interface CongestionController {
  /** Segments that may be in flight, at least 1. */
  readonly window: number;
  /** Bytes per second at which packets may leave; `Infinity` for no limit. */
  readonly pacingRate: number;
  /** Segments below which the window grows fast; `Infinity` when the controller has no such bound. */
  readonly ssthresh: number;
  /** A segment of `bytes` payload left, `inFlight` segments (it included) are unacknowledged. */
  onSend(now: number, bytes: number, inFlight: number): void;
  /**
   * A packet acknowledged segments.
   *
   * @param now The time.
   * @param segments Segments that the packet newly acknowledged, at least 1.
   * @param advanced Segments by which `snd_una` advanced, 0 when only later ones were acknowledged.
   * @param bytes Payload bytes of the newly acknowledged segments.
   * @param rtt The packet's round-trip sample in ms, -1 if it gave none.
   * @param remoteWindow The peer's receive window in segments.
   */
  onAck(
    now: number,
    segments: number,
    advanced: number,
    bytes: number,
    rtt: number,
    remoteWindow: number,
  ): void;
  /** Fast retransmit took `segments` segments for lost; `inFlight` lay between `una` and `nxt`. */
  onLoss(now: number, segments: number, inFlight: number): void;
  /** The retransmission timer expired for `segments` segments; `inFlight` lay between `una` and `nxt`. */
  onTimeout(now: number, segments: number, inFlight: number): void;
}

/** Makes a controller for a new session: `mss` is the payload of a full segment, `resend` the option. */
export type CongestionControllerFactory = (mss: number, resend: number) => CongestionController;
