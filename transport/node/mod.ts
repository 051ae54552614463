/**
 * Connections over UDP sockets of `node:dgram`.
 *
 * @module
 */
export {
  type Bind,
  type BindOptions,
  connect,
  type ConnectOptions,
  listen,
  type ListenOptions,
  node,
} from "./listen.ts";
export type { NodeOptions } from "./node_options.ts";
export { NodeSocket } from "./node_socket.ts";
