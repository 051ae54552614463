/**
 * A listener whose endpoint may hold no more than some bytes.
 *
 * @module
 */
import { Arena } from "../../../kcp/arena.ts";
import { Driver } from "../../../transport/connection/driver.ts";
import * as listeners from "../../../transport/connection/listener.ts";
import type { Clock, DatagramSocket, Listener } from "../../../transport/connection/mod.ts";
import { Endpoint, type EndpointOptions } from "../../../transport/session/mod.ts";

/** How a listener is made of a driver: by a function where the constructor is private. */
interface Makers {
  readonly newListener?: (driver: Driver, options: EndpointOptions) => Listener;
  readonly Listener: new (driver: Driver) => Listener;
}

/** `listenOn` with an arena of at most `limit` bytes. */
export function limitedListener(
  socket: DatagramSocket,
  clock: Clock,
  options: EndpointOptions,
  limit: number,
): Listener {
  const arena = new Arena(limit, options.crypt !== undefined);
  const driver = new Driver(new Endpoint(options, true, arena), socket, clock);
  const { newListener, Listener } = listeners as unknown as Makers;
  return newListener ? newListener(driver, options) : new Listener(driver);
}
