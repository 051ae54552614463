/**
 * Tells a tool of the runtime when connections and listeners begin and end.
 *
 * @module
 */
import type { ConnectionError } from "../session/errors.ts";
import type { Connection } from "./connection.ts";
import type { Listener } from "./listener.ts";
import type { UdpAddress } from "./udp_address.ts";

/** What may be told. Nothing of it happens for each packet. */
export interface Diagnostics {
  /** A connection was made. `dialled` tells whether this side has opened it. */
  connectionOpened(connection: Connection, dialled: boolean): void;
  /** A connection has ended; with an error, unless everything was delivered. */
  connectionClosed(connection: Connection, error: ConnectionError | null): void;
  /** The peer of a connection has moved from another address. */
  connectionMigrated(connection: Connection, from: UdpAddress): void;
  /** A listener was made. */
  listenerOpened(listener: Listener): void;
  /** A listener and its socket are closed; with an error if the socket has failed. */
  listenerClosed(listener: Listener, error: ConnectionError | null): void;
}

/** What is told; null if the runtime has no tool for it. */
export let diagnostics: Diagnostics | null = null;

/** Tells `receiver` from now on. */
export function setDiagnostics(receiver: Diagnostics | null): void {
  diagnostics = receiver;
}
