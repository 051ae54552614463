/**
 * The machines above KCP: a session with one peer, and an endpoint with many sessions.
 *
 * @module
 */
export type { Address } from "./address.ts";
export type { DatagramStats } from "./datagram_queue.ts";
export { Endpoint, type EndpointOptions, type EndpointStats } from "./endpoint.ts";
export { ConnectionError, type ConnectionErrorKind } from "./errors.ts";
export type { FecOptions } from "./fec_options.ts";
export type { ProtectionOptions } from "./packet_protection.ts";
export type { FecStats } from "./pipeline.ts";
export { Session, type SessionState, type SessionStats } from "./session.ts";
export type {
  ResolvedSessionOptions,
  SessionLiveOptions,
  SessionOptions,
} from "./session_options.ts";
