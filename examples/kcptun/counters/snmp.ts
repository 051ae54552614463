/**
 * The counters of the library under the names that kcp-go has for them.
 *
 * @module
 */
import type { Totals } from "@lowlatency/kcp";

/** What a counter of kcp-go is here. */
interface Counter {
  /** Its name in the head of the table. */
  readonly column: string;
  /** Its name in the view, if that is another one. */
  readonly field?: string;
  value(totals: Totals, maxConn: number): number;
}

/**
 * The counters, in the order of the table. Those that only describe the inner state of kcp-go are
 * 0. `LostSegs` counts timeouts, as it does there.
 */
const COUNTERS: readonly Counter[] = [
  { column: "BytesSent", value: ({ connections }) => connections.payloadOut },
  { column: "BytesReceived", value: ({ connections }) => connections.payloadIn },
  { column: "MaxConn", value: (_totals, maxConn) => maxConn },
  { column: "ActiveOpens", value: ({ dialled }) => dialled },
  { column: "PassiveOpens", value: ({ accepted }) => accepted },
  { column: "CurrEstab", value: ({ open }) => open },
  { column: "InErrs", value: () => 0 },
  { column: "InCsumErrors", value: ({ sockets }) => sockets.forged },
  {
    column: "KCPInErrors",
    value: ({ connections, sockets }) =>
      sockets.invalid + Object.values(connections.inputErrors).reduce((sum, n) => sum + n, 0),
  },
  { column: "InPkts", value: ({ connections }) => connections.packetsIn },
  { column: "OutPkts", value: ({ connections }) => connections.packetsOut },
  { column: "InSegs", value: ({ connections }) => connections.segmentsIn },
  { column: "OutSegs", value: ({ connections }) => connections.segmentsOut },
  { column: "InBytes", value: ({ connections }) => connections.bytesIn },
  { column: "OutBytes", value: ({ connections }) => connections.bytesOut },
  {
    column: "RetransSegs",
    value: ({ connections }) =>
      connections.timeoutRetransmits + connections.fastRetransmits +
      connections.earlyRetransmits + connections.tailProbes,
  },
  { column: "FastRetransSegs", value: ({ connections }) => connections.fastRetransmits },
  { column: "EarlyRetransSegs", value: ({ connections }) => connections.earlyRetransmits },
  { column: "LostSegs", value: ({ connections }) => connections.timeoutRetransmits },
  { column: "RepeatSegs", value: ({ connections }) => connections.duplicates },
  { column: "FECFullShards", field: "FECFullShardSet", value: () => 0 },
  { column: "FECParityShards", value: ({ connections }) => connections.fec.parityIn },
  { column: "FECErrs", value: ({ connections }) => connections.fec.failures },
  { column: "FECRecovered", value: ({ connections }) => connections.fec.recovered },
  { column: "FECShardSet", value: () => 0 },
  { column: "FECShardMin", value: () => 0 },
  { column: "RingBufferSndQueue", value: ({ present }) => present.sndQueue },
  { column: "RingBufferRcvQueue", value: ({ present }) => present.rcvQueue },
  { column: "RingBufferSndBuffer", value: ({ present }) => present.inFlight },
  { column: "OOBPackets", value: ({ connections }) => connections.datagrams.received },
];

/** The names of the columns, after that of the time. */
export const SNMP_COLUMNS: readonly string[] = COUNTERS.map(({ column }) => column);

/** The counters as text, in the order of the columns. */
export function snmpValues(totals: Totals, maxConn: number): string[] {
  return COUNTERS.map(({ value }) => String(value(totals, maxConn)));
}

/** All counters in one line, as kcptun logs them on SIGUSR1. */
export function snmpView(totals: Totals, maxConn: number): string {
  const fields = COUNTERS.map(({ column, field = column, value }) =>
    `${field}:${value(totals, maxConn)}`
  );
  return `KCP SNMP:&{${fields.join(" ")}}`;
}

/** Remembers the most connections that were open at the same time: kcp-go's `MaxConn`. */
export class OpenPeak {
  #most = 0;

  /** Takes a snapshot into account. Returns the most that any of them had open. */
  note({ open }: Totals): number {
    return this.#most = Math.max(this.#most, open);
  }
}
