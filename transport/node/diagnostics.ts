/**
 * Channels of `node:diagnostics_channel`.
 *
 * @module
 */
import type * as diagnosticsChannel from "node:diagnostics_channel";
import type { Connection } from "../connection/connection.ts";
import { diagnostics, setDiagnostics } from "../connection/diagnostics.ts";
import type { Listener } from "../connection/listener.ts";
import type { UdpAddress } from "../connection/udp_address.ts";
import type { ConnectionError } from "../session/errors.ts";
import type { BunSocket } from "./bun_socket.ts";
import type { NodeSocket } from "./node_socket.ts";

/**
 * The channels of `node:diagnostics_channel` on which this module publishes, with their messages.
 *
 * On Node.js and Bun, all connections and listeners of the process publish once a socket of `listen`
 * or `connect` was opened; on other runtimes, once `listen` or `connect` of this entry was called. A
 * channel without a subscriber costs nothing.
 *
 * @example
 * ```ts
 * import { subscribe } from "node:diagnostics_channel";
 * import { connect, type DiagnosticsChannels } from "@lowlatency/kcp/node";
 *
 * subscribe("kcp:connection:close", (message) => {
 *   const { connection, error } = message as DiagnosticsChannels["kcp:connection:close"];
 *   console.log(connection.remoteAddr.hostname, error?.kind ?? "delivered");
 * });
 * const conn = await connect({ port: 4000 });
 * conn.close();
 * ```
 */
export interface DiagnosticsChannels {
  /** A connection was made. */
  "kcp:connection:open": {
    /** The connection. Its peer may not have answered yet. */
    readonly connection: Connection;
    /** Whether this side has opened it; if not, it was accepted. */
    readonly dialled: boolean;
  };
  /** A connection has ended. */
  "kcp:connection:close": {
    /** The connection. Its statistics are the last ones. */
    readonly connection: Connection;
    /** Why it has ended; null if everything was delivered. */
    readonly error: ConnectionError | null;
  };
  /** The peer of a connection has moved to another address. */
  "kcp:connection:migrate": {
    /** The connection, with the new address. */
    readonly connection: Connection;
    /** The address before. */
    readonly from: UdpAddress;
  };
  /** A listener was made. */
  "kcp:listener:open": {
    /** The listener. */
    readonly listener: Listener;
  };
  /** A listener is closed, its last connection has ended, and its socket is closed. */
  "kcp:listener:close": {
    /** The listener. Its statistics are the last ones. */
    readonly listener: Listener;
    /** Why its socket has failed; null if it has not. */
    readonly error: ConnectionError | null;
  };
  /** A socket of Node.js or Bun has reported an error. It goes on after most of them. */
  "kcp:socket:error": {
    /** The socket. */
    readonly socket: NodeSocket | BunSocket;
    /** The error of the system. */
    readonly error: Error;
  };
}

/** A channel of one kind of messages. */
interface Channel<Message> {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

/** Tells of the errors of a socket, if somebody listens. */
export let publishSocketError: (socket: NodeSocket | BunSocket, error: Error) => void = () => {};

/** Publishes from now on. Later calls change nothing. */
export function publishDiagnostics({ channel }: Pick<typeof diagnosticsChannel, "channel">): void {
  if (diagnostics) return;
  const of = <Name extends keyof DiagnosticsChannels>(name: Name) =>
    channel(name) as Channel<DiagnosticsChannels[Name]>;
  const connectionOpen = of("kcp:connection:open");
  const connectionClose = of("kcp:connection:close");
  const connectionMigrate = of("kcp:connection:migrate");
  const listenerOpen = of("kcp:listener:open");
  const listenerClose = of("kcp:listener:close");
  const socketError = of("kcp:socket:error");
  setDiagnostics({
    connectionOpened(connection, dialled) {
      if (connectionOpen.hasSubscribers) connectionOpen.publish({ connection, dialled });
    },
    connectionClosed(connection, error) {
      if (connectionClose.hasSubscribers) connectionClose.publish({ connection, error });
    },
    connectionMigrated(connection, from) {
      if (connectionMigrate.hasSubscribers) connectionMigrate.publish({ connection, from });
    },
    listenerOpened(listener) {
      if (listenerOpen.hasSubscribers) listenerOpen.publish({ listener });
    },
    listenerClosed(listener, error) {
      if (listenerClose.hasSubscribers) listenerClose.publish({ listener, error });
    },
  });
  publishSocketError = (socket, error) => {
    if (socketError.hasSubscribers) socketError.publish({ socket, error });
  };
}
