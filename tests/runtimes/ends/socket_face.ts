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

/** The ports of the listeners of another process. */
export interface PeerPorts {
  readonly echo: number;
  readonly end: number;
}

const HOSTNAME = "127.0.0.1";

/**
 * The face of an entry.
 *
 * @param adapter The kind of its sockets.
 * @param rootAdapter The kind of those that the root entry finds.
 */
export function socketFace(
  adapter: string,
  rootAdapter: string,
  { listen, connect }: SocketEntry,
  ports: PeerPorts,
): Face {
  return {
    adapter,
    rootAdapter,
    kernels: "compiled",
    dial: (name, options) => connect({ ...options, hostname: HOSTNAME, port: ports[name] }),
    listen: (options) => listen({ ...options, hostname: HOSTNAME }),
    connect: ({ addr: { port } }, options) => connect({ ...options, hostname: HOSTNAME, port }),
  };
}
