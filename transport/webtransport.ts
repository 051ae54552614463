/**
 * Connections over the datagrams of WebTransport: between a browser and a server, without UDP sockets.
 *
 * A session of WebTransport is the whole way to one peer. {@linkcode connect} opens a connection over a
 * session, or opens the session, too. {@linkcode listen} accepts the connections of a session. The server
 * may be {@linkcode WebTransportServer}, which needs Deno with `--unstable-net`, or any other that gives
 * objects with the members of `WebTransport`.
 *
 * The largest packet is found, and followed while it changes. QUIC encrypts, so that the option `crypt`
 * is not needed.
 *
 * QUIC has congestion control of its own, below that of the connections, and datagrams wait for it. So
 * nothing here is faster than QUIC allows. The default, BBR, keeps that queue short. `cubic` fills it.
 *
 * @example In a page
 * ```ts no-eval
 * import { connect } from "@lowlatency/kcp/webtransport";
 *
 * await using conn = await connect("https://example.com:4433/game", { timeout: 5000 });
 * await conn.writeAll(new TextEncoder().encode("hello"));
 * ```
 *
 * @example The server, on Deno
 * ```ts no-eval
 * import { listen, WebTransportServer } from "@lowlatency/kcp/webtransport";
 *
 * const cert = await Deno.readTextFile("cert.pem");
 * const key = await Deno.readTextFile("key.pem");
 * for await (const session of new WebTransportServer({ port: 4433, cert, key })) {
 *   listen(session).then(async (listener) => {
 *     for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
 *   }).catch((error) => console.error(error.message)); // the session has ended
 * }
 * ```
 *
 * @module
 */
export { connect } from "./webtransport/mod.ts";
export { listen } from "./webtransport/mod.ts";
export { WebTransportServer } from "./webtransport/mod.ts";
export { WebTransportSocket } from "./webtransport/mod.ts";
export type { ConnectOptions } from "./webtransport/mod.ts";
export type { IncomingSession } from "./webtransport/mod.ts";
export type { ListenOptions } from "./webtransport/mod.ts";
export type { WebTransportDatagramsLike } from "./webtransport/mod.ts";
export type { WebTransportLike } from "./webtransport/mod.ts";
export type { WebTransportServerOptions } from "./webtransport/mod.ts";
export type { WebTransportSettings } from "./webtransport/mod.ts";
export type { PeerConnectOptions } from "./connection/peer_transport.ts";
export type { PeerListenOptions } from "./connection/peer_transport.ts";
export type { PeerNameOptions } from "./connection/peer_transport.ts";
