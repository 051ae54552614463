/**
 * `listen` and `connect` on Deno.
 *
 * @module
 */
import { lookUp } from "../connection/builtin_modules.ts";
import type { Connection } from "../connection/connection.ts";
import type { Listener } from "../connection/listener.ts";
import {
  type ConnectOptions,
  connectUdp,
  type ListenOptions,
  listenUdp,
} from "../connection/udp.ts";
import { bindOwn, checkOwnSockets } from "./own_socket.ts";

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the runtime is not Deno, or has no UDP sockets, and the options have no `bind`, or the address
 * can't be bound. The system's error has the class that Deno gives it, such as
 * `Deno.errors.AddrInUse`.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp/deno";
 *
 * const listener = await listen({ hostname: "127.0.0.1", port: 4000 });
 * for await (const conn of listener) {
 *   conn.readable.pipeTo(conn.writable).catch((error) => console.error(error.message));
 * }
 * ```
 */
export async function listen(options: ListenOptions = {}): Promise<Listener> {
  if (!options.bind) checkOwnSockets("listen");
  return await listenUdp(options, bindOwn, lookUp);
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake. The promise resolves when the socket is open. The listener accepts the
 * connection when the first written bytes arrive.
 *
 * @throws {Error} When the runtime is not Deno, or has no UDP sockets, and the options have no `bind`, the name can't
 * be resolved, or the local address can't be bound. The system's error has the class that Deno
 * gives it, such as `Deno.errors.AddrInUse`.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp/deno";
 *
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * conn.close();
 * ```
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  if (!options.bind && !options.via) checkOwnSockets("connect");
  return await connectUdp(options, bindOwn, lookUp);
}
