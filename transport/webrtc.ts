/**
 * Connections over WebRTC data channels: between two pages, without a server on the way.
 *
 * The application makes the `RTCPeerConnection` at both ends, and exchanges their descriptions and
 * candidates as it likes. The channel must be made with `{ ordered: false, maxRetransmits: 0 }`: then a
 * packet that is lost stays lost, and holds no other up. {@linkcode connect} opens a connection over the
 * channel, and {@linkcode listen} accepts those of the other end.
 *
 * WebRTC encrypts, so that the option `crypt` is not needed. Its SCTP has congestion control of its own,
 * below that of the connections: nothing here is faster than SCTP allows.
 *
 * @example
 * ```ts no-eval
 * import { connect, type DataChannelLike } from "@lowlatency/kcp/webrtc";
 *
 * declare const peer: { createDataChannel(label: string, options: object): DataChannelLike };
 * const channel = peer.createDataChannel("kcp", { ordered: false, maxRetransmits: 0 });
 * // Now the two ends exchange their descriptions and candidates.
 * await using conn = await connect(channel, { timeout: 10_000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * ```
 *
 * @module
 */
export { connect } from "./webrtc/mod.ts";
export { listen } from "./webrtc/mod.ts";
export { DataChannelSocket } from "./webrtc/mod.ts";
export type { ConnectOptions } from "./webrtc/mod.ts";
export type { DataChannelEvent } from "./webrtc/mod.ts";
export type { DataChannelLike } from "./webrtc/mod.ts";
export type { ListenOptions } from "./webrtc/mod.ts";
export {
  /** Options of a connection over a transport that leads to one peer. */
  type PeerConnectOptions,
  /** Options of a listener on a transport that leads to one peer. */
  type PeerListenOptions,
  /** The name of the other end of a transport. */
  type PeerNameOptions,
} from "./connection/peer_transport.ts";
