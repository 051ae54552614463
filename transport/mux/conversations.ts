import { type Connection, partsOf } from "../connection/connection.ts";
import { connectBeside } from "../connection/sockets.ts";

/**
 * Opens one more conversation below a mux, over the socket of the first one. They share congestion control
 * and pacing.
 *
 * @param index How many there are already.
 */
export function openBeside(first: Connection, index: number): Connection {
  const connection = connectBeside(first, (first.conv + index) >>> 0);
  shareWith(first, connection);
  return connection;
}

/** Lets a conversation on which nothing was written share congestion control and pacing with the first. */
export function shareWith(first: Connection, connection: Connection): void {
  partsOf(connection).session.share(partsOf(first).session);
}
