/**
 * Connections over UDP on Node.js, by `node:dgram`.
 *
 * It runs on Deno too, where the adapter of `./deno` is several times faster.
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
  NodeSocket,
} from "./connection/node.ts";
