import type { Totals } from "@lowlatency/kcp";
import { formatTime, localTime } from "./go_time.ts";
import { SNMP_COLUMNS, snmpValues } from "./snmp.ts";

/** The file of a path whose last part is a time layout of Go. Folders stay as they are. */
export function snmpLogFile(path: string, date: Date): string {
  const at = path.lastIndexOf("/") + 1;
  return path.slice(0, at) + formatTime(path.slice(at), localTime(date));
}

/**
 * Appends a row of counters to a table (CSV). A new or empty file gets a head first.
 *
 * @param path The path, with a time layout of Go in its last part.
 * @throws {Error} When the file can't be written.
 */
export async function appendSnmpRow(
  path: string,
  date: Date,
  totals: Totals,
  maxConn: number,
): Promise<void> {
  using file = await Deno.open(snmpLogFile(path, date), { append: true, create: true });
  const { size } = await file.stat();
  const head = size === 0 ? `${["Unix", ...SNMP_COLUMNS].join(",")}\n` : "";
  const seconds = String(Math.floor(date.getTime() / 1000));
  const text = `${head}${[seconds, ...snmpValues(totals, maxConn)].join(",")}\n`;
  // One write, so that rows of several programs do not mix.
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
