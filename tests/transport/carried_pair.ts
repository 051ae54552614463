/**
 * Both ends of a connection over a carrier that a test plays, such as a session of WebTransport.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Connection, Listener } from "../../mod.ts";
import { pattern } from "../kcp/harness.ts";

/** The two ends, and the listener that has accepted one of them. */
export interface CarriedPair {
  readonly listener: Listener;
  readonly client: Connection;
  readonly server: Connection;
}

/** Sends bytes from one end, and reads them at the other. */
export async function carry(from: Connection, to: Connection, size: number): Promise<void> {
  const sent = pattern(size);
  const write = from.writeAll(sent);
  const got = new Uint8Array(size);
  for (let at = 0; at < size;) at += (await to.read(got.subarray(at)))!;
  await write;
  assertEquals(got, sent);
}

/** Ends both connections, and waits for the listener. */
export function end({ client, server, listener }: CarriedPair): Promise<void> {
  client.abort();
  server.abort();
  listener.close({ timeWait: 0 });
  return listener.closed;
}

/** What a promise rejects with; null if it resolves. */
export function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => null, (error) => error);
}
