/**
 * What the page of the tests can do. The tests call it by name.
 *
 * @module
 */
import { ConnectionError, type SessionOptions } from "../../../transport/mod.ts";
import { connect, type DataChannelLike, listen } from "../../../transport/webrtc.ts";
import {
  connect as connectUrl,
  type WebTransportSettings,
} from "../../../transport/webtransport.ts";
import { exchange, type Seen } from "./exchange.ts";

/** The part of WebRTC that the page uses: Deno has no types for it. */
interface PeerConnection {
  readonly iceGatheringState: string;
  readonly localDescription: { readonly type: string; readonly sdp: string };
  onicegatheringstatechange: (() => void) | null;
  ondatachannel: ((event: { channel: DataChannelLike }) => void) | null;
  createDataChannel(label: string, options?: object): DataChannelLike;
  createOffer(): Promise<object>;
  createAnswer(): Promise<object>;
  setLocalDescription(description: object): Promise<void>;
  setRemoteDescription(description: object): Promise<void>;
  close(): void;
}

declare const RTCPeerConnection: new () => PeerConnection;

let peer: PeerConnection;
let opened: Promise<DataChannelLike>;

const page = {
  /** Exchanges bytes with a server over WebTransport. */
  async webTransport(
    url: string,
    hash: readonly number[],
    options: SessionOptions,
    size: number,
    quic: WebTransportSettings = {},
  ): Promise<Seen> {
    const webTransport = { ...settings(hash).webTransport, ...quic };
    const conn = await connectUrl(url, { ...options, webTransport, timeout: 20_000 });
    return await exchange(conn, size);
  },

  /** Opens a connection, and tells with which error it ends. */
  async endOf(url: string, hash: readonly number[]): Promise<string> {
    const conn = await connectUrl(url, { ...settings(hash), timeout: 20_000 });
    await conn.write(new Uint8Array([1]));
    const error = await conn.closed.then(() => null, (error) => error);
    return error instanceof ConnectionError ? `${error.kind}: ${error.message}` : String(error);
  },

  /** Opens connections over one session, and sends a word over each. */
  async several(url: string, hash: readonly number[], count: number): Promise<string[]> {
    const { WebTransport } = globalThis as unknown as {
      WebTransport: new (url: string, options: object) => Parameters<typeof connectUrl>[0] & object;
    };
    const session = new WebTransport(url, settings(hash).webTransport) as unknown as Exclude<
      Parameters<typeof connectUrl>[0],
      string | URL
    >;
    const words = Array.from({ length: count }, async (_, i) => {
      await using conn = await connectUrl(session, { timeout: 20_000 });
      await conn.writeAll(new TextEncoder().encode(`word ${i}`));
      await conn.closeWrite();
      return await new Response(conn.readable).text();
    });
    const answers = await Promise.all(words);
    session.close();
    return answers;
  },

  /** The offer of this page, with all its candidates. */
  async offer(options: object): Promise<object> {
    peer = new RTCPeerConnection();
    opened = Promise.resolve(peer.createDataChannel("kcp", options));
    return await describe(await peer.createOffer());
  },

  /** The answer of this page to an offer. */
  async answer(offer: object): Promise<object> {
    peer = new RTCPeerConnection();
    opened = new Promise((resolve) => peer.ondatachannel = ({ channel }) => resolve(channel));
    await peer.setRemoteDescription(offer);
    return await describe(await peer.createAnswer());
  },

  /** Takes the answer of the other page. */
  async answered(answer: object): Promise<void> {
    await peer.setRemoteDescription(answer);
  },

  /** Exchanges bytes with the other page, as the one that connects. */
  async dial(options: SessionOptions, size: number): Promise<Seen> {
    return await exchange(await connect(await opened, { ...options, timeout: 20_000 }), size);
  },

  /** Exchanges bytes with the other page, as the one that listens. */
  async serve(options: SessionOptions, size: number): Promise<Seen> {
    const listener = await listen(await opened, options);
    return await exchange(await listener.accept(), size);
  },

  /** Tells with which error a connection to the other page ends. */
  async end(): Promise<string> {
    const conn = await connect(await opened);
    await conn.write(new Uint8Array([1]));
    const error = await conn.closed.then(() => null, (error) => error);
    return error instanceof ConnectionError ? `${error.kind}: ${error.message}` : String(error);
  },

  /** Ends the way to the other page. */
  close(): void {
    peer.close();
  },
};

function settings(hash: readonly number[]) {
  const value = new Uint8Array(hash);
  return { webTransport: { serverCertificateHashes: [{ algorithm: "sha-256", value }] } };
}

/** Sets a description of this page, and waits for the candidates. */
async function describe(description: object): Promise<object> {
  await peer.setLocalDescription(description);
  while (peer.iceGatheringState !== "complete") {
    await new Promise<void>((resolve) => peer.onicegatheringstatechange = resolve);
  }
  const { type, sdp } = peer.localDescription;
  return { type, sdp };
}

Object.assign(globalThis, { page });
