/**
 * Messages and datagrams of connections.
 *
 * @module
 */
import { pattern } from "../../vectors/pattern.ts";
import { withEnds } from "./ends.ts";
import { assertBytes, assertSame, type Check } from "./harness.ts";

/** How often a datagram is sent until it has arrived. The network may lose it. */
const ATTEMPTS = 20;

/** Checks of messages and datagrams. */
export const messageChecks: readonly Check[] = [
  {
    row: "messages",
    name: "they keep their boundaries, the largest too",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        const lengths = [1, 1376, 1377, 10_000, client.maxMessageSize, 3];
        const sending = (async () => {
          for (const length of lengths) await client.sendMessage(pattern(length, length));
          await client.closeWrite();
        })();
        for (const length of lengths) {
          const message = await server.receiveMessage();
          assertBytes(message!, pattern(length, length), `A message of ${length} bytes`);
        }
        assertSame(await server.receiveMessage(), null, "What follows the last message");
        await sending;
      }),
  },
  {
    row: "datagrams",
    name: "they arrive whole, both ways, the largest and the empty one too",
    run: (face) =>
      withEnds(face, async ({ client, server }) => {
        for (const [from, to] of [[client, server], [server, client]] as const) {
          for (const length of [0, 1, 500, from.maxDatagramSize]) {
            const sent = pattern(length, length);
            let got: Uint8Array | null = null;
            for (let i = 0; i < ATTEMPTS && got === null; i++) {
              from.sendDatagram(sent);
              got = await to.receiveDatagram({ timeout: 300 }).catch(() => null);
            }
            assertBytes(got ?? new Uint8Array([0, 0]), sent, `A datagram of ${length} bytes`);
            // Copies that were late.
            while (to.tryReceiveDatagram()) { /* Dropped. */ }
          }
        }
      }),
  },
];
