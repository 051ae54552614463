/**
 * The bytes of connections: they arrive whole and in order, both ways, and no faster than they are
 * read.
 *
 * @module
 */
import { createCipher } from "../../../crypt/mod.ts";
import type { Connection } from "../../../transport/mod.ts";
import { pattern } from "../../vectors/pattern.ts";
import { sha256 } from "../../vectors/bytes.ts";
import { readAll, readExactly, withEnds } from "./ends.ts";
import { assert, assertBytes, assertSame, type Check } from "./harness.ts";

/** 4 MiB. */
export const SIZE = 4 << 20;
/** The SHA-256 of so many bytes of the pattern with a seed, which another program told. */
export const DIGESTS = {
  1: "59916d1d9dcdd3cc738649f3bdbe4e3f1619aaf0ed443bb0645fc54787470bc2",
  2: "ceba713960d326bcb81e1a5bfb7b0dbb2fb6fca3f8959540a84feb3a90b9a239",
} as const;

/** Sends one pattern, and checks the one that arrives. */
async function exchange(conn: Connection, sends: 1 | 2, takes: 1 | 2): Promise<void> {
  const [bytes] = await Promise.all([
    readAll(conn),
    conn.writeAll(pattern(sends, SIZE)).then(() => conn.closeWrite()),
  ]);
  assertSame(bytes.length, SIZE, "The number of bytes that arrived");
  assertSame(await sha256(bytes), DIGESTS[takes], "The SHA-256 of what arrived");
}

/** More than all windows and queues of both ends can hold. */
const TOO_MUCH = 4 << 20;

/** Writes a pattern until nothing more is taken, and returns the number of bytes. */
async function fill(conn: Connection): Promise<number> {
  const bytes = pattern(3, TOO_MUCH);
  for (let written = 0; written < TOO_MUCH;) {
    const next = bytes.subarray(written);
    const count = await conn.write(next, { timeout: 300 }).catch((error) => {
      if (error.kind === "timeout") return 0;
      throw error;
    });
    // On a busy machine, a queue that is not full may stand still for so long.
    const more = count > 0 ? count : conn.tryWrite(next);
    if (more === 0) return written;
    written += more;
  }
  throw new Error(`${TOO_MUCH} bytes were taken, and nobody has read`);
}

/** Checks of the bytes of a connection. */
export const streamChecks: readonly Check[] = [
  {
    row: "echo",
    name: "the bytes come back, and the statistics count them",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        for (const length of [1, 100, 1400, 20_000]) {
          const sent = pattern(length, length);
          await client.writeAll(sent);
          await server.writeAll(await readExactly(server, length));
          assertBytes(await readExactly(client, length), sent, `An echo of ${length} bytes`);
        }
        assert(client.rtt >= 0 && client.rtt < 10_000, `The round trip is ${client.rtt} ms`);
        assertSame(client.stats.payloadIn, 21_501, "Bytes that the client has received");
      }),
  },
  {
    row: "echo",
    name: "Web Streams: the readable is piped to the writable",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const sent = pattern(7, 200_000);
        const writer = client.writable.getWriter();
        const back = new Response(client.readable).arrayBuffer();
        const piped = server.readable.pipeTo(server.writable);
        await writer.write(sent);
        await writer.close();
        assertBytes(new Uint8Array(await back), sent, "What came back");
        await piped;
      }),
  },
  {
    row: "echo",
    name: "20 connections to one listener at once",
    run: async (face) => {
      const listener = await face.listen();
      const serving = (async () => {
        for await (const conn of listener) {
          conn.readable.pipeTo(conn.writable).catch(() => {});
        }
      })();
      await Promise.all(Array.from({ length: 20 }, async (_, i) => {
        const conn = await face.connect(listener);
        const sent = pattern(i, 5000);
        await conn.writeAll(sent);
        await conn.closeWrite();
        assertBytes(await readAll(conn), sent, `The echo of connection ${i}`);
        conn.close();
        await conn.closed;
      }));
      assertSame(listener.stats.accepted, 20, "Connections that were accepted");
      listener.close({ connections: "abort" });
      await listener.closed;
      await serving;
    },
  },
  {
    row: "4 MiB both ways at once, SHA-256",
    name: "plain",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        await Promise.all([exchange(client, 1, 2), exchange(server, 2, 1)]);
        await Promise.all([client.closed, server.closed]);
      }),
  },
  {
    row: "4 MiB both ways at once, SHA-256",
    name: "chacha20-poly1305 and error correction 10/3",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        await Promise.all([exchange(client, 1, 2), exchange(server, 2, 1)]);
        const { fec } = server.stats;
        assertSame(fec.peerRatio, { dataShards: 10, parityShards: 3 }, "The ratio of the peer");
      }, {
        crypt: createCipher("chacha20-poly1305", pattern(8, 32)),
        fec: { dataShards: 10, parityShards: 3 },
      }),
  },
  {
    row: "half-close",
    name: "the server reads to the end, then answers; both ends have closed then",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const request = pattern(4, 30_000), answer = pattern(5, 40_000);
        await client.writeAll(request);
        await client.closeWrite();
        assertBytes(await readAll(server), request, "The request");
        assertSame(client.state, "open", "The state of the client after closeWrite");
        await server.writeAll(answer);
        await server.closeWrite();
        assertBytes(await readAll(client), answer, "The answer");
        await Promise.all([client.closed, server.closed]);
        assertSame([client.state, server.state], ["closed", "closed"], "The states at the end");
      }),
  },
  {
    row: "backpressure",
    name: "writes wait when nobody reads, and go on when somebody does",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const written = await fill(client);
        assert(written > 100_000, `Only ${written} bytes were taken`);
        const writable = new Promise<void>((resolve) => client.onWritable = resolve);
        const bytes = await readExactly(server, written);
        assertBytes(bytes, pattern(3, written), "What was written");
        await writable;
        assert(client.tryWrite(new Uint8Array(10)) > 0, "Nothing is taken after all was read");
      }, { sndWnd: 64, rcvWnd: 64 }),
  },
];
