/**
 * Connections over UDP sockets of `node:dgram`, and streams of `node:stream` over connections.
 *
 * @module
 */
export { BunSocket } from "./bun_socket.ts";
export type { BunUdpHandlers, BunUdpSocket } from "./bun_udp.ts";
export type { DiagnosticsChannels } from "./diagnostics.ts";
export { ConnectionDuplex, toDuplex, type ToDuplexOptions } from "./duplex.ts";
export {
  type Bind,
  type BindOptions,
  bun,
  connect,
  type ConnectOptions,
  listen,
  type ListenOptions,
  node,
} from "./listen.ts";
export type { NodeOptions } from "./node_options.ts";
export { NodeSocket } from "./node_socket.ts";
export type { StreamAddress, StreamConnection } from "./stream_connection.ts";
