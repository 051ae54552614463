/**
 * Listeners and connections on whatever socket and clock an adapter brings.
 *
 * @module
 */
import { Connection } from "./connection.ts";
import { type Clock, type DatagramSocket, Driver } from "./driver.ts";
import { Endpoint, type EndpointOptions } from "../session/endpoint.ts";
import { Listener } from "./listener.ts";
import type { SessionOptions } from "../session/session_options.ts";

/**
 * Listens on a socket of any kind.
 *
 * @param socket The socket. The listener closes it in the end.
 * @param clock A clock of its own.
 * @param options Settings of the endpoint and of its sessions.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function listenOn(
  socket: DatagramSocket,
  clock: Clock,
  options: EndpointOptions = {},
): Listener {
  return new Listener(new Driver(new Endpoint(options, true), socket, clock));
}

/**
 * Opens a connection on a socket of any kind. Nothing is sent until something is written.
 *
 * @param socket The socket. The connection closes it in the end.
 * @param clock A clock of its own.
 * @param peer Where the listener is, in the form in which the socket tells where packets came from.
 * @param conv The conversation id, which should be hard to guess: draw it at random.
 * @param options Settings of the session.
 * @throws {TypeError | RangeError} When a setting has the wrong type or is out of its range.
 */
export function connectOn(
  socket: DatagramSocket,
  clock: Clock,
  peer: string,
  conv: number,
  options: SessionOptions = {},
): Connection {
  const driver = new Driver(new Endpoint(options), socket, clock);
  return new Connection(driver.endpoint.open(peer, conv, clock.now()), driver, true);
}

/** What `make` makes of a socket; the socket is closed if that fails. */
export function orClose<T>(socket: DatagramSocket, make: () => T): T {
  try {
    return make();
  } catch (error) {
    socket.close();
    throw error;
  }
}
