/**
 * What both ends of a connection do in the tests: each sends bytes, and reads those of the other. It
 * runs in pages, too.
 *
 * @module
 */
import type { Connection } from "../../../transport/mod.ts";

/** What one end has seen. */
export interface Seen {
  /** SHA-256 of the bytes that this end has sent, and of those that it has read, as hex. */
  readonly sent: string;
  readonly read: string;
  /** Bytes that it has read. */
  readonly bytes: number;
  /** How long (ms) it took until the end of the stream was read. */
  readonly ms: number;
  /** The largest packet at the end, and how many packets parity has restored. */
  readonly pathMtu: number;
  readonly recovered: number;
  /** Segments that were lost of those that this end has sent, and the round trip (ms) at the end. */
  readonly lost: number;
  readonly srtt: number;
}

/** Sends `size` random bytes, and reads those of the other end to the end of its stream. */
export async function exchange(conn: Connection, size: number): Promise<Seen> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  }
  const begin = performance.now();
  const writing = conn.writeAll(bytes).then(() => conn.closeWrite());
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of conn.readable) chunks.push(chunk);
  const ms = performance.now() - begin;
  await writing;
  const got = new Uint8Array(await new Blob(chunks).arrayBuffer());
  await conn.closed;
  const { pathMtu, fec, lost, srtt } = conn.stats;
  const { length } = got;
  return {
    sent: await sha256(bytes),
    read: await sha256(got),
    bytes: length,
    ms,
    pathMtu,
    recovered: fec.recovered,
    lost,
    srtt,
  };
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
