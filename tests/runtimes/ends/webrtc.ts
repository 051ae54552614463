/**
 * The suite in a page, over the data channels of WebRTC. Both ends of a channel are in the page.
 *
 * @module
 */
import type { Listener } from "../../../transport/mod.ts";
import { connect, type DataChannelLike, listen } from "../../../transport/webrtc.ts";
import type { Face } from "../suite/mod.ts";

export { connectionSuite as suite, runChecks } from "../suite/mod.ts";

/** The part of WebRTC that is used: Deno has no types for it. */
interface PeerConnection {
  onicecandidate: ((event: { readonly candidate: object | null }) => void) | null;
  ondatachannel: ((event: { readonly channel: DataChannelLike }) => void) | null;
  createDataChannel(label: string, options: object): DataChannelLike;
  setLocalDescription(): Promise<void>;
  readonly localDescription: object;
  setRemoteDescription(description: object): Promise<void>;
  addIceCandidate(candidate: object): Promise<void>;
  close(): void;
}

/** Two peers in this page, and the ends of a channel between them. */
async function channelPair(): Promise<readonly [DataChannelLike, DataChannelLike, () => void]> {
  const { RTCPeerConnection } = globalThis as unknown as {
    RTCPeerConnection: new () => PeerConnection;
  };
  const near = new RTCPeerConnection(), far = new RTCPeerConnection();
  near.onicecandidate = ({ candidate }) => void (candidate && far.addIceCandidate(candidate));
  far.onicecandidate = ({ candidate }) => void (candidate && near.addIceCandidate(candidate));
  const arrived = new Promise<DataChannelLike>((resolve) => {
    far.ondatachannel = ({ channel }) => resolve(channel);
  });
  const channel = near.createDataChannel("kcp", { ordered: false, maxRetransmits: 0 });
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  const close = () => {
    near.close();
    far.close();
  };
  return [channel, await arrived, close];
}

/** The face of the data channels of a page. */
export function face(): Face {
  const dialling = new WeakMap<Listener, DataChannelLike>();
  return {
    adapter: "webrtc",
    rootAdapter: null,
    kernels: "compiled",
    dial: null,
    listen: async (options) => {
      const [near, far, close] = await channelPair();
      const listener = await listen(far, options);
      dialling.set(listener, near);
      // Connections that are refused at the end use the channel for a moment longer.
      listener.closed.finally(() => setTimeout(close, 1000));
      return listener;
    },
    connect: (listener, options) => connect(dialling.get(listener)!, options),
  };
}
