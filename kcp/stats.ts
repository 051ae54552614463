/** Packets that a machine took from the network and dropped, by what was wrong with them. */
export interface InputErrors {
  /** Shorter than a segment header. */
  short: number;
  /** A segment of another conversation. */
  conv: number;
  /** A segment with a command that KCP does not have. */
  cmd: number;
  /** A segment whose data reaches past the end of the packet. */
  length: number;
  /** A `una` beyond what was ever sent. */
  una: number;
  /** An acknowledgment of a segment that was never sent. */
  ack: number;
}

/** What a {@linkcode Kcp} has counted, and how it stands. Times are in ms, windows and queues in segments. */
export interface KcpStats {
  /** Packets given out. */
  packetsOut: number;
  /** Packets taken in, bad ones not counted. */
  packetsIn: number;
  /** Bytes of the packets given out, headers included. */
  bytesOut: number;
  /** Bytes of the packets taken in, headers included, bad ones not counted. */
  bytesIn: number;
  /** Segments given out, of every kind. */
  segmentsOut: number;
  /** Segments taken in, of every kind. */
  segmentsIn: number;
  /** Payload bytes given out for the first time. */
  payloadOut: number;
  /** Payload bytes taken in, each once. */
  payloadIn: number;
  /** Segments sent again because their timeout passed. */
  timeoutRetransmits: number;
  /** Segments sent again because `resend` later ones were acknowledged. */
  fastRetransmits: number;
  /** Segments sent again because a later one was acknowledged and nothing new was queued. */
  earlyRetransmits: number;
  /** Segments acknowledged. */
  acknowledged: number;
  /** Segments among them whose first transmission was lost, as far as the acknowledgments tell. */
  lost: number;
  /** Data segments that arrived more than once. */
  duplicates: number;
  /** Data segments beyond the receive window, or that memory had no room for. */
  refused: number;
  /** Data segments of another incarnation of the peer, which had restarted. */
  foreign: number;
  /** Packets dropped, by what was wrong with them. */
  inputErrors: InputErrors;
  /** Smoothed round-trip time, -1 before the first sample. */
  srtt: number;
  /** Variation of the round-trip time. */
  rttvar: number;
  /** Shortest round-trip time seen, `Infinity` before the first sample. */
  minRtt: number;
  /** Retransmission timeout. */
  rto: number;
  /** Congestion window, `Infinity` while congestion control is off. */
  cwnd: number;
  /** Slow start threshold, `Infinity` while congestion control is off. */
  ssthresh: number;
  /** Send window. */
  sndWnd: number;
  /** Receive window. */
  rcvWnd: number;
  /** The peer's receive window as it told last. */
  rmtWnd: number;
  /** Segments that wait for their first transmission. */
  sndQueue: number;
  /** Segments sent and not acknowledged. */
  inFlight: number;
  /** Segments in order that wait to be read. */
  rcvQueue: number;
  /** Segments that arrived ahead of their turn. */
  rcvBuffer: number;
  /** Acknowledgments that wait to be sent. */
  pendingAcks: number;
  /** Payload bytes held: queued, in flight, or waiting to be read in order. */
  bytesHeld: number;
}
