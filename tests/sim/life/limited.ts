/**
 * A listener whose endpoint may hold no more than some bytes.
 *
 * @module
 */
import { Arena } from "../../../kcp/mod.ts";
import { type Clock, type DatagramSocket, Listener } from "../../../transport/connection/mod.ts";
import { Driver } from "../../../transport/connection/driver.ts";
import { Endpoint, type EndpointOptions } from "../../../transport/session/mod.ts";

/** `listenOn` with an arena of at most `limit` bytes. */
export function limitedListener(
  socket: DatagramSocket,
  clock: Clock,
  options: EndpointOptions,
  limit: number,
): Listener {
  const arena = new Arena(limit, options.crypt !== undefined);
  return new Listener(new Driver(new Endpoint(options, true, arena), socket, clock));
}
