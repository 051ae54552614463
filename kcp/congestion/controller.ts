/**
 * Decides how many segments may be in flight, and how fast they may leave.
 *
 * The state machine reports events to the controller in the order in which they happen. It reads
 * {@linkcode CongestionController.window} and {@linkcode CongestionController.pacingRate} before it
 * sends. A controller reads no clock. Every time is in milliseconds.
 */
export interface CongestionController {
  /** Segments that may be in flight, at least 1. */
  readonly window: number;
  /** Bytes per second at which packets may leave. `Infinity` for no limit. */
  readonly pacingRate: number;
  /** Slow start threshold in segments. `Infinity` if the controller has none. */
  readonly ssthresh: number;
  /**
   * A segment was sent.
   *
   * @param now The time.
   * @param bytes Payload bytes of the segment.
   * @param inFlight Segments sent and not acknowledged, this one included.
   */
  onSend(now: number, bytes: number, inFlight: number): void;
  /**
   * A packet acknowledged segments.
   *
   * @param now The time.
   * @param segments Segments that were not acknowledged before, at least 1.
   * @param advanced Segments by which `snd_una` advanced. 0 if a segment before them is missing.
   * @param bytes Payload bytes of the newly acknowledged segments.
   * @param rtt The round-trip sample of the packet. -1 if it gave none.
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
  /**
   * Fast or early retransmit detected lost segments.
   *
   * @param now The time.
   * @param segments How many segments were lost.
   * @param inFlight Segments from `snd_una` to before `snd_nxt`.
   */
  onLoss(now: number, segments: number, inFlight: number): void;
  /**
   * Segments that were sent again had only been late: an earlier transmission of them has arrived. A
   * controller may undo what it did when they counted as lost or timed out.
   *
   * @param now The time.
   * @param segments How many.
   */
  onNeedlessRetransmit?(now: number, segments: number): void;
  /**
   * Retransmission timeouts expired.
   *
   * @param now The time.
   * @param segments How many segments timed out.
   * @param inFlight Segments from `snd_una` to before `snd_nxt`.
   */
  onTimeout(now: number, segments: number, inFlight: number): void;
}

/**
 * Creates the controller of a new session.
 *
 * @param mss Payload bytes of a full segment.
 * @param resend See {@linkcode NodelayOptions.resend}.
 */
export type CongestionControllerFactory = (mss: number, resend: number) => CongestionController;
