/**
 * The machines above KCP: one session with one peer, and an endpoint with many.
 *
 * @module
 */
export type { Address } from "./address.ts";
export { Endpoint, type EndpointOptions, type EndpointStats } from "./endpoint.ts";
export { ConnectionError, type ConnectionErrorKind } from "./errors.ts";
export type { ProtectionOptions } from "./packet_protection.ts";
export type { DatagramStats, FecOptions, FecStats } from "./pipeline.ts";
export { Session, type SessionOptions, type SessionState, type SessionStats } from "./session.ts";
