/**
 * Two ends of a connection on a simulated network, for tests of the connection.
 *
 * @module
 */
import { assertRejects } from "@std/assert";
import { type Connection, ConnectionError, type EndpointOptions, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { readExactly } from "../harness.ts";

/** The addresses of the two ends. */
export const SERVER = "10.0.0.1";
export const CLIENT = "10.0.0.2";

/** Runs `body` with two ends that know each other, 40 ms apart, on a network of its own. */
export async function withPair(
  body: (client: Connection, server: Connection, network: SimulatedNetwork) => Promise<void>,
  options: EndpointOptions = {},
  link: LinkOptions = { latency: 20 },
): Promise<void> {
  const network = new SimulatedNetwork({ seed: "pair", link });
  const at = { hostname: SERVER, port: 80 } as const;
  const listener = network.listen({ ...at, ...turbo, ...options });
  await network.run(async () => {
    const client = network.connect({
      ...at,
      ...turbo,
      localHostname: CLIENT,
      localPort: 5000,
      ...options,
    });
    await client.write(new Uint8Array([1]));
    const server = await listener.accept();
    await readExactly(server, 1);
    await network.delay(200);
    await body(client, server, network);
    client.abort();
    server.abort();
    await Promise.allSettled([client.closed, server.closed]);
    listener.close();
    await listener.closed;
  }, Infinity);
}

/** The error with which an operation is rejected. */
export function errorOf(promise: Promise<unknown>): Promise<ConnectionError> {
  return assertRejects(() => promise, ConnectionError);
}
