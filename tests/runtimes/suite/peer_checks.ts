/**
 * Connections to another process, which runs on Deno.
 *
 * @module
 */
import { createCipher } from "../../../crypt/mod.ts";
import type { Connection, EndpointOptions } from "../../../transport/mod.ts";
import { pattern } from "../../vectors/pattern.ts";
import { sha256 } from "../../vectors/bytes.ts";
import { readAll, readExactly } from "./ends.ts";
import { assertBytes, assertSame, type Check } from "./harness.ts";
import { DIGESTS, SIZE } from "./stream_checks.ts";

/** The row of what the other process sees when this one ends. */
export const END_ROW = "end of the process";

/** Options of the connections to the other process, at both ends. */
export function peerOptions(): EndpointOptions {
  return {
    crypt: createCipher("aes-256-gcm", pattern(60, 32)),
    fec: { dataShards: 10, parityShards: 3 },
  };
}

/**
 * Leaves a connection open when the process ends.
 *
 * @param conn A connection to the listener that waits for the ends of processes.
 * @param name The name under which it waits for this one.
 */
export async function leave(conn: Connection, name: string): Promise<void> {
  await conn.sendMessage(new TextEncoder().encode(name));
  await conn.drained();
  conn.unref();
}

/** Checks against another process. */
export const peerChecks: readonly Check[] = [
  {
    row: "4 MiB to Deno and back",
    name: "aes-256-gcm and error correction 10/3",
    needsPeer: true,
    run: async ({ dial }) => {
      const conn = await dial!("echo", peerOptions());
      const start = pattern(61, 5000);
      await conn.writeAll(start);
      assertBytes(await readExactly(conn, start.length), start, "The first echo");
      const [bytes] = await Promise.all([
        readAll(conn),
        conn.writeAll(pattern(1, SIZE)).then(() => conn.closeWrite()),
      ]);
      assertSame(await sha256(bytes), DIGESTS[1], "The SHA-256 of what came back");
      conn.close();
      await conn.closed;
    },
  },
];
