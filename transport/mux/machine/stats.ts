/** What a {@linkcode MuxMachine} has counted since it was made. */
export interface MuxMachineStats {
  /** Frames that were handed to the connection below. */
  framesSent: number;
  /** Frames that arrived: complete headers. */
  framesReceived: number;
  /** Bytes that were handed to the connection below, headers included. */
  bytesSent: number;
  /** Bytes that arrived, headers included. */
  bytesReceived: number;
  /** Payload bytes of streams that were handed to the connection below. */
  dataSent: number;
  /** Payload bytes that arrived for streams and were kept to be read. */
  dataReceived: number;
  /** Streams that this side opened. */
  opened: number;
  /** Streams of the peer that the application accepted. */
  accepted: number;
  /** Streams of the peer that were refused: too many waited, or were open. */
  refused: number;
  /** Streams that were cut because nobody read them while the receive buffer was full. */
  stalled: number;
  /** Streams that were cut because more data came than their window allowed, or by a bad update. */
  overruns: number;
  /** Streams that this side reset. */
  resetsSent: number;
  /** Streams that the peer reset or stopped reading, with a code. */
  resetsReceived: number;
  /** Payload bytes for streams that are not open, or whose data nobody wants any more. */
  strayBytes: number;
  /** Frames, except data, for streams that are not open. */
  strayFrames: number;
  /** Frames that opened a stream that was open. They were ignored. */
  duplicateSyns: number;
  /** Payload bytes that came behind the end of their stream. They were ignored. */
  bytesAfterEnd: number;
  /** Data frames without payload. */
  emptyFrames: number;
  /** Window updates that were sent. */
  updatesSent: number;
  /** How often the receive buffer was full, so that the peer had to wait. */
  pauses: number;
}

/** Counters that are all 0. */
export function newStats(): MuxMachineStats {
  return {
    framesSent: 0,
    framesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    dataSent: 0,
    dataReceived: 0,
    opened: 0,
    accepted: 0,
    refused: 0,
    stalled: 0,
    overruns: 0,
    resetsSent: 0,
    resetsReceived: 0,
    strayBytes: 0,
    strayFrames: 0,
    duplicateSyns: 0,
    bytesAfterEnd: 0,
    emptyFrames: 0,
    updatesSent: 0,
    pauses: 0,
  };
}
