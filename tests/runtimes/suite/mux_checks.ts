/**
 * Many streams over one connection.
 *
 * @module
 */
import { Mux } from "../../../transport/mux.ts";
import { pattern } from "../../vectors/pattern.ts";
import { type Ends, readAll, withEnds } from "./ends.ts";
import type { Face } from "./face.ts";
import { assertBytes, assertSame, type Check, errorOf } from "./harness.ts";

/** Runs `body` with two muxes over the ends of a connection. */
function withMuxes(
  face: Face,
  version: 1 | 2,
  body: (client: Mux, server: Mux) => Promise<void>,
): Promise<void> {
  return withEnds(face, async ({ client, server }: Ends) => {
    const ours = new Mux(client, { client: true, version });
    const theirs = new Mux(server, { client: false, version });
    await body(ours, theirs);
    ours.close();
    await Promise.allSettled([ours.closed, theirs.closed]);
  });
}

/** Sends back what the streams of a mux bring. */
async function serve(mux: Mux): Promise<void> {
  for await (const stream of mux) {
    stream.readable.pipeTo(stream.writable).catch(() => {});
  }
}

const echoes = (version: 1 | 2): Check => ({
  row: "mux",
  name: `smux version ${version}: 30 streams at once, each with a half-close`,
  run: (face) =>
    withMuxes(face, version, async (client, server) => {
      serve(server).catch(() => {});
      await Promise.all(Array.from({ length: 30 }, async (_, i) => {
        const stream = await client.createBidirectionalStream();
        const sent = pattern(i, 1 + 3000 * i);
        const [bytes] = await Promise.all([
          readAll(stream),
          stream.writeAll(sent).then(() => stream.closeWrite()),
        ]);
        assertBytes(bytes, sent, `The echo of stream ${i}`);
      }));
      assertSame(client.stats.streams, 0, "Streams that are left");
    }),
});

/** Checks of streams over one connection. */
export const muxChecks: readonly Check[] = [
  echoes(2),
  // smux ends both directions of a stream of version 1 only when both sides have closed.
  echoes(1),
  {
    row: "mux",
    name: "datagrams, and the code of a close",
    run: (face) =>
      withMuxes(face, 2, async (client, server) => {
        await client.sendDatagram(pattern(9, 200));
        assertBytes(await server.readDatagram({ timeout: 10_000 }), pattern(9, 200), "A datagram");
        const ended = errorOf(server.accept(), "accept");
        client.close({ closeCode: 7, reason: "done" });
        await ended;
        const { closeCode, reason } = await server.closed;
        assertSame([closeCode, reason], [7, "done"], "What the other side was told");
      }),
  },
];
