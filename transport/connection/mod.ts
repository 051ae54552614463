/**
 * Connections and listeners over a socket and a clock of any kind.
 *
 * @module
 */
export { Connection, type ConnectionState } from "./connection.ts";
export type { Clock, DatagramReceiver, DatagramSocket } from "./driver.ts";
export { Listener, type ListenerCloseOptions } from "./listener.ts";
export type { OperationOptions } from "./operation_queue.ts";
export { RateLimit, type RateLimitOptions } from "./rate_limit.ts";
export { connectOn, connectVia, listenOn } from "./sockets.ts";
export { SystemClock, systemEntropy } from "./system_clock.ts";
export { type Snmp, snmp } from "./snmp.ts";
export {
  type ConnectionTotals,
  type EndTotals,
  processTotals,
  type SocketTotals,
  type Totals,
} from "./totals.ts";
export type { UdpAddress } from "./udp_address.ts";
