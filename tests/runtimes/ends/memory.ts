/**
 * The suite where there are no UDP sockets: its connections run over sockets in memory, and over
 * WebTransport to another process, where there is that.
 *
 * @module
 */
import { connectOn, listenOn, SystemClock, systemEntropy } from "../../../transport/mod.ts";
import { connect } from "../../../transport/webtransport.ts";
import { MemoryNetwork } from "../suite/memory_network.ts";
import type { Face } from "../suite/mod.ts";

export { useKernels } from "../../../transport/kernels.ts";
export { runChecks, suite } from "../suite/mod.ts";

/** A WebTransport server that sends back what it gets. */
export interface EchoServer {
  readonly url: string;
  /** SHA-256 of its certificate. */
  readonly hash: readonly number[];
}

/** The face of sockets in memory. */
export function face(kernels: Face["kernels"], server: EchoServer | null = null): Face {
  const network = new MemoryNetwork();
  return {
    adapter: "memory",
    rootAdapter: null,
    kernels,
    dial: server && ((_name, options) => {
      const value = new Uint8Array(server.hash);
      const webTransport = { serverCertificateHashes: [{ algorithm: "sha-256", value }] };
      return connect(server.url, { ...options, webTransport, timeout: 10_000 });
    }),
    listen: async (options) =>
      await listenOn(network.bind(), new SystemClock(), { entropy: systemEntropy, ...options }),
    connect: async (listener, options) => {
      const [conv] = crypto.getRandomValues(new Uint32Array(1));
      const settings = { entropy: systemEntropy, ...options };
      const { hostname, port } = listener.addr;
      const peer = `${hostname}:${port}`;
      return await connectOn(network.bind(), new SystemClock(), peer, conv, settings);
    },
  };
}
