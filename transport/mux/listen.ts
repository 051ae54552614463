import type { ListenOptions } from "../connection/udp.ts";
import { listen } from "../runtime/listen.ts";
import { MuxListener } from "./mux_listener.ts";
import { checkSessions, type MuxOptions, splitMuxOptions } from "./mux_options.ts";

/** The address to listen on, and settings of the listener, its connections, and of each mux. */
export interface MuxListenOptions extends ListenOptions, MuxOptions {
  /**
   * The most conversations from one address and port that become one mux, 1 to 256. They do if the
   * peer was connected with the option `sessions`. They share congestion control and pacing, as on
   * the side of the peer. Default: 1: each conversation is a mux of its own, with its own congestion
   * control, and streams of the peer arrive all the same.
   */
  sessions?: number;
  /** How long (ms) a close may take to deliver what was written. Default: 5000. */
  linger?: number;
}

/**
 * Listens for connections, and runs streams over each. This side is the server.
 *
 * @throws {Error} As `listen` does.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts
 * import { listenMux } from "@lowlatency/kcp/mux";
 *
 * using listener = await listenMux({ port: 4000 });
 * for (;;) {
 *   const mux = await listener.accept();
 *   (async () => {
 *     for await (const stream of mux) stream.readable.pipeTo(stream.writable).catch(() => {});
 *   })();
 * }
 * ```
 */
export async function listenMux(options: MuxListenOptions = {}): Promise<MuxListener> {
  const { sessions = 1, ...rest } = options;
  checkSessions(sessions);
  const { linger } = rest;
  const [below, { machine }] = splitMuxOptions(rest);
  const listener = await listen({ ...below, linger });
  try {
    return new MuxListener(listener, { ...machine, linger, sessions });
  } catch (error) {
    listener.close();
    throw error;
  }
}
