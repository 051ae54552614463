/**
 * `listen` and `connect` on any runtime.
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
import { checkSockets, openOwnSocket } from "./own_socket.ts";

export type { Bind, BindOptions, ConnectOptions, ListenOptions } from "../connection/udp.ts";

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the runtime has no UDP sockets and the options have no `bind`, or the address
 * can't be bound. On Deno, the system's error has a class, such as `Deno.errors.AddrInUse`; on Node.js
 * and Bun a `code`, such as `EADDRINUSE`.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp";
 *
 * const listener = await listen({ hostname: "127.0.0.1", port: 4000 });
 * for await (const conn of listener) {
 *   conn.readable.pipeTo(conn.writable).catch((error) => console.error(error.message));
 * }
 * ```
 */
export async function listen(options: ListenOptions = {}): Promise<Listener> {
  if (!options.bind) checkSockets("listen");
  return await listenUdp(options, openOwnSocket, lookUp);
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake. The promise resolves when the socket is open. The listener accepts the
 * connection when the first written bytes arrive. With `timeout` or `signal`, the promise resolves
 * when the listener has answered.
 *
 * @throws {ConnectionError} With `timeout` or `signal`: of kind `timeout` when nobody has answered in
 * time, of kind `reset` when the listener accepts no connections any more.
 * @throws {Error} When the runtime has no UDP sockets and the options have no `bind`, the name can't
 * be resolved, or the local address can't be bound. On Deno, the system's error has a class, such as
 * `Deno.errors.AddrInUse`; on Node.js and Bun a `code`, such as `EADDRINUSE`.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp";
 *
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * conn.close();
 * ```
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  if (!options.bind && !options.via) checkSockets("connect");
  return await connectUdp(options, openOwnSocket, lookUp);
}
