import { assertEquals } from "@std/assert";
import { diagnostics, setDiagnostics } from "../../../transport/connection/diagnostics.ts";
import { publishDiagnostics, publishSocketError } from "../../../transport/node/diagnostics.ts";
import type { NodeSocket } from "../../../transport/node.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { turbo } from "../../../mod.ts";

/** Stands in for node:diagnostics_channel, and notes what is published. */
function fakeChannels(hasSubscribers: boolean) {
  const published: [string, Record<string, unknown>][] = [];
  const channel = (name: string | symbol) => ({
    name,
    hasSubscribers,
    publish: (message: unknown) => published.push([`${String(name)}`, message as never]),
  });
  return { published, channel: channel as never };
}

/** Runs connections of which one moves, one is accepted, and all end. */
async function exercise(): Promise<void> {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 5 } });
  const listener = network.listen({ hostname: "10.0.0.1", port: 80, migrate: true, ...turbo });
  await network.run(async () => {
    const client = network.connect({ hostname: "10.0.0.1", port: 80, ...turbo });
    await client.write(new Uint8Array([1]));
    const server = await listener.accept();
    await client.drained();
    const moved = new Promise<void>((resolve) => {
      server.onMigrate = () => resolve();
    });
    const { hostname, port } = client.localAddr;
    network.rebind(`${hostname}:${port}`, "10.9.9.9:7000");
    await client.write(new Uint8Array([2]));
    await moved;
    client.close();
    server.close();
    await Promise.all([client.closed, server.closed]);
    listener.close();
    await listener.closed;
  });
}

for (const subscribed of [true, false]) {
  Deno.test(`diagnostics: ${subscribed ? "all channels" : "nothing without a subscriber"}`, async () => {
    setDiagnostics(null);
    const { published, channel } = fakeChannels(subscribed);
    publishDiagnostics({ channel });
    publishDiagnostics({ channel: fakeChannels(true).channel });
    try {
      await exercise();
      publishSocketError({} as NodeSocket, new Error("The network is down"));
    } finally {
      setDiagnostics(null);
    }
    const names = published.map(([name]) => name.slice("kcp:".length));
    const all = [
      "listener:open",
      "connection:open",
      "connection:open",
      "connection:migrate",
      "connection:close",
      "connection:close",
      "listener:close",
      "socket:error",
    ];
    assertEquals(names, subscribed ? all : []);
  });
}

Deno.test("diagnostics: nobody is told before a runtime asks for it", async () => {
  assertEquals(diagnostics, null);
  await exercise();
});
