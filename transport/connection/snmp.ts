import { processTotals, type Totals } from "./totals.ts";

/** The counters of kcp-go, under their names there: see {@linkcode snmp}. */
export interface Snmp {
  /** Bytes that applications have written and that were sent. */
  BytesSent: number;
  /** Bytes that have arrived for applications. */
  BytesReceived: number;
  /** The largest number of connections that were open at one time. */
  MaxConn: number;
  /** Connections that this side has opened. */
  ActiveOpens: number;
  /** Connections that peers have opened. */
  PassiveOpens: number;
  /** Connections that are open. */
  CurrEstab: number;
  /** Reads of sockets that have failed. */
  InErrs: number;
  /** Packets that failed the check of the cipher. */
  InCsumErrors: number;
  /** Packets that are not of KCP, or do not fit their connection. */
  KCPInErrors: number;
  /** Packets that arrived for connections. */
  InPkts: number;
  /** Packets that connections have sent. */
  OutPkts: number;
  /** Segments that arrived. */
  InSegs: number;
  /** Segments that were sent. */
  OutSegs: number;
  /** Bytes of `InPkts`. */
  InBytes: number;
  /** Bytes of `OutPkts`. */
  OutBytes: number;
  /** Segments that were sent again, for any reason. */
  RetransSegs: number;
  /** Segments that were sent again because later ones were acknowledged. */
  FastRetransSegs: number;
  /** The same after one later acknowledgment, or as a probe of the tail. */
  EarlyRetransSegs: number;
  /** Segments that were sent again because their timeout had passed. */
  LostSegs: number;
  /** Data segments that arrived more than once. */
  RepeatSegs: number;
  /** Groups of error correction of which all data arrived. */
  FECFullShardSet: number;
  /** Packets that error correction restored. */
  FECRecovered: number;
  /** Groups of error correction whose packets contradict each other. */
  FECErrs: number;
  /** Parity packets that arrived. */
  FECParityShards: number;
  /** Groups of error correction that wait for a data packet at present. */
  FECShardSet: number;
  /** 0: in kcp-go, the number of the newest group of the session that was last to receive one. */
  FECShardMin: number;
  /** Segments that wait to be sent, at present. */
  RingBufferSndQueue: number;
  /** Segments that wait to be read, at present. */
  RingBufferRcvQueue: number;
  /** Segments that wait for their acknowledgment, at present. */
  RingBufferSndBuffer: number;
  /** Datagrams that arrived. */
  OOBPackets: number;
}

/**
 * The sums under the names of kcp-go's `Snmp`: for a dashboard that was made for it. Members are as in
 * kcp-go 5.7.5, in the same order.
 *
 * @param totals The sums. Default: those of the process, as kcp-go's `DefaultSnmp`.
 *
 * @example
 * ```ts
 * import { listen, snmp } from "@lowlatency/kcp";
 *
 * using listener = await listen({ hostname: "127.0.0.1" });
 * console.log(snmp().RetransSegs); // of the process
 * console.log(snmp(listener.totals).CurrEstab); // of one listener: 0
 * ```
 */
export function snmp(totals: Totals = processTotals()): Snmp {
  const { connections, present, sockets } = totals;
  const { fec, inputErrors } = connections;
  const early = connections.earlyRetransmits + connections.tailProbes;
  return {
    BytesSent: connections.payloadOut,
    BytesReceived: connections.payloadIn,
    MaxConn: totals.maxOpen,
    ActiveOpens: totals.dialled,
    PassiveOpens: totals.accepted,
    CurrEstab: totals.open,
    InErrs: sockets.readErrors,
    InCsumErrors: sockets.forged,
    KCPInErrors: Object.values(inputErrors).reduce((sum, count) => sum + count, sockets.invalid),
    InPkts: connections.packetsIn,
    OutPkts: connections.packetsOut,
    InSegs: connections.segmentsIn,
    OutSegs: connections.segmentsOut,
    InBytes: connections.bytesIn,
    OutBytes: connections.bytesOut,
    RetransSegs: connections.timeoutRetransmits + connections.fastRetransmits + early,
    FastRetransSegs: connections.fastRetransmits,
    EarlyRetransSegs: early,
    LostSegs: connections.timeoutRetransmits,
    RepeatSegs: connections.duplicates,
    FECFullShardSet: fec.complete,
    FECRecovered: fec.recovered,
    FECErrs: fec.failures,
    FECParityShards: fec.parityIn,
    FECShardSet: present.fecGroups,
    FECShardMin: 0,
    RingBufferSndQueue: present.sndQueue,
    RingBufferRcvQueue: present.rcvQueue,
    RingBufferSndBuffer: present.inFlight,
    OOBPackets: connections.datagrams.received,
  };
}
