/**
 * Connections over UDP on Deno, by `Deno.listenDatagram`.
 *
 * Deno counts datagram sockets as unstable: `"unstable": ["net"]` in deno.json, or
 * `--unstable-net`.
 *
 * @module
 */
export {
  type Bind,
  type BindOptions,
  connect,
  type ConnectOptions,
  DenoSocket,
  listen,
  type ListenOptions,
} from "./connection/deno.ts";
export * from "./link/proxy.ts";
