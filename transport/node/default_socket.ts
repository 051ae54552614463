import type { DatagramSocket } from "../connection/driver.ts";
import { openBunSocket } from "./bun_socket.ts";
import { bunRuntime } from "./bun_udp.ts";
import { publishDiagnostics } from "./diagnostics.ts";
import { openNodeSocket, type SocketModules } from "./open_socket.ts";
import { withSystemZone } from "./zone.ts";

/**
 * Opens a UDP socket at an IP address and port: a socket of Bun on Bun, else one of `node:dgram`.
 *
 * @throws {Error} When the address can't be bound.
 */
export async function openDefaultSocket(
  modules: SocketModules,
  hostname: string,
  port: number,
): Promise<DatagramSocket> {
  if (!bunRuntime()) return await openNodeSocket(modules, hostname, port);
  const { diagnosticsChannel, os } = modules;
  if (diagnosticsChannel) publishDiagnostics(diagnosticsChannel);
  return await openBunSocket(withSystemZone(hostname, os), port);
}
