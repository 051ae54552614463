/**
 * Two ends of a connection over the sockets of a runtime.
 *
 * @module
 */
import type { Connection, EndpointOptions, Listener } from "../../../transport/mod.ts";
import { joined } from "../../vectors/bytes.ts";
import type { Face } from "./face.ts";
import { assertSame } from "./harness.ts";

/** The two ends of one connection. */
export interface Ends {
  readonly client: Connection;
  readonly server: Connection;
  readonly listener: Listener;
}

/**
 * Runs `body` with two ends that know each other, and closes all.
 *
 * @param options Options of both ends.
 */
export async function withEnds(
  face: Face,
  body: (ends: Ends) => Promise<void>,
  options: EndpointOptions = {},
): Promise<void> {
  const listener = await face.listen(options);
  try {
    const client = await face.connect(listener, options);
    assertSame(client.adapter, face.adapter, "The adapter of the client");
    assertSame(listener.adapter, face.adapter, "The adapter of the listener");
    await client.open({ timeout: 10_000 });
    const server = await listener.accept({ timeout: 10_000 });
    try {
      await body({ client, server, listener });
    } finally {
      client.abort();
      server.abort();
      await Promise.allSettled([client.closed, server.closed]);
    }
  } finally {
    listener.close({ connections: "abort" });
    await listener.closed;
  }
}

/** Reads exactly `length` bytes. */
export async function readExactly(
  conn: Pick<Connection, "read">,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const count = await conn.read(bytes.subarray(done));
    if (count === null) throw new Error(`The stream ended after ${done} of ${length} bytes`);
    done += count;
  }
  return bytes;
}

/** Reads to the end of the stream. */
export async function readAll(conn: Pick<Connection, "read">): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for (const buffer = new Uint8Array(65_536);;) {
    const count = await conn.read(buffer);
    if (count === null) return joined(pieces);
    pieces.push(buffer.slice(0, count));
  }
}
