/**
 * Connections over UDP on Node.js, by `node:dgram`, and options of its sockets.
 *
 * On Node.js and Bun, `listen` and `connect` of `@lowlatency/kcp` open the same sockets. They need
 * Node.js 20.16, 22.3 or later. This entry imports `node:dgram`, so that it runs on earlier ones, but
 * not in bundles for browsers.
 *
 * This entry also runs on Deno, but there the adapter of `@lowlatency/kcp/deno` is several times
 * faster.
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
export type { LentSocketOptions } from "./connection/lent_socket.ts";
export {
  type Bind,
  type BindOptions,
  connect,
  ConnectionDuplex,
  type ConnectOptions,
  type DiagnosticsChannels,
  listen,
  type ListenOptions,
  node,
  type NodeOptions,
  NodeSocket,
  type StreamAddress,
  type StreamConnection,
  toDuplex,
  type ToDuplexOptions,
} from "./node/mod.ts";
