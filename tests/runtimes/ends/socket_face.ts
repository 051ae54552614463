/**
 * Faces of runtimes that have UDP sockets.
 *
 * @module
 */
import type { ConnectOptions, ListenOptions } from "../../../transport/node.ts";
import type { Connection, Listener } from "../../../transport/mod.ts";
import type { Face } from "../suite/mod.ts";

/** `listen` and `connect` of an entry. */
export interface SocketEntry {
  listen(options: ListenOptions): Promise<Listener>;
  connect(options: ConnectOptions): Promise<Connection>;
}

const HOSTNAME = "127.0.0.1";

/** The face of an entry. */
export function socketFace(adapter: string, { listen, connect }: SocketEntry): Face {
  return {
    adapter,
    rootAdapter: adapter,
    kernels: "compiled",
    listen: (options) => listen({ ...options, hostname: HOSTNAME }),
    connect: ({ addr: { port } }, options) => connect({ ...options, hostname: HOSTNAME, port }),
  };
}
