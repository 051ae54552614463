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

// Earlier entries export these too. JSR wants a line for each where it finds them again.
export {
  /** A reliable, ordered connection, with the methods of `Deno.Conn`. */
  Connection,
  /** Accepts connections on one socket, with the methods of `Deno.Listener`. */
  Listener,
  /** Sums over all connections of this process. */
  processTotals,
  /** A limit for the packets of several connections and listeners together. */
  RateLimit,
  /** The sums of the process under the names of kcp-go's counters. */
  snmp,
} from "./connection/mod.ts";
export type {
  /** How far a connection has come. */
  ConnectionState,
  /** The sums of the counters of connections. */
  ConnectionTotals,
  /** Receives the packets and errors of a socket. */
  DatagramReceiver,
  /** A UDP socket, or any other kind of datagram socket. */
  DatagramSocket,
  /** How many connections have ended, by the reason. */
  EndTotals,
  /** What `close` does with the connections of a listener. */
  ListenerCloseOptions,
  /** Limits of one operation that may wait, such as a read or a write. */
  OperationOptions,
  /** The option that limits several connections together. */
  RateLimitOptions,
  /** The counters of kcp-go, under their names there. */
  Snmp,
  /** The sums of what sockets have counted. */
  SocketTotals,
  /** Sums over all connections of a listener or of the process. */
  Totals,
  /** The UDP address of a connection or listener. */
  UdpAddress,
} from "./connection/mod.ts";
export {
  /** The error of a connection that has failed, and of operations that time out. */
  ConnectionError,
} from "./session/mod.ts";
export type {
  /** The reason why a connection ended, or why an operation on it failed. */
  ConnectionErrorKind,
  /** Counters of datagrams. */
  DatagramStats,
  /** Settings of an endpoint, and of the sessions that peers open. */
  EndpointOptions,
  /** Counters and present state of an endpoint. */
  EndpointStats,
  /** Error correction of sent packets. */
  FecOptions,
  /** Counters and present state of error correction. */
  FecStats,
  /** Settings of packet encryption. */
  ProtectionOptions,
  /** The settings of a session that are in force. */
  ResolvedSessionOptions,
  /** Settings of a session that can change while it runs. */
  SessionLiveOptions,
  /** Settings of a session, including those of its KCP machine. */
  SessionOptions,
  /** Counters and present state of a session. */
  SessionStats,
} from "./session/mod.ts";
