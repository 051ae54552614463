/**
 * Connections over UDP on Deno, by `Deno.listenDatagram`. For tests of an application on real
 * sockets, {@linkcode startProxy} puts a bad network between two ends.
 *
 * Deno counts datagram sockets as unstable: `"unstable": ["net"]` in deno.json, or `--unstable-net`.
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
export type { LinkControl } from "./link/link_control.ts";
export type { BurstLoss, LinkOptions, Reorder, ResolvedLinkOptions } from "./link/link_options.ts";
export type { LinkStats } from "./link/link_stats.ts";
export { type LossyProxy, type ProxyOptions, type ProxyStats, startProxy } from "./link/proxy.ts";
