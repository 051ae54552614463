/**
 * Connections over UDP on Deno. For tests of an application on real sockets, {@linkcode startProxy}
 * puts a bad network between two ends.
 *
 * On Linux, a program that has `--allow-ffi` and `--allow-net`, both without limits, gets the sockets
 * of `@lowlatency/kcp/linux`. All others get those of `Deno.listenDatagram`, and {@linkcode deno}
 * chooses these everywhere. They are an unstable API of Deno. Set `"unstable": ["net"]` in
 * deno.json, or run Deno with `--unstable-net`.
 *
 * @example
 * ```ts
 * import { connect, listen } from "@lowlatency/kcp/deno";
 *
 * using listener = await listen({ hostname: "127.0.0.1" });
 * using client = await connect({ port: listener.addr.port });
 *
 * await client.write(new TextEncoder().encode("hello"));
 * using server = await listener.accept();
 * const buffer = new Uint8Array(1024);
 * const count = await server.read(buffer);
 * console.log(new TextDecoder().decode(buffer.subarray(0, count ?? 0))); // hello
 * ```
 *
 * @module
 */
export type { DenoAddress, DenoDatagramConn } from "./connection/deno_datagram_conn.ts";
export type { LentSocketOptions } from "./connection/lent_socket.ts";
export type {
  /** Opens a UDP socket at an IP address and port. */
  Bind,
  /** The option that chooses the kind of socket. */
  BindOptions,
  /** The listener to connect to, and options of the session. */
  ConnectOptions,
  /** The address to listen on, and options of the endpoint and of its sessions. */
  ListenOptions,
} from "./connection/udp.ts";
export type {
  /** The UDP address of a connection or listener. */
  UdpAddress,
} from "./connection/udp_address.ts";
export { connect, deno, DenoSocket, listen } from "./deno/mod.ts";
export type { LinkControl } from "./link/link_control.ts";
export type { BurstLoss, LinkOptions, Reorder, ResolvedLinkOptions } from "./link/link_options.ts";
export type { LinkStats } from "./link/link_stats.ts";
export { type LossyProxy, type ProxyOptions, type ProxyStats, startProxy } from "./link/proxy.ts";
