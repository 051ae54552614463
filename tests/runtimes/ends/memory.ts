/**
 * The suite where there are no UDP sockets: its connections run over sockets in memory.
 *
 * @module
 */
import { connectOn, listenOn, SystemClock, systemEntropy } from "../../../transport/mod.ts";
import { MemoryNetwork } from "../suite/memory_network.ts";
import type { Face } from "../suite/mod.ts";

export { useKernels } from "../../../transport/kernels.ts";
export { runChecks, suite } from "../suite/mod.ts";

/** The face of sockets in memory. */
export function face(kernels: Face["kernels"]): Face {
  const network = new MemoryNetwork();
  return {
    adapter: "memory",
    rootAdapter: null,
    kernels,
    dial: null,
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
