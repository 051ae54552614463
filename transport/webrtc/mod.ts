/**
 * Connections over WebRTC data channels.
 *
 * @module
 */
export type { DataChannelEvent, DataChannelLike } from "./channel.ts";
export { connect, type ConnectOptions, listen, type ListenOptions } from "./connections.ts";
export { DataChannelSocket } from "./socket.ts";
