/**
 * Connections over the datagrams of WebTransport sessions.
 *
 * @module
 */
export { connect, type ConnectOptions, listen, type ListenOptions } from "./connections.ts";
export {
  type IncomingSession,
  WebTransportServer,
  type WebTransportServerOptions,
} from "./server.ts";
export { WebTransportSocket } from "./socket.ts";
export type {
  WebTransportDatagramsLike,
  WebTransportLike,
  WebTransportSettings,
} from "./transport.ts";
