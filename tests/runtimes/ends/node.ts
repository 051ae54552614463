/**
 * The suite on Node.js and Bun, by `node:dgram`.
 *
 * @module
 */
import { connect, listen } from "../../../transport/node.ts";
import { socketFace } from "./socket_face.ts";

export { runChecks, suite } from "../suite/mod.ts";

/** The face of the sockets of `node:dgram`. */
export function face() {
  return socketFace("node", { listen, connect });
}
