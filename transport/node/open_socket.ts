import type * as dgram from "node:dgram";
import type * as diagnosticsChannel from "node:diagnostics_channel";
import { isIpv6 } from "../session/address.ts";
import { publishDiagnostics } from "./diagnostics.ts";
import { BUFFER_SIZE, type NodeOptions } from "./node_options.ts";
import { NodeSocket } from "./node_socket.ts";
import { type HostNetworks, withSystemZone } from "./zone.ts";

/** The modules of Node.js that open a socket. */
export interface SocketModules {
  /** The module `node:dgram`. */
  readonly dgram: Pick<typeof dgram, "createSocket">;
  /** The module `node:diagnostics_channel`; undefined where the runtime has none. */
  readonly diagnosticsChannel?: typeof diagnosticsChannel;
  /** The module `node:os`. */
  readonly os: HostNetworks;
}

/**
 * Opens a UDP socket at an IP address and port.
 *
 * @throws {Error} When the address can't be bound.
 */
export async function openNodeSocket(
  { dgram, diagnosticsChannel, os }: SocketModules,
  host: string,
  port: number,
  options: NodeOptions = {},
): Promise<NodeSocket> {
  // Deno takes memory of the size that is set for each packet that it receives.
  const { receiveBuffer = isDeno() ? undefined : BUFFER_SIZE, sendBuffer = BUFFER_SIZE } = options;
  if (diagnosticsChannel) publishDiagnostics(diagnosticsChannel);
  const hostname = withSystemZone(host, os);
  const family = isIpv6(hostname) ? 6 : 4;
  const socket = dgram.createSocket({
    type: `udp${family}`,
    // Every hostname is an IP address. Node.js would look it up for each packet, and send it later.
    lookup: (address, _options, done) => done(null, address, family),
    recvBufferSize: receiveBuffer,
    sendBufferSize: sendBuffer,
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, hostname, () => {
      socket.off("error", reject);
      resolve();
    });
  });
  return new NodeSocket(socket);
}

function isDeno(): boolean {
  const { process } = globalThis as { process?: { versions?: { deno?: string } } };
  return process?.versions?.deno !== undefined;
}
