/**
 * Sends back what it gets, on every connection.
 *
 *     deno run --unstable-net --allow-net examples/echo_server.ts [port]
 *
 * @module
 */
import { listen, turbo } from "../mod.ts";

const listener = await listen({ port: Number(Deno.args[0] ?? 4000), ...turbo });
console.log(`listening on UDP port ${listener.addr.port}`);

for await (const conn of listener) {
  const { hostname, port } = conn.remoteAddr;
  console.log(`${hostname}:${port} connected`);
  conn.readable.pipeTo(conn.writable).then(
    () => console.log(`${hostname}:${port} is done`),
    (error) => console.log(`${hostname}:${port} is gone: ${error.message}`),
  ).finally(() => conn.close());
}
