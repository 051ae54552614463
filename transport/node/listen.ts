/**
 * `listen` and `connect` on Node.js, which import its modules.
 *
 * @module
 */
import * as dgram from "node:dgram";
import * as diagnosticsChannel from "node:diagnostics_channel";
import { lookup } from "node:dns/promises";
import * as os from "node:os";
import type { Connection } from "../connection/connection.ts";
import type { DatagramSocket } from "../connection/driver.ts";
import type { Listener } from "../connection/listener.ts";
import {
  type Bind,
  type ConnectOptions,
  connectUdp,
  type ListenOptions,
  listenUdp,
} from "../connection/udp.ts";
import { openBunSocket } from "./bun_socket.ts";
import { bunRuntime } from "./bun_udp.ts";
import { publishDiagnostics } from "./diagnostics.ts";
import { checkBuffers, type NodeOptions } from "./node_options.ts";
import { openDefaultSocket } from "./default_socket.ts";
import { openNodeSocket, type SocketModules } from "./open_socket.ts";
import { withSystemZone } from "./zone.ts";

export type { Bind, BindOptions, ConnectOptions, ListenOptions } from "../connection/udp.ts";

const MODULES: SocketModules = { dgram, os, diagnosticsChannel };

/**
 * Returns a function that opens sockets of `node:dgram`, for the `bind` option of `listen` and
 * `connect`. On Node.js, they open such sockets without it, with the default options.
 *
 * @param options Options of the sockets.
 * @throws {RangeError} When an option is out of its range.
 *
 * @example
 * ```ts
 * import { listen, node } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", bind: node({ receiveBuffer: 1 << 20 }) });
 * listener.close();
 * ```
 */
export function node(options: NodeOptions = {}): Bind {
  checkBuffers(options);
  return (hostname, port) => openNodeSocket(MODULES, hostname, port, options);
}

/**
 * Returns a function that opens UDP sockets of Bun, for the `bind` option of `listen` and `connect`.
 * On Bun, they open such sockets without it, with the default options.
 *
 * @param options Options of the sockets. The sizes of the buffers can be set on Linux and macOS.
 * @throws {RangeError} When an option is out of its range.
 * @throws {Error} When the runtime is not Bun, or a version of Bun without such sockets.
 *
 * @example
 * ```ts
 * import { bun, listen } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", bind: bun({ receiveBuffer: 1 << 20 }) });
 * listener.close();
 * ```
 */
export function bun(options: NodeOptions = {}): Bind {
  checkBuffers(options);
  if (!bunRuntime()) {
    throw new Error("Cannot open sockets of Bun: this runtime has none; use node() instead");
  }
  publishDiagnostics(diagnosticsChannel);
  return (hostname, port) => openBunSocket(withSystemZone(hostname, os), port, options);
}

function openOwn(hostname: string, port: number): Promise<DatagramSocket> {
  return openDefaultSocket(MODULES, hostname, port);
}

/**
 * Listens for connections on a UDP port.
 *
 * @throws {Error} When the address can't be bound.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listen } from "@lowlatency/kcp/node";
 *
 * const listener = await listen({ hostname: "127.0.0.1", port: 4000 });
 * for await (const conn of listener) {
 *   conn.readable.pipeTo(conn.writable).catch((error) => console.error(error.message));
 * }
 * ```
 */
export function listen(options: ListenOptions = {}): Promise<Listener> {
  publishDiagnostics(diagnosticsChannel);
  return listenUdp(options, openOwn, lookUp);
}

/**
 * Opens a connection to a listener.
 *
 * KCP has no handshake. The promise resolves when the socket is open. The listener accepts the
 * connection when the first written bytes arrive.
 *
 * @throws {Error} When the name can't be resolved, or the local address can't be bound.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { connect } from "@lowlatency/kcp/node";
 *
 * const conn = await connect({ hostname: "127.0.0.1", port: 4000, timeout: 3000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * conn.close();
 * ```
 */
export function connect(options: ConnectOptions): Promise<Connection> {
  publishDiagnostics(diagnosticsChannel);
  return connectUdp(options, openOwn, lookUp);
}

async function lookUp(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}
