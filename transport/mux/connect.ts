import type { Connection } from "../connection/connection.ts";
import { connectBeside } from "../connection/sockets.ts";
import type { ConnectOptions } from "../connection/udp.ts";
import { connect } from "../runtime/listen.ts";
import { addConnection, Mux } from "./mux.ts";
import { checkSessions, type MuxOptions, splitMuxOptions } from "./mux_options.ts";

/** Settings of several conversations below one mux. */
export interface MuxSessionsOptions {
  /**
   * Over how many conversations the streams are spread, 1 to 256. Default: 1.
   *
   * A lost packet delays the streams of its conversation only. Each conversation has its own
   * congestion control and windows, so that several take a larger share of a bottleneck than one.
   * They share the socket, its timer, the `memoryLimit`, and a `rateLimit`, which is what holds
   * their sum down.
   */
  sessions?: number;
  /**
   * Whether each conversation has a socket of its own. A listener of kcp-go tells conversations
   * apart by the address of their sender only, so it needs that. Default: false: they share one
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
    if (!ownSockets) return connectBeside(first, (first.conv + i) >>> 0);
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
