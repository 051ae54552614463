import type { Snmp } from "@lowlatency/kcp";
import { formatTime, localTime } from "./go_time.ts";
import { snmpHead, snmpRow } from "./snmp.ts";

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
  counters: Snmp,
): Promise<void> {
  using file = await Deno.open(snmpLogFile(path, date), { append: true, create: true });
  const { size } = await file.stat();
  const head = size === 0 ? `${snmpHead().join(",")}\n` : "";
  const text = `${head}${snmpRow(date, counters).join(",")}\n`;
  // One write, so that rows of several programs do not mix.
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
