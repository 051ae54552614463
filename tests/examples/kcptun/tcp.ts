/**
 * TCP connections on the loopback, at both ends of a tunnel, and settings for it.
 *
 * @module
 */
import { assertEquals, AssertionError } from "@std/assert";
import { parseCommandLine } from "../../../examples/kcptun/settings/command_line.ts";
import { resolveSettings } from "../../../examples/kcptun/settings/resolve.ts";
import type { SettingsOf, Side } from "../../../examples/kcptun/settings/settings.ts";
import { pattern } from "../../vectors/pattern.ts";
import { sha256 } from "../../vectors/vectors.ts";

/** The settings of a command line. */
export function settingsOf<S extends Side>(
  side: S,
  args: readonly string[],
): Readonly<SettingsOf<S>> {
  return resolveSettings(side, parseCommandLine(side, args), {
    env: () => undefined,
    readFile: (path) => Deno.readTextFileSync(path),
  }).settings;
}

/** A TCP port that nobody uses. */
export function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A TCP server on the loopback that a test plays. */
export class Target implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;
  readonly #open = new Set<Deno.TcpConn>();
  /** How many connections came. */
  accepted = 0;

  /** @param serve Is called with each connection, which is closed when it is done. */
  constructor(serve: (conn: Deno.TcpConn) => Promise<void>) {
    this.#serving = (async () => {
      for await (const conn of this.#listener) {
        this.accepted++;
        this.#open.add(conn);
        serve(conn).catch(() => {}).finally(() => {
          this.#open.delete(conn);
          closeConn(conn);
        });
      }
    })();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#open.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#open) closeConn(conn);
    await this.#serving.catch(() => {});
  }
}

/** Closes a connection, unless it is closed. */
export function closeConn(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed.
  }
}

/** Sends back what it receives. */
export async function echo(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    await writeAll(conn, buffer.subarray(0, count));
  }
  await conn.closeWrite();
}

export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Reads a number of bytes. */
export async function readExactly(conn: Deno.Conn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) throw new AssertionError(`The end came after ${at} of ${length} bytes`);
    at += count;
  }
  return bytes;
}

/** Reads up to the end. */
export async function readToEnd(conn: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer)) !== null;) pieces.push(buffer.slice(0, count));
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** Connects to a TCP port of the loopback. */
export function dial(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** Sends bytes through a tunnel to an echo, in pieces, and compares what comes back. */
export async function exchange(port: number, seed: number, length: number): Promise<void> {
  const data = pattern(seed, length);
  // Half of it can be compressed.
  data.fill(seed, 0, length >> 1);
  using conn = await dial(port);
  const writing = (async () => {
    for (let at = 0; at < length; at += 10_000) {
      await writeAll(conn, data.subarray(at, at + 10_000));
    }
  })();
  assertEquals(await sha256((await readExactly(conn, length)).slice()), await sha256(data));
  await writing;
}
