import type { Connection } from "../connection/connection.ts";
import type { ConnectOptions } from "../connection/udp.ts";
import { connect } from "../runtime/listen.ts";
import { openBeside } from "./conversations.ts";
import { addConnection, Mux } from "./mux.ts";
import { checkSessions, type MuxOptions, splitMuxOptions } from "./mux_options.ts";

/** Settings of several conversations below one mux. */
export interface MuxSessionsOptions {
  /**
   * Over how many conversations the streams are spread, 1 to 256. Default: 1.
   *
   * A lost packet delays the streams of its conversation only. The conversations share congestion
   * control and pacing, so that all of them together take as much of a bottleneck as one. Each gets
   * the same share of that while all have something to send. They share the socket, its timer, and
   * the `memoryLimit`, too. `pacingRate` and `burst` hold for all together. Each has its own
   * retransmission timers, and windows of its own.
   */
  sessions?: number;
  /**
   * Whether each conversation has a socket of its own. A listener of kcp-go tells conversations
   * apart by the address of their sender only, so it needs that. Then each has its own congestion
   * control, too: the network may send them over different paths. Default: false: they share one
   * socket.
   */
  ownSockets?: boolean;
}

/** The listener to connect to, and settings of the connection and of the mux. */
export interface MuxConnectOptions extends ConnectOptions, MuxOptions, MuxSessionsOptions {
  /** How long (ms) a close may take to deliver what was written. Default: 5000. */
  linger?: number;
}

/**
 * Opens a connection to a listener, and runs streams over it. This side is the client.
 *
 * @throws {Error} As `connect` does.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { turbo } from "@lowlatency/kcp";
 * import { connectMux } from "@lowlatency/kcp/mux";
 *
 * await using mux = await connectMux({ hostname: "127.0.0.1", port: 4000, ...turbo });
 * const stream = await mux.createBidirectionalStream();
 * await stream.writeAll(new TextEncoder().encode("hello"));
 * ```
 */
export async function connectMux(options: MuxConnectOptions): Promise<Mux> {
  const { sessions = 1, ownSockets = false, ...rest } = options;
  checkSessions(sessions);
  const { linger } = rest;
  const [below, { machine }] = splitMuxOptions(rest);
  const settings = { ...below, linger };
  const connections = [await connect(settings)];
  try {
    for (let i = 1; i < sessions; i++) connections.push(await another(connections, i));
    return muxOver(connections, { ...machine, linger, client: true });
  } catch (error) {
    for (const connection of connections) connection.abort();
    throw error;
  }

  async function another([first]: Connection[], i: number): Promise<Connection> {
    if (!ownSockets) return openBeside(first, i);
    const { conv: _conv, localPort: _port, ...others } = settings;
    return await connect({ ...others, hostname: first.remoteAddr.hostname });
  }
}

/**
 * Runs streams over several connections to one peer.
 *
 * @param connections The connections, at least one.
 * @param options Settings of the mux.
 */
export function muxOver(
  [first, ...others]: readonly Connection[],
  options: MuxOptions & { client: boolean },
): Mux {
  const mux = new Mux(first, options);
  for (const connection of others) addConnection(mux, connection);
  return mux;
}
