/**
 * Reliable, ordered, low-latency connections over UDP: KCP, wire-compatible with kcp-go and the C
 * reference.
 *
 * This entry holds what an application needs: {@linkcode listen}, {@linkcode connect}, and modes
 * other than the default: {@linkcode turbo}, {@linkcode fast}, {@linkcode normal} and
 * {@linkcode reference}. A {@linkcode Connection} is used like Deno's TCP connection. The entry works
 * on Deno, Node.js and Bun. Where there are no UDP sockets, as in a browser, `listen` and `connect`
 * throw an error that says what to import. The other entries hold the rest:
 *
 * - `/crypt`: the ciphers for the option `crypt`;
 * - `/node`: sockets of Node.js with options;
 * - `/mux`: many streams over one connection;
 * - `/linux`: the faster UDP sockets for Deno on Linux, which `deno run -A` uses by itself;
 * - `/webtransport` and `/webrtc`: connections of pages in browsers;
 * - `/simulated`: a simulated network, to test applications;
 * - `/deno`: the UDP socket of Deno, and a proxy that makes a real network worse;
 * - `/kernels`: which WebAssembly kernels work, and modules for them that are compiled ahead;
 * - `/kcp`: the protocol as a state machine without I/O, and the congestion controllers;
 * - `/fec` and `/transport`: error correction and connections without I/O.
 *
 * @example
 * ```ts
 * import { connect, listen } from "@lowlatency/kcp";
 *
 * using listener = await listen({ hostname: "127.0.0.1" });
 * const client = await connect({ hostname: "127.0.0.1", port: listener.addr.port });
 *
 * await client.write(new TextEncoder().encode("hello"));
 * const server = await listener.accept();
 * const buffer = new Uint8Array(1024);
 * const count = await server.read(buffer);
 * console.log(new TextDecoder().decode(buffer.subarray(0, count ?? 0))); // hello
 *
 * server.close();
 * client.close();
 * ```
 *
 * @module
 */
export { connect } from "./transport/runtime/mod.ts";
export { listen } from "./transport/runtime/mod.ts";
export { normal } from "./kcp/mod.ts";
export { reference } from "./kcp/mod.ts";
export { fast } from "./kcp/mod.ts";
export { turbo } from "./kcp/mod.ts";
export { Connection } from "./transport/mod.ts";
export { Listener } from "./transport/mod.ts";
export { RateLimit } from "./transport/mod.ts";
export { processTotals } from "./transport/mod.ts";
export { snmp } from "./transport/mod.ts";
export { ConnectionError } from "./transport/mod.ts";
export type { ConnectionErrorKind } from "./transport/mod.ts";
export type { ListenerCloseOptions } from "./transport/mod.ts";
export type { OperationOptions } from "./transport/mod.ts";
export type { UdpAddress } from "./transport/mod.ts";
export type { ConnectionState } from "./transport/mod.ts";

// The options of `connect` and `listen`, and what they are made of.
export type { ConnectOptions } from "./transport/runtime/mod.ts";
export type { ListenOptions } from "./transport/runtime/mod.ts";
export type { SessionOptions } from "./transport/mod.ts";
export type { SessionLiveOptions } from "./transport/mod.ts";
export type { ResolvedSessionOptions } from "./transport/mod.ts";
export type { EndpointOptions } from "./transport/mod.ts";
export type { KcpOptions } from "./kcp/mod.ts";
export type { KcpLiveOptions } from "./kcp/mod.ts";
export type { ResolvedKcpOptions } from "./kcp/mod.ts";
export type { NodelayOptions } from "./kcp/mod.ts";
export type { Mode } from "./kcp/mod.ts";
export type { ProtectionOptions } from "./transport/mod.ts";
export type { FecOptions } from "./transport/mod.ts";
export type { FecRatio } from "./fec/mod.ts";
export type { RateLimitOptions } from "./transport/mod.ts";
export type { Bind } from "./transport/runtime/mod.ts";
export type { BindOptions } from "./transport/runtime/mod.ts";

// What `Connection.stats`, `Listener.stats` and the totals return.
export type { SessionStats } from "./transport/mod.ts";
export type { ConnectionTotals } from "./transport/mod.ts";
export type { Totals } from "./transport/mod.ts";
export type { EndTotals } from "./transport/mod.ts";
export type { SocketTotals } from "./transport/mod.ts";
export type { Snmp } from "./transport/mod.ts";
export type { EndpointStats } from "./transport/mod.ts";
export type { KcpStats } from "./kcp/mod.ts";
export type { FecStats } from "./transport/mod.ts";
export type { DatagramStats } from "./transport/mod.ts";

// What a congestion controller of an application needs. The controllers are in `/kcp`.
export type { Congestion } from "./kcp/mod.ts";
export type { CongestionAlgorithm } from "./kcp/mod.ts";
export type { CongestionControllerFactory } from "./kcp/mod.ts";
export type { CongestionContext } from "./kcp/mod.ts";
export type { CongestionController } from "./kcp/mod.ts";
export type { CongestionState } from "./kcp/mod.ts";
export type { RateSample } from "./kcp/mod.ts";
export type { Loss } from "./kcp/mod.ts";

// What sockets of the application's own take and send.
export { PacketBatch } from "./kcp/mod.ts";
export { Arena } from "./kcp/mod.ts";

// Types that the others refer to.
export type { CongestionStats } from "./kcp/mod.ts";
export type { InputErrors } from "./kcp/mod.ts";
export type { FecEncoderStats } from "./fec/mod.ts";
export type { FecDecoderStats } from "./fec/mod.ts";
export type { PacketCipher } from "./crypt/mod.ts";
export type { Entropy } from "./crypt/mod.ts";
export type { DatagramSocket } from "./transport/mod.ts";
export type { DatagramReceiver } from "./transport/mod.ts";
export type { PacketBatchOptions } from "./kcp/mod.ts";
export type { PacketLayer } from "./kcp/mod.ts";
export type { MemoryWaiter } from "./kcp/mod.ts";
