import { assertEquals, assertRejects } from "@std/assert";
import { connect, listen } from "../../../transport/node.ts";
import { turbo } from "../../../mod.ts";
import { pattern } from "../../kcp/harness.ts";
import { readAll, writeAll } from "../harness.ts";

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test({
    name: `node:dgram on ${hostname}: a stream is echoed to its end, and no resource stays open`,
    sanitizeOps: true,
    sanitizeResources: true,
    async fn() {
      const listener = await listen({ hostname, ...turbo });
      const sent = pattern(100_000);
      const echoing = (async () => {
        const server = await listener.accept();
        await server.readable.pipeTo(server.writable);
        server.close();
      })();
      {
        await using client = await connect({ hostname, port: listener.addr.port, ...turbo });
        assertEquals(client.remoteAddr, listener.addr);
        const reading = readAll(client);
        await writeAll(client, sent);
        await client.closeWrite();
        assertEquals(await reading, sent);
      }
      await echoing;
      listener.close();
      await listener.closed;
    },
  });
}

Deno.test("node:dgram: an invalid option or a port in use is refused", async () => {
  await assertRejects(() => connect({ port: 0 }), RangeError, "0");
  await assertRejects(() => listen({ hostname: "127.0.0.1", mtu: 1 }), RangeError, "mtu");
  const listener = await listen({ hostname: "127.0.0.1" });
  const { port } = listener.addr;
  await assertRejects(() => listen({ hostname: "127.0.0.1", port }), Error, "EADDRINUSE");
  listener.close();
  await listener.closed;
});
