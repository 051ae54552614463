/**
 * Streams over one connection: their asynchronous face.
 *
 * @module
 */
export type { ByteConn, ByteStreams } from "./byte_channel.ts";
export type { MuxAddress } from "./carrier.ts";
export { connectMux, type MuxConnectOptions, type MuxSessionsOptions } from "./connect.ts";
export { type DatagramEnd, MuxDatagrams } from "./datagrams.ts";
export { listenMux, type MuxListenOptions } from "./listen.ts";
export { Mux, type MuxStreamOptions } from "./mux.ts";
export type { MuxState } from "./mux_core.ts";
export { MuxIncoming } from "./mux_incoming.ts";
export { MuxListener } from "./mux_listener.ts";
export type { MuxOptions, MuxOverOptions } from "./mux_options.ts";
export { MuxStream, type MuxStreamState } from "./mux_stream.ts";
export { MuxSendGroup, type MuxSendStats } from "./send_group.ts";
export type { MuxCloseInfo } from "./session.ts";
export { type MuxReceiveStats, MuxReceiveStream, MuxSendStream, MuxWriter } from "./web_streams.ts";
