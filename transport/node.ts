/**
 * Connections over UDP on Node.js, by `node:dgram`, and options of its sockets.
 *
 * On Node.js and Bun, `listen` and `connect` of `@lowlatency/kcp` open the same sockets. They need
 * Node.js 20.16, 22.3 or later. This entry imports `node:dgram`, so that it runs on earlier ones, but
 * not in bundles for browsers.
 *
 * This entry also runs on Deno, for programs that need `node:dgram` there. It takes 2 to 3 times the
 * processor time of `@lowlatency/kcp/deno`, and about 40 times as much if `receiveBuffer` is set.
 *
 * @example
 * ```ts
 * import { connect, listen } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1" });
 * const client = await connect({ port: listener.addr.port });
 *
 * await client.write(new TextEncoder().encode("hello"));
 * const server = await listener.accept();
 * const buffer = new Uint8Array(1024);
 * const count = await server.read(buffer);
 * console.log(new TextDecoder().decode(buffer.subarray(0, count ?? 0))); // hello
 *
 * server.close();
 * client.close();
 * listener.close();
 * ```
 *
 * @module
 */
export type {
  /** Whether a socket that is wrapped belongs to the application. */
  LentSocketOptions,
} from "./connection/lent_socket.ts";
export {
  /** Opens a UDP socket at an IP address and port. */
  type Bind,
  /** The option that chooses the kind of socket. */
  type BindOptions,
  bun,
  BunSocket,
  type BunUdpHandlers,
  type BunUdpSocket,
  connect,
  ConnectionDuplex,
  /** The listener to connect to, and options of the session. */
  type ConnectOptions,
  type DiagnosticsChannels,
  listen,
  /** The address to listen on, and options of the endpoint and of its sessions. */
  type ListenOptions,
  node,
  type NodeOptions,
  NodeSocket,
  type StreamAddress,
  type StreamConnection,
  toDuplex,
  type ToDuplexOptions,
} from "./node/mod.ts";
