import type { Connection } from "../connection/connection.ts";
import type { Listener } from "../connection/listener.ts";
import {
  type PeerConnectOptions,
  type PeerListenOptions,
  PeerTransports,
} from "../connection/peer_transport.ts";
import { ConnectionError } from "../session/errors.ts";
import { checkChannel, type DataChannelEvent, type DataChannelLike } from "./channel.ts";
import { DataChannelSocket } from "./socket.ts";

/**
 * The default MTU, in bytes. The SCTP of browsers sends packets of up to 1191 bytes and cuts larger
 * messages, of which it loses all when one part is lost. Its headers take up to 32 bytes (RFC 9260 §3,
 * RFC 8260 §2.1), and lengths are multiples of 4.
 */
const MTU = 1152;

/** Options of {@linkcode connect}. */
export type ConnectOptions = PeerConnectOptions;

/** Options of {@linkcode listen}. */
export type ListenOptions = PeerListenOptions;

const channels = new PeerTransports<DataChannelLike>({
  name: "a data channel",
  mtu: MTU,
  ready,
  open: (channel, peer) => new DataChannelSocket(channel, peer),
  peerOf: () => "webrtc:1",
});

/**
 * Opens a connection over a WebRTC data channel, and waits until the channel is open. The other end has a
 * listener on the channel. A channel can carry any number of connections.
 *
 * @param channel The channel, made with `{ ordered: false, maxRetransmits: 0 }`. The connection does not
 * close it.
 * @param options Options of the connection. The default of `mtu` is 1152, so that each packet is one
 * packet of SCTP.
 * @throws {TypeError} When the channel is ordered or reliable.
 * @throws {ConnectionError} With the kind `socket` when the channel is closed. With the kind `timeout`
 * when the option `timeout` has passed.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
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
 */
export async function connect(
  channel: DataChannelLike,
  options: ConnectOptions = {},
): Promise<Connection> {
  checkChannel(channel);
  return await channels.connect(channel, options);
}

/**
 * Listens for connections that the other end of a WebRTC data channel opens over it, when the channel is
 * open. `connect` on the same channel opens connections in the other direction.
 *
 * @param channel The channel. The listener does not close it, and ends with it.
 * @param options Options of the listener and of its connections. The default of `mtu` is 1152, so that
 * each packet is one packet of SCTP.
 * @throws {TypeError} When the channel is ordered or reliable, or carries connections already.
 * @throws {ConnectionError} With the kind `socket` when the channel is closed.
 * @throws {TypeError | RangeError} When an option has the wrong type or is out of its range.
 *
 * @example
 * ```ts no-eval
 * import { type DataChannelLike, listen } from "@lowlatency/kcp/webrtc";
 *
 * declare const peer: { ondatachannel: (event: { channel: DataChannelLike }) => void };
 * peer.ondatachannel = async ({ channel }) => {
 *   const listener = await listen(channel);
 *   for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
 * };
 * ```
 */
export async function listen(
  channel: DataChannelLike,
  options: ListenOptions = {},
): Promise<Listener> {
  checkChannel(channel);
  return await channels.listen(channel, options);
}

/** Waits until a channel is open. */
function ready(channel: DataChannelLike): Promise<void> {
  if (channel.readyState === "open") return Promise.resolve();
  return new Promise((resolve, reject) => {
    let cause: unknown;
    const stop = () => {
      channel.removeEventListener("open", onOpen);
      channel.removeEventListener("error", onError);
      channel.removeEventListener("close", fail);
    };
    const fail = () => {
      stop();
      const reason = cause instanceof Error ? `: ${cause.message}` : "";
      reject(new ConnectionError("socket", `The data channel is closed${reason}`, { cause }));
    };
    const onOpen = () => {
      stop();
      resolve();
    };
    const onError = ({ error }: DataChannelEvent) => {
      cause = error;
    };
    if (channel.readyState !== "connecting") return fail();
    channel.addEventListener("open", onOpen);
    channel.addEventListener("error", onError);
    channel.addEventListener("close", fail);
  });
}
