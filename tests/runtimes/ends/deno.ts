/**
 * The suite on Deno.
 *
 * @module
 */
import { connect, deno, listen } from "../../../transport/deno.ts";
import { linux } from "../../../transport/linux.ts";
import type { Bind } from "../../../transport/deno.ts";
import { type PeerPorts, socketFace } from "./socket_face.ts";

const BINDS: Readonly<Record<string, Bind>> = { deno: deno(), linux: linux() };

export { leave, peerOptions, runChecks, suite } from "../suite/mod.ts";

/** The face of the sockets of an adapter. */
export function face(adapter: string, ports: PeerPorts) {
  const bind = BINDS[adapter];
  return socketFace(adapter, adapter, {
    listen: (options) => listen({ ...options, bind }),
    connect: (options) => connect({ ...options, bind }),
  }, ports);
}
