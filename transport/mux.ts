/**
 * Streams over one connection, on the wire of smux, versions 1 and 2.
 *
 * {@linkcode connectMux} and {@linkcode listenMux} open KCP connections and run streams over them.
 * {@linkcode Mux} runs streams over any connection. It has the members of `Deno.QuicConn` and of
 * `WebTransport`. {@linkcode MuxMachine} is a state machine without I/O underneath.
 *
 * @example
 * ```ts
 * import { connectMux, listenMux } from "@lowlatency/kcp/mux";
 *
 * await using listener = await listenMux({ hostname: "127.0.0.1" });
 * await using client = await connectMux({ port: listener.addr.port });
 * const stream = await client.createBidirectionalStream();
 * await stream.writeAll(new TextEncoder().encode("hello"));
 * await stream.closeWrite();
 *
 * const server = await listener.accept();
 * const accepted = await server.accept();
 * console.log(await new Response(accepted.readable).text()); // hello
 * ```
 *
 * @module
 */
export * from "./mux/machine/mod.ts";
export * from "./mux/mod.ts";
