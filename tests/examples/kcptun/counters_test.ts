import { assert, assertEquals } from "@std/assert";
import { processTotals, type Totals } from "../../../mod.ts";
import {
  answerMetrics,
  kcpMetrics,
  METRICS_TYPE,
  metricsText,
} from "../../../examples/kcptun/counters/metrics.ts";
import {
  OpenPeak,
  SNMP_COLUMNS,
  snmpValues,
  snmpView,
} from "../../../examples/kcptun/counters/snmp.ts";
import { snmpLogFile } from "../../../examples/kcptun/counters/snmp_log.ts";

/** The head of the table that kcp-go 5.6.64 writes. */
const COLUMNS = "BytesSent,BytesReceived,MaxConn,ActiveOpens,PassiveOpens,CurrEstab,InErrs," +
  "InCsumErrors,KCPInErrors,InPkts,OutPkts,InSegs,OutSegs,InBytes,OutBytes,RetransSegs," +
  "FastRetransSegs,EarlyRetransSegs,LostSegs,RepeatSegs,FECFullShards,FECParityShards,FECErrs," +
  "FECRecovered,FECShardSet,FECShardMin,RingBufferSndQueue,RingBufferRcvQueue," +
  "RingBufferSndBuffer,OOBPackets";

/** Totals in which every number is another power of two. */
function distinct(): { totals: Totals; count: number } {
  let count = 0;
  const fill = (record: object): object =>
    Object.fromEntries(
      Object.entries(record).map((
        [name, value],
      ) => [name, typeof value === "number" ? 2 ** ++count : fill(value)]),
    );
  return { totals: fill(processTotals()) as Totals, count };
}

Deno.test("counters: the table has the columns of kcp-go", () => {
  assertEquals(SNMP_COLUMNS.join(","), COLUMNS);
  assertEquals(SNMP_COLUMNS.length, 30);
});

Deno.test("counters: each column has the counter of that name", () => {
  const { totals } = distinct();
  const { connections, present, sockets } = totals;
  const row = Object.fromEntries(
    snmpValues(totals, 77).map((value, i) => [SNMP_COLUMNS[i], Number(value)]),
  );
  const { inputErrors: errors } = connections;
  const wrong = errors.short + errors.conv + errors.cmd + errors.length + errors.una +
    errors.ack + errors.piece + sockets.invalid;
  const again = connections.timeoutRetransmits + connections.fastRetransmits +
    connections.earlyRetransmits + connections.tailProbes;
  assertEquals(row, {
    BytesSent: connections.payloadOut,
    BytesReceived: connections.payloadIn,
    MaxConn: 77,
    ActiveOpens: totals.dialled,
    PassiveOpens: totals.accepted,
    CurrEstab: totals.open,
    InErrs: 0,
    InCsumErrors: sockets.forged,
    KCPInErrors: wrong,
    InPkts: connections.packetsIn,
    OutPkts: connections.packetsOut,
    InSegs: connections.segmentsIn,
    OutSegs: connections.segmentsOut,
    InBytes: connections.bytesIn,
    OutBytes: connections.bytesOut,
    RetransSegs: again,
    FastRetransSegs: connections.fastRetransmits,
    EarlyRetransSegs: connections.earlyRetransmits,
    LostSegs: connections.timeoutRetransmits,
    RepeatSegs: connections.duplicates,
    FECFullShards: 0,
    FECParityShards: connections.fec.parityIn,
    FECErrs: connections.fec.failures,
    FECRecovered: connections.fec.recovered,
    FECShardSet: 0,
    FECShardMin: 0,
    RingBufferSndQueue: present.sndQueue,
    RingBufferRcvQueue: present.rcvQueue,
    RingBufferSndBuffer: present.inFlight,
    OOBPackets: connections.datagrams.received,
  });
});

Deno.test("counters: the view names every counter", () => {
  const view = snmpView(distinct().totals, 3);
  assert(/^KCP SNMP:&\{BytesSent:\d+ BytesReceived:\d+ MaxConn:3 (\w+:\d+ ?)+\}$/.test(view), view);
  assertEquals(view.split(" ").length, 31);
  assert(view.includes("FECFullShardSet:"));
});

Deno.test("counters: the most open connections are remembered", () => {
  const peak = new OpenPeak();
  const open = (open: number) => peak.note({ ...processTotals(), open });
  assertEquals([3, 7, 2, 0].map(open), [3, 7, 7, 7]);
});

Deno.test("counters: only the last part of a path is a layout of a time", () => {
  const date = new Date(2024, 1, 3, 4, 5, 6);
  assertEquals(snmpLogFile("./snmp-20060102.log", date), "./snmp-20240203.log");
  assertEquals(
    snmpLogFile("/var/log/2006/snmp-0102-150405", date),
    "/var/log/2006/snmp-0203-040506",
  );
  assertEquals(snmpLogFile("plain.csv", date), "plain.csv");
});

Deno.test("metrics: every number of the totals is there once", () => {
  const { totals, count } = distinct();
  const metrics = kcpMetrics(totals);
  assertEquals(
    metrics.map(({ value }) => Math.log2(value)).sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => i + 1),
  );
  assertEquals(new Set(metrics.map(({ name }) => name)).size, count);
});

Deno.test("metrics: the text is in the format of Prometheus", () => {
  const lines = metricsText([
    ...kcpMetrics(distinct().totals),
    { name: "odd", type: "gauge", help: "a \\ and\na line", value: 1.5 },
  ]).split("\n");
  assertEquals(lines.pop(), "");
  assertEquals(lines.length % 3, 0);
  for (let i = 0; i < lines.length; i += 3) {
    const name = /^# HELP ([a-z_]+) [^\n]+$/.exec(lines[i])?.[1];
    const type = /^# TYPE ([a-z_]+) (counter|gauge)$/.exec(lines[i + 1]);
    const sample = /^([a-z_]+) (\d+(?:\.\d+)?)$/.exec(lines[i + 2]);
    assert(name && type && sample, lines.slice(i, i + 3).join("\n"));
    assertEquals([type[1], sample[1]], [name, name]);
    assertEquals(type[2] === "counter", name.endsWith("_total"), name);
  }
  assertEquals(lines.at(-3), "# HELP odd a \\\\ and\\na line");
});

Deno.test("metrics: only GET and HEAD of /metrics are answered", async () => {
  const ask = (path: string, method = "GET") =>
    answerMetrics(
      new Request(`http://localhost${path}`, { method }),
      () => [{ name: "one", type: "gauge", help: "one", value: 1 }],
    );
  const answer = ask("/metrics?x=1");
  assertEquals(answer.headers.get("content-type"), METRICS_TYPE);
  assertEquals(await answer.text(), "# HELP one one\n# TYPE one gauge\none 1\n");
  assertEquals(await ask("/metrics", "HEAD").text(), "");
  assertEquals(ask("/metrics", "POST").status, 405);
  assertEquals(ask("/").status, 404);
});
