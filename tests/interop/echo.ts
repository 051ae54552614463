/**
 * An echo between this library and kcp-go. Either of them is the client.
 *
 * @module
 */
import { assertEquals, AssertionError } from "@std/assert";
import { connect, type Connection, type ConnectOptions, type Listener } from "../../mod.ts";
import { pattern } from "../vectors/pattern.ts";
import { sha256 } from "../vectors/vectors.ts";
import type { PeerDialer, PeerJob, PeerServer } from "./peer.ts";

/** Lengths of writes, from 1 byte to 1 MiB: below, at and above a segment and a window. */
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
 * @returns The SHA-256 of the bytes that came back.
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

/** Writes all bytes, in pieces of the lengths in {@linkcode WRITES}. */
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

/** Reads exactly `size` bytes. */
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
 * Sends `size` bytes back as they arrive, and waits until the peer has acknowledged all.
 *
 * @returns The SHA-256 of the bytes.
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

/** Closes, and waits until the peer has acknowledged everything and the end of the stream. */
export async function finish(conn: Connection): Promise<void> {
  conn.close();
  await conn.closed;
}

/** The result of an exchange. */
export interface Echoed {
  /** Our end, closed. */
  conn: Connection;
  /** Packets that error correction restored, in all sessions of the peer's process. */
  recovered: number;
  /** Bad packets that kcp-go has counted, in all sessions of the peer's process. */
  errors: number;
}

/** A job for a client of ours. */
export interface OurJob {
  server: PeerServer;
  /** The index of a listener of the server. Default: 0. */
  listener?: number;
  /** The port to send to. Default: the port of the listener. */
  port?: number;
  settings: Omit<ConnectOptions, "port">;
  seed: number;
  bytes: number;
  /** ms that a read or a write may take. */
  timeout: number;
}

/** A client of ours sends a pattern, and a server of kcp-go sends it back. */
export async function echoOverServer(job: OurJob): Promise<Echoed> {
  const { server, listener = 0, port = server.ports[listener], settings, seed, timeout } = job;
  await using conn = await connect({ ...settings, hostname: "127.0.0.1", port });
  const hash = await expectEcho(conn, seed, job.bytes, timeout);
  await finish(conn);
  const { bytes, sha256, recovered, errors } = await server.finish(listener, conn.conv);
  assertEquals(
    { bytes, sha256 },
    { bytes: job.bytes, sha256: hash },
    "The bytes that kcp-go received",
  );
  assertClean(conn);
  return { conn, recovered, errors };
}

/** A client of kcp-go sends a pattern, and a listener of ours sends it back. */
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
  return { conn, recovered: report.recovered, errors: report.errors };
}

/** No network makes shards of one group contradict each other: only a forger does. */
export function assertClean(conn: Connection): void {
  assertEquals(conn.stats.fec.failures, 0, "Groups with shards that contradict each other");
}
