/**
 * Opens a listener and a connection in a process with given permissions, sends a word through them,
 * and prints their kinds. With
 * the argument `revoke`, it gives up its permissions in between. `permissions_test.ts` runs it.
 *
 * @module
 */
import { connect, listen } from "../../mod.ts";

await using listener = await listen({ hostname: "127.0.0.1" });
await using client = await connect({ port: listener.addr.port });
if (Deno.args.includes("revoke")) {
  // Deno checks each packet on sockets of its own, so they need the net.
  const names = listener.adapter === "linux" ? ["ffi", "net"] as const : ["ffi"] as const;
  for (const name of names) await Deno.permissions.revoke({ name });
}
await client.write(new TextEncoder().encode("hello"));
const server = await listener.accept();
const buffer = new Uint8Array(99);
const count = await server.read(buffer, { timeout: 5000 });
const text = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
console.log(text, listener.adapter, server.adapter, client.adapter);
client.abort();
server.abort();
