/**
 * The suite on Node.js and Bun: by `node:dgram`, and by the sockets of Bun.
 *
 * @module
 */
import { connect, listen } from "../../../transport/node.ts";
import { socketFace } from "./socket_face.ts";

export { runChecks, suite } from "../suite/mod.ts";

/** The face of the sockets that the runtime has. */
export function face() {
  return socketFace("Bun" in globalThis ? "bun" : "node", { listen, connect });
}
