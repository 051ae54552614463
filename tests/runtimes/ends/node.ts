/**
 * The suite on Node.js and Bun: by `node:dgram`, and by the sockets of Bun.
 *
 * @module
 */
import { connect, listen, node } from "../../../transport/node.ts";
import { type PeerPorts, socketFace } from "./socket_face.ts";

export { leave, peerOptions, runChecks, suite } from "../suite/mod.ts";

/** What the runtime's own sockets are. */
const OWN = "Bun" in globalThis ? "bun" : "node";

/** The face of the runtime's own sockets, or of those of `node:dgram`. */
export function face(adapter: string, ports: PeerPorts) {
  const own = { listen, connect };
  const dgram = {
    listen: (options: Parameters<typeof listen>[0]) => listen({ ...options, bind: node() }),
    connect: (options: Parameters<typeof connect>[0]) => connect({ ...options, bind: node() }),
  };
  return socketFace(adapter, OWN, adapter === OWN ? own : dgram, ports);
}
