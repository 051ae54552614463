/**
 * Two ends of a mux over a simulated network, for tests of its face.
 *
 * @module
 */
import { assertRejects } from "@std/assert";
import { type Connection, type EndpointOptions, turbo } from "../../../mod.ts";
import type { LinkOptions } from "../../../transport/link/mod.ts";
import { Mux, MuxError, type MuxOptions, type MuxStream } from "../../../transport/mux.ts";
import { concat } from "./harness.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";

/** The addresses of the two ends. */
export const SERVER = "10.0.0.1";
export const CLIENT = "10.0.0.2";

/** What a test gets. */
export interface Ends {
  readonly client: Mux;
  readonly server: Mux;
  readonly network: SimulatedNetwork;
  /** The connections below. */
  readonly below: { readonly client: Connection; readonly server: Connection };
}

/** What a test may choose. */
export interface PairOptions extends MuxOptions {
  readonly kcp?: EndpointOptions;
  readonly link?: LinkOptions;
  /** Settings of the server, if they are others than those of the client. */
  readonly server?: MuxOptions;
}

/** Runs `body` with both ends of a mux, 40 ms apart, on a network of its own. */
export async function withMuxes(
  body: (ends: Ends) => Promise<void>,
  options: PairOptions = {},
): Promise<void> {
  const { kcp = {}, link = { latency: 20 }, server: other, ...mux } = options;
  const network = new SimulatedNetwork({ seed: "mux", link });
  const at = { hostname: SERVER, port: 80 } as const;
  const listener = network.listen({ ...at, ...turbo, ...kcp });
  await network.run(async () => {
    const clientConn = network.connect({ ...at, ...turbo, localHostname: CLIENT, ...kcp });
    const client = new Mux(clientConn, { ...mux, client: true });
    const serverConn = await listener.accept();
    const server = new Mux(serverConn, { ...mux, ...other, client: false });
    await network.delay(200);
    await body({ client, server, network, below: { client: clientConn, server: serverConn } });
    client.abort();
    server.abort();
    await Promise.allSettled([clientConn.closed, serverConn.closed]);
    listener.close();
    await listener.closed;
  }, 600_000);
}

/** Both ends of a new stream that the client opens. */
export async function streamOf(
  { client, server }: Ends,
): Promise<[client: MuxStream, server: MuxStream]> {
  return [await client.createBidirectionalStream(), await server.accept()];
}

/** The error with which an operation is rejected. */
export function errorOf(promise: Promise<unknown>): Promise<MuxError> {
  return assertRejects(() => promise, MuxError);
}

/** Reads a stream to its end. */
export async function readAll(stream: MuxStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of stream.readable) parts.push(chunk);
  return concat(parts);
}
