import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, listen, node, NodeSocket } from "../../../transport/node.ts";
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

Deno.test("node:dgram: buffers have the sizes of the options, and can change", async () => {
  const bind = node({ receiveBuffer: 65_536, sendBuffer: 32_768 });
  const listener = await listen({ hostname: "127.0.0.1", bind });
  const { socket } = listener;
  assert(socket instanceof NodeSocket);
  // Linux tells twice the size (socket(7)).
  const factor = Deno.build.os === "linux" ? 2 : 1;
  assertEquals(socket.settings.receiveBuffer, factor * 65_536);
  socket.configure({ sendBuffer: 16_384 });
  socket.configure({ receiveBuffer: 100_000 });
  assertEquals(socket.settings, { receiveBuffer: factor * 100_000, sendBuffer: factor * 16_384 });
  for (const wrong of [{ receiveBuffer: 1 }, { sendBuffer: 1.5 }, { sendBuffer: 2 ** 31 }]) {
    assertThrows(() => node(wrong), RangeError, "Cannot set");
    assertThrows(() => socket.configure(wrong), RangeError, "Cannot set");
  }
  listener.close();
  await listener.closed;
  assertThrows(() => socket.settings, Error, "is closed");
  assertThrows(() => socket.configure({}), Error, "is closed");
});

Deno.test("node:dgram: on Deno the receive buffer keeps its size: each packet takes so much memory", async () => {
  const listener = await listen({ hostname: "127.0.0.1" });
  const { socket } = listener;
  assert(socket instanceof NodeSocket);
  assert(socket.settings.receiveBuffer < 1 << 20, String(socket.settings.receiveBuffer));
  assert(socket.settings.sendBuffer > 1 << 16, String(socket.settings.sendBuffer));
  listener.close();
  await listener.closed;
});
