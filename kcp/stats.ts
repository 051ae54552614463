import type { CongestionState } from "./congestion/controller.ts";

/** Invalid packets that a machine dropped, by their first error. */
export interface InputErrors {
  /** Shorter than a segment header. */
  short: number;
  /** A segment of another conversation. */
  conv: number;
  /** A segment with an unknown command. */
  cmd: number;
  /** A segment whose data reaches past the end of the packet. */
  length: number;
  /** A `una` beyond the last segment sent. */
  una: number;
  /** An acknowledgment of a segment that was never sent. */
  ack: number;
  /** A piece of a segment that does not fit the segment, or pieces before it. */
  piece: number;
}

/**
 * The state of congestion control. Windows are in bytes, segment headers included.
 *
 * If `inFlight` stays near `cwnd`, congestion control limits the sender. If it stays below, the
 * application does, or another window, or `pacingRate`. With `nc`, this is the state of the BBR
 * that measures the path then; without any limit, `algorithm` is `none`. Conversations that share
 * congestion control, such as those of one mux, all have the state of all of them together.
 */
export interface CongestionStats extends CongestionState {
  /** Bytes that may be in flight: the congestion window. `null` for no limit. */
  cwnd: number | null;
  /** Slow start threshold in bytes. `null` if the controller has none. */
  ssthresh: number | null;
  /** Bytes per second at which segments may leave. `null` for no limit. */
  pacingRate: number | null;
  /** Bytes in flight: sent, not acknowledged, and not counted as lost. */
  inFlight: number;
}

/**
 * Counters and current values of a {@linkcode Kcp}. Times are in ms, windows and queues in
 * segments.
 */
export interface KcpStats {
  /** Packets sent. */
  packetsOut: number;
  /** Valid packets received. */
  packetsIn: number;
  /** Bytes of the packets sent, headers included. */
  bytesOut: number;
  /** Bytes of the valid packets received, headers included. */
  bytesIn: number;
  /** Segments sent, of every kind. */
  segmentsOut: number;
  /** Segments received, of every kind. */
  segmentsIn: number;
  /** Payload bytes sent, retransmissions not counted. */
  payloadOut: number;
  /** Payload bytes received, duplicates not counted. */
  payloadIn: number;
  /** Segments sent again because their timeout passed. */
  timeoutRetransmits: number;
  /** Segments sent again because `resend` later ones were acknowledged. */
  fastRetransmits: number;
  /** Segments sent again after one later acknowledgment, since no new data was queued. */
  earlyRetransmits: number;
  /**
   * Segments sent again as a probe of the tail, since no acknowledgment came for 1.5 round trips.
   */
  tailProbes: number;
  /**
   * Retransmissions that were needless, as far as acknowledgments show it: the segment was only
   * late, or its acknowledgment was lost.
   */
  needlessRetransmits: number;
  /** Copies of retransmissions sent: see the `copies` setting. */
  copies: number;
  /** Bytes of these copies, segment headers included. */
  copyBytes: number;
  /** Segments of which such a copy arrived first. */
  copiesFirst: number;
  /** Segments that rode along with new data: see the `rideAlong` setting. */
  rideAlongs: number;
  /** Bytes of these segments, headers included. */
  rideAlongBytes: number;
  /** Segments that arrived first beside new data. */
  rideAlongsFirst: number;
  /** Segments acknowledged. */
  acknowledged: number;
  /** Acknowledged segments whose first transmission was lost, as far as acknowledgments show it. */
  lost: number;
  /**
   * Bytes of the largest packet that the machine sends: the `mtu` setting, less when larger packets
   * vanish, or more when larger ones arrive and `maxMtu` allows them.
   */
  pathMtu: number;
  /** How often the machine noticed that large packets vanish, and went on with smaller ones. */
  pathMtuReductions: number;
  /** Data segments that arrived more than once. */
  duplicates: number;
  /** Data segments that were dropped because they were beyond the receive window. */
  refused: number;
  /** Data segments that were dropped because no memory was left. */
  noMemory: number;
  /** Data segments of another incarnation of the peer, which had restarted. */
  foreign: number;
  /** Invalid packets that were dropped, by their first error. */
  inputErrors: InputErrors;
  /** Smoothed round-trip time, -1 before the first sample. */
  srtt: number;
  /** Variation of the round-trip time. */
  rttvar: number;
  /** Shortest round-trip time seen, -1 before the first sample. */
  minRtt: number;
  /** Retransmission timeout. */
  rto: number;
  /** The state of congestion control. */
  congestion: CongestionStats;
  /** Send window. */
  sndWnd: number;
  /** Receive window. */
  rcvWnd: number;
  /** The receive window that the peer announced last. */
  rmtWnd: number;
  /** Segments that wait for their first transmission. */
  sndQueue: number;
  /** Segments sent, but not acknowledged. */
  inFlight: number;
  /** Segments that arrived in order and wait to be read. */
  rcvQueue: number;
  /** Segments that arrived early: a segment before them is missing. */
  rcvBuffer: number;
  /** Acknowledgments that wait to be sent. */
  pendingAcks: number;
  /** Payload bytes held: queued to send, in flight, or in order and unread. */
  bytesHeld: number;
}
