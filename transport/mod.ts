/**
 * Sessions, endpoints, connections and listeners over datagrams of any kind.
 *
 * {@linkcode Session} and {@linkcode Endpoint} are state machines without I/O. {@linkcode listenOn}
 * and {@linkcode connectOn} run them on a socket of your own.
 *
 * @example
 * ```ts no-eval
 * import type { DatagramSocket } from "@lowlatency/kcp/transport";
 * import { connectOn, SystemClock, systemEntropy } from "@lowlatency/kcp/transport";
 *
 * declare const socket: DatagramSocket;
 * const [conv] = crypto.getRandomValues(new Uint32Array(1));
 * const options = { entropy: systemEntropy };
 * const conn = connectOn(socket, new SystemClock(), "10.0.0.1:4000", conv, options);
 * await conn.write(new TextEncoder().encode("hello"));
 * ```
 *
 * @module
 */
export * from "./connection/mod.ts";
export * from "./session/mod.ts";
