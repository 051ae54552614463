/**
 * A server that sends back every byte that it receives, on every connection. Ctrl+C waits until the
 * clients have ended; a second one does not wait.
 *
 * Start it, then start echo_client.ts in another terminal. The default port is 4000:
 *
 *     deno run --unstable-net --allow-net examples/echo_server.ts [port]
 *
 * @module
 */
import { listen } from "@lowlatency/kcp";

const listener = await listen({ port: Number(Deno.args[0] ?? 4000) });
console.log(`listening on UDP port ${listener.addr.port}`);

let closing = false;
Deno.addSignalListener("SIGINT", async () => {
  if (closing) Deno.exit(1);
  closing = true;
  console.log("waiting for up to 10 s until the clients have ended");
  listener.close({ connections: "wait", timeout: 10_000 });
  await listener.closed;
  Deno.exit();
});

for await (const conn of listener) {
  const { hostname, port } = conn.remoteAddr;
  console.log(`${hostname}:${port} connected`);
  conn.readable.pipeTo(conn.writable).then(
    () => console.log(`${hostname}:${port} has ended`),
    (error) => console.log(`${hostname}:${port} failed: ${error.message}`),
  ).finally(() => conn.close());
}
