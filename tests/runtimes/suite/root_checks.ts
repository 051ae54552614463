/**
 * The root entry, which finds the sockets of a runtime by itself.
 *
 * @module
 */
import { connect, listen } from "../../../mod.ts";
import { pattern } from "../../vectors/pattern.ts";
import { readExactly } from "./ends.ts";
import { assert, assertBytes, assertSame, type Check, errorOf } from "./harness.ts";

const HOSTNAME = "127.0.0.1";

/** Checks of the root entry. */
export const rootChecks: readonly Check[] = [
  {
    row: "sockets of the root entry",
    name: "it finds those of the runtime, or says which entry to import",
    run: async ({ rootAdapter }) => {
      if (rootAdapter === null) {
        for (const open of [() => listen(), () => connect({ port: 4000 })]) {
          const { message } = await errorOf(open(), "A call of the root entry");
          assert(message.includes("@lowlatency/kcp/transport"), `The message is: ${message}`);
        }
        return "none";
      }
      const listener = await listen({ hostname: HOSTNAME });
      const client = await connect({ hostname: HOSTNAME, port: listener.addr.port });
      assertSame([listener.adapter, client.adapter], [rootAdapter, rootAdapter], "The adapters");
      await client.writeAll(pattern(50, 3000));
      const server = await listener.accept({ timeout: 10_000 });
      assertBytes(await readExactly(server, 3000), pattern(50, 3000), "What arrived");
      listener.close({ connections: "abort" });
      await listener.closed;
      client.abort();
      await client.closed.catch(() => {});
      return rootAdapter;
    },
  },
];
