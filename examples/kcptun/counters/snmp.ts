/**
 * The counters of kcp-go, as kcptun shows them.
 *
 * @module
 */
import { type Snmp, snmp } from "@lowlatency/kcp";

/** The columns of the table that are not in the order of the counters. One has another name there. */
const FEC_COLUMNS: readonly (readonly [string, keyof Snmp])[] = [
  ["FECFullShards", "FECFullShardSet"],
  ["FECParityShards", "FECParityShards"],
  ["FECErrs", "FECErrs"],
  ["FECRecovered", "FECRecovered"],
  ["FECShardSet", "FECShardSet"],
  ["FECShardMin", "FECShardMin"],
];

/** The names of the columns and of their counters. */
function columns(counters: Snmp): (readonly [string, keyof Snmp])[] {
  const names = Object.keys(counters) as (keyof Snmp)[];
  const first = names.findIndex((name) => name.startsWith("FEC"));
  const others = names.filter((name) => !name.startsWith("FEC")).map((name) =>
    [name, name] as const
  );
  return [...others.slice(0, first), ...FEC_COLUMNS, ...others.slice(first)];
}

/** The head of the table: the time, and the names of the counters. */
export function snmpHead(): string[] {
  return ["Unix", ...columns(snmp()).map(([column]) => column)];
}

/** A row of the table. */
export function snmpRow(date: Date, counters: Snmp): string[] {
  const seconds = Math.floor(date.getTime() / 1000);
  return [seconds, ...columns(counters).map(([, name]) => counters[name])].map(String);
}

/** All counters in one line, as kcptun logs them on SIGUSR1. */
export function snmpView(counters: Snmp): string {
  const fields = Object.entries(counters).map(([name, value]) => `${name}:${value}`);
  return `KCP SNMP:&{${fields.join(" ")}}`;
}
