/**
 * Listeners and connections on a socket and a clock of any kind.
 *
 * @module
 */
import { isPortZero } from "../session/address.ts";
import { Endpoint, type EndpointOptions } from "../session/endpoint.ts";
import { ConnectionError } from "../session/errors.ts";
import type { SessionOptions } from "../session/session_options.ts";
import { type Connection, newConnection, partsOf } from "./connection.ts";
import { type Clock, type DatagramSocket, Driver } from "./driver.ts";
import { dialOver, type Listener, newListener } from "./listener.ts";
import { type RateLimitOptions, splitRateLimit } from "./rate_limit.ts";

/**
 * Listens on a socket of any kind.
 *
 * @param socket The socket. The listener closes it.
 * @param clock A clock for this listener only.
 * @param options Options of the endpoint and of its sessions.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 */
export function listenOn(
  socket: DatagramSocket,
  clock: Clock,
  options: EndpointOptions & RateLimitOptions = {},
): Listener {
  const [settings, limit] = splitRateLimit(options);
  return newListener(new Driver(new Endpoint(settings, true), socket, clock, limit), settings);
}

/** The default of `keepAlive` for connections that this side opens, in ms. */
export const DIALLED_KEEP_ALIVE = 15_000;

/**
 * Opens a connection on a socket of any kind. It sends nothing before the first write.
 *
 * @param socket The socket. The connection closes it.
 * @param clock A clock for this connection only.
 * @param peer The listener's address, in the form that the socket gives for the sender of a packet.
 * @param conv The conversation id, 0 to 4294967295. Draw it at random, so that it is hard to guess.
 * @param options Options of the session.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 */
export function connectOn(
  socket: DatagramSocket,
  clock: Clock,
  peer: string,
  conv: number,
  options: SessionOptions & RateLimitOptions = {},
): Connection {
  checkPeer(peer);
  const [settings, limit] = splitRateLimit(options);
  const { keepAlive = DIALLED_KEEP_ALIVE } = settings;
  const driver = new Driver(new Endpoint({ ...settings, keepAlive }), socket, clock, limit);
  const session = driver.endpoint.open(peer, conv, clock.now());
  session.delayKeepAlive();
  driver.ledger.dialled++;
  return newConnection(session, driver, true);
}

/**
 * Opens one more connection to the peer of a connection, over its socket and with its options. The
 * socket is closed when the last connection has ended.
 *
 * @param connection A connection that this side has opened.
 * @param conv The conversation id, 0 to 4294967295.
 * @throws {ConnectionError} When the connection has ended.
 * @throws {TypeError} When a connection of the socket has the same id.
 */
export function connectBeside(connection: Connection, conv: number): Connection {
  const { session, driver, ownsSocket } = partsOf(connection);
  if (session.state !== "open") {
    throw session.error ?? new ConnectionError("closed", "The connection was closed");
  }
  const sibling = driver.endpoint.open(session.peer, conv, driver.now());
  sibling.delayKeepAlive();
  driver.ledger.dialled++;
  return newConnection(sibling, driver, ownsSocket);
}

/**
 * Opens a connection over the socket of a listener, beside the connections that the listener accepts
 * and others that were opened so. The peer sees the listener's address. It sends nothing before the
 * first write.
 *
 * @param listener The listener. Its encryption, `entropy`, `replayWindow` and `memoryLimit` hold.
 * @param peer The address of the peer, in the form that the socket gives for the sender of a packet.
 * @param conv The conversation id, 0 to 4294967295. If the peer has opened a conversation with this
 * id that was not accepted yet, this accepts it.
 * @param options Options of the session. A `rateLimit` must be that of the listener.
 * @throws {ConnectionError} When the listener is closed, or its socket has failed.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range, the
 * cipher is not that of the listener, or a connection with this peer has the same id.
 *
 * @example
 * ```ts
 * import { connectVia } from "@lowlatency/kcp/transport";
 * import { SimulatedNetwork } from "@lowlatency/kcp/simulated";
 *
 * const network = new SimulatedNetwork({ link: { latency: 10 } });
 * const alice = network.listen({ hostname: "10.0.0.1", port: 80 });
 * const bob = network.listen({ hostname: "10.0.0.2", port: 80 });
 * await network.run(async () => {
 *   const conn = connectVia(alice, "10.0.0.2:80", 1);
 *   await conn.write(new TextEncoder().encode("hello"));
 *   console.log((await bob.accept()).remoteAddr.hostname); // 10.0.0.1
 * });
 * ```
 */
export function connectVia(
  listener: Listener,
  peer: string,
  conv: number,
  options: SessionOptions & RateLimitOptions = {},
): Connection {
  checkPeer(peer);
  const { keepAlive = DIALLED_KEEP_ALIVE } = options;
  return dialOver(listener, peer, conv, { ...options, keepAlive });
}

function checkPeer(peer: string): void {
  if (isPortZero(peer)) {
    throw new RangeError(`Cannot connect to ${peer}: nobody receives at port 0`);
  }
}

/** Calls `make`, and closes the socket if it throws. */
export function orClose<T>(socket: DatagramSocket, make: () => T): T {
  try {
    return make();
  } catch (error) {
    socket.close();
    throw error;
  }
}
