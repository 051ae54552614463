import { assert, assertEquals } from "@std/assert";
import { processTotals, snmp, type Totals } from "../../../mod.ts";
import {
  answerMetrics,
  kcpMetrics,
  METRICS_TYPE,
  metricsText,
} from "../../../examples/kcptun/counters/metrics.ts";
import { snmpHead, snmpRow, snmpView } from "../../../examples/kcptun/counters/snmp.ts";
import { snmpLogFile } from "../../../examples/kcptun/counters/snmp_log.ts";

/** The head of the table that kcp-go 5.6.64 writes. */
const COLUMNS = "BytesSent,BytesReceived,MaxConn,ActiveOpens,PassiveOpens,CurrEstab,InErrs," +
  "InCsumErrors,KCPInErrors,InPkts,OutPkts,InSegs,OutSegs,InBytes,OutBytes,RetransSegs," +
  "FastRetransSegs,EarlyRetransSegs,LostSegs,RepeatSegs,FECFullShards,FECParityShards,FECErrs," +
  "FECRecovered,FECShardSet,FECShardMin,RingBufferSndQueue,RingBufferRcvQueue," +
  "RingBufferSndBuffer,OOBPackets";

/** Totals in which every number is another one. */
function distinct(): { totals: Totals; count: number } {
  let count = 0;
  const fill = (record: object): object =>
    Object.fromEntries(
      Object.entries(record).map((
        [name, value],
      ) => [name, typeof value === "number" ? 1000 + ++count : fill(value)]),
    );
  return { totals: fill(processTotals()) as Totals, count };
}

Deno.test("counters: the table has the columns of kcp-go", () => {
  assertEquals(snmpHead().join(","), `Unix,${COLUMNS}`);
});

Deno.test("counters: each column has the counter of that name", () => {
  const counters = snmp(distinct().totals);
  const date = new Date(1_700_000_000_999);
  const row = snmpRow(date, counters);
  assertEquals(row[0], "1700000000");
  const found = Object.fromEntries(
    snmpHead().slice(1).map((name, i) => [name, Number(row[i + 1])]),
  );
  const { FECFullShards, ...rest } = found;
  assertEquals({ ...rest, FECFullShardSet: FECFullShards }, { ...counters });
  assertEquals(row.length, 31);
});

Deno.test("counters: the view names every counter", () => {
  const view = snmpView({ ...snmp(), MaxConn: 3 });
  assert(/^KCP SNMP:&\{BytesSent:\d+ BytesReceived:\d+ MaxConn:3 (\w+:\d+ ?)+\}$/.test(view), view);
  assertEquals(view.split(" ").length, 31);
  assert(view.includes("FECFullShardSet:"));
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
    metrics.map(({ value }) => value).sort((a, b) => a - b),
    Array.from({ length: count }, (_, i) => 1001 + i),
  );
  assertEquals(new Set(metrics.map(({ name }) => name)).size, count);
  const valueOf = (wanted: string) => metrics.find(({ name }) => name === wanted)?.value;
  assertEquals(valueOf("kcp_connections_bytes_out_total"), totals.connections.bytesOut);
  assertEquals(valueOf("kcp_present_snd_queue"), totals.present.sndQueue);
  assertEquals(valueOf("kcp_open"), totals.open);
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
