/**
 * Sessions, endpoints, connections and listeners over datagrams of any kind.
 *
 * @module
 */
export type { Address } from "./address.ts";
export { Connection, type UdpAddress } from "./connection.ts";
export type { Clock, DatagramReceiver, DatagramSocket } from "./driver.ts";
export { Endpoint, type EndpointOptions, type EndpointStats } from "./endpoint.ts";
export { ConnectionError, type ConnectionErrorKind } from "./errors.ts";
export { Listener } from "./listener.ts";
export type { OperationOptions } from "./operation_queue.ts";
export type { ProtectionOptions } from "./packet_protection.ts";
export type { DatagramStats, FecOptions, FecStats } from "./pipeline.ts";
export { Session, type SessionOptions, type SessionState, type SessionStats } from "./session.ts";
export { connectOn, listenOn } from "./sockets.ts";
export { SystemClock, systemEntropy } from "./system_clock.ts";
