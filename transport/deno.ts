/**
 * Connections over UDP on Deno, by `Deno.listenDatagram`.
 *
 * Datagram sockets are an unstable API of Deno. Set `"unstable": ["net"]` in deno.json, or run Deno
 * with `--unstable-net`.
 *
 * @example
 * ```ts
 * import { turbo } from "@lowlatency/kcp";
 * import { connect, listen } from "@lowlatency/kcp/deno";
 *
 * using listener = await listen({ hostname: "127.0.0.1", ...turbo });
 * using client = await connect({ port: listener.addr.port, ...turbo });
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
