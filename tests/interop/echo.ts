/**
 * Bytes that go there and back between one end of ours and one of kcp-go, whichever dials.
 *
 * @module
 */
import { assertEquals, AssertionError } from "@std/assert";
import { connect, type Connection, type ConnectOptions, type Listener } from "../../mod.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import type { PeerDialer, PeerJob, PeerServer } from "./peer.ts";

/** Lengths of writes, from one byte to 1 MiB: below, at and above a segment and a window. */
export const WRITES: readonly number[] = [
  1,
  1000,
  2 ** 20,
  17,
  1376,
  1377,
  2 ** 16,
  3,
  300_000,
  1,
  1,
  10_000,
];

/**
 * Sends a pattern and expects it back.
 *
 * @returns The SHA-256 of what came back.
 */
export async function expectEcho(
  conn: Connection,
  seed: number,
  size: number,
  timeout: number,
): Promise<string> {
  const bytes = pattern(seed, size);
  const [received] = await Promise.all([
    readAll(conn, size, timeout),
    writeAll(conn, bytes, timeout),
  ]);
  const [expected, actual] = await Promise.all([sha256(bytes), sha256(received)]);
  if (actual !== expected) {
    const at = received.findIndex((byte, i) => byte !== bytes[i]);
    throw new AssertionError(`The bytes that came back differ from byte ${at} of ${size} on`);
  }
  return actual;
}

/** Writes all bytes, in pieces of all lengths. */
export async function writeAll(
  conn: Connection,
  bytes: Uint8Array,
  timeout: number,
): Promise<void> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + WRITES[i % WRITES.length]);
    while (at < end) at += await conn.write(bytes.subarray(at, end), { timeout });
  }
}

/** Reads exactly so many bytes. */
export async function readAll(
  conn: Connection,
  size: number,
  timeout: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const count = await conn.read(bytes.subarray(at), { timeout });
    if (count === null) throw new AssertionError(`The stream ended after ${at} of ${size} bytes`);
    at += count;
  }
  return bytes;
}

/**
 * Sends back so many bytes, as they come, and waits until all have arrived.
 *
 * @returns The SHA-256 of what came.
 */
export async function echo(conn: Connection, size: number, timeout: number): Promise<string> {
  const bytes = new Uint8Array(size + 1);
  for (let at = 0; at < size;) {
    const count = await conn.read(bytes.subarray(at), { timeout });
    if (count === null) throw new AssertionError(`The stream ended after ${at} of ${size} bytes`);
    for (const end = at + count; at < end;) {
      at += await conn.write(bytes.subarray(at, end), { timeout });
    }
    if (at > size) throw new AssertionError(`More than the ${size} bytes came that were sent`);
  }
  await conn.drained({ timeout });
  return await sha256(bytes.slice(0, size));
}

/** Closes in order, which needs the peer to acknowledge everything, the end of the stream included. */
export async function finish(conn: Connection): Promise<void> {
  conn.close();
  await conn.closed;
}

/** How an exchange went. */
export interface Echoed {
  /** Our end of it, closed. */
  conn: Connection;
  /** Packets that the peer's process restored by error correction so far. */
  recovered: number;
}

/** What a client of ours does. */
export interface OurJob {
  server: PeerServer;
  /** Which listener of it, the first unless given. */
  listener?: number;
  /** Where to send to, the listener unless given. */
  port?: number;
  settings: Omit<ConnectOptions, "port">;
  seed: number;
  bytes: number;
  /** In ms. */
  timeout: number;
}

/** A client of ours sends a pattern to a server of kcp-go, which sends it back. */
export async function echoOverServer(job: OurJob): Promise<Echoed> {
  const { server, listener = 0, port = server.ports[listener], settings, seed, timeout } = job;
  await using conn = await connect({ ...settings, hostname: "127.0.0.1", port });
  const hash = await expectEcho(conn, seed, job.bytes, timeout);
  await finish(conn);
  const { bytes, sha256, recovered } = await server.finish(listener, conn.conv);
  assertEquals({ bytes, sha256 }, { bytes: job.bytes, sha256: hash }, "What kcp-go has read");
  assertClean(conn);
  return { conn, recovered };
}

/** A client of kcp-go sends a pattern to a listener of ours, and what is accepted there sends it back. */
export async function echoOverListener(
  dialer: PeerDialer,
  listener: Listener,
  job: PeerJob & { timeout: number },
): Promise<Echoed> {
  const served = async () => {
    const conn = await listener.accept();
    const hash = await echo(conn, job.bytes, job.timeout);
    await finish(conn);
    return { conn, hash };
  };
  const [report, { conn, hash }] = await Promise.all([
    dialer.run({ writes: WRITES, ...job }),
    served(),
  ]);
  await report.close();
  const [client] = report.clients;
  const { conv } = conn;
  assertEquals({ conv, sha256: hash }, { conv: client.conv, sha256: client.sha256 });
  assertClean(conn);
  return { conn, recovered: report.recovered };
}

/** Shards that contradict each other come from nobody but a forger, whatever the network does. */
export function assertClean(conn: Connection): void {
  assertEquals(conn.stats.fec.failures, 0, "Groups with shards that contradict each other");
}
