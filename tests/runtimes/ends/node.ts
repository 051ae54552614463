/**
 * The suite on Node.js and Bun, by `node:dgram`.
 *
 * @module
 */
import { connect, listen } from "../../../transport/node.ts";
import { type PeerPorts, socketFace } from "./socket_face.ts";

export { leave, peerOptions, runChecks, suite } from "../suite/mod.ts";

/** The face of the sockets of `node:dgram`. */
export function face(_adapter: string, ports: PeerPorts) {
  return socketFace("node", { listen, connect }, ports);
}
