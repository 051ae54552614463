/**
 * How connections end, and how operations on them do.
 *
 * @module
 */
import { createCipher } from "../../../crypt/mod.ts";
import type { ConnectionError } from "../../../transport/mod.ts";
import { pattern } from "../../vectors/pattern.ts";
import { readAll, readExactly, withEnds } from "./ends.ts";
import { assert, assertBytes, assertSame, type Check, errorOf } from "./harness.ts";

/** The kind of a {@linkcode ConnectionError}, or the whole of another error. */
async function kindOf(promise: Promise<unknown>, what: string): Promise<string> {
  const error = await errorOf(promise, what);
  return "kind" in error ? String(error.kind) : `${error.name}: ${error.message}`;
}

/** Checks of ends and deadlines. */
export const endChecks: readonly Check[] = [
  {
    row: "close",
    name: "what was written before is delivered",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const sent = pattern(11, 500_000);
        await client.writeAll(sent);
        client.close();
        const [bytes] = await Promise.all([
          readAll(server).then((bytes) => (server.close(), bytes)),
          client.closed,
        ]);
        assertBytes(bytes, sent, "What was written before the close");
        await server.closed;
        assertSame(await kindOf(client.write(sent), "A write after close"), "closed", "Its kind");
      }),
  },
  {
    row: "close",
    name: "a closed listener keeps its connections, and refuses new ones",
    run: (face) =>
      withEnds(face, async ({ client, server, listener }) => {
        listener.close();
        assertSame(await kindOf(listener.accept(), "accept"), "closed", "Its kind");
        await client.writeAll(pattern(12, 1000));
        assertBytes(await readExactly(server, 1000), pattern(12, 1000), "The bytes");
        const late = await face.connect(listener);
        const refused = await errorOf(late.open({ timeout: 5000 }), "open") as ConnectionError;
        assertSame([refused.kind, refused.code], ["reset", "ECONNREFUSED"], "The late dial");
      }),
  },
  {
    row: "abort",
    name: "the peer gets the reason and the code",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const reading = errorOf(server.read(new Uint8Array(1)), "A read") as Promise<
          ConnectionError
        >;
        client.abort("no more", 42);
        const { kind, reason, closeCode } = await reading;
        assertSame([kind, reason, closeCode], ["reset", "no more", 42], "The error of the peer");
        assertSame(await kindOf(server.closed, "closed of the peer"), "reset", "Its kind");
        assertSame(await kindOf(client.closed, "closed of this end"), "closed", "Its kind");
      }),
  },
  {
    row: "deadlines",
    name: "a read ends after its timeout, and the connection goes on",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const start = performance.now();
        const buffer = new Uint8Array(10);
        assertSame(
          await kindOf(client.read(buffer, { timeout: 50 }), "A read"),
          "timeout",
          "Its kind",
        );
        const took = performance.now() - start;
        assert(took >= 49 && took < 5000, `A read with a timeout of 50 ms took ${took} ms`);
        await server.writeAll(new Uint8Array([1, 2, 3]));
        assertSame(await client.read(buffer, { timeout: 10_000 }), 3, "What a later read got");
      }),
  },
  {
    row: "deadlines",
    name: "a signal ends a read and a wait for connections",
    run: (face) =>
      withEnds(face, async ({ client, listener }) => {
        const controller = new AbortController();
        const { signal } = controller;
        const reading = errorOf(client.read(new Uint8Array(1), { signal }), "A read");
        setTimeout(() => controller.abort(new Error("enough")), 20);
        assertSame((await reading).message, "enough", "The reason");
        const late = listener.accept({ signal: AbortSignal.timeout(20) });
        assertSame((await errorOf(late, "accept")).name, "TimeoutError", "The name");
      }),
  },
  {
    row: "deadlines",
    name: "nobody answers a connection with another key",
    run: async (face) => {
      const crypt = (seed: number) => createCipher("aes-256-gcm", pattern(seed, 32));
      const listener = await face.listen({ crypt: crypt(1) });
      const conn = await face.connect(listener, { crypt: crypt(2) });
      assertSame(await kindOf(conn.open({ timeout: 200 }), "open"), "timeout", "Its kind");
      conn.abort();
      await conn.closed.catch(() => {});
      const { forged, accepted } = listener.stats;
      assert(forged > 0, "No packet counts as forged");
      assertSame(accepted, 0, "Connections that were accepted");
      listener.close();
      await listener.closed;
    },
  },
];
