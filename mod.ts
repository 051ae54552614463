/**
 * Reliable, ordered, low-latency connections over UDP: KCP, wire-compatible with kcp-go and the C
 * reference.
 *
 * `listen` and `connect` give connections that are used as Deno's TCP connections are. Underneath are
 * machines without I/O ({@linkcode Kcp}, {@linkcode Session}, {@linkcode Endpoint}) that run on any
 * runtime, on any kind of datagram, and in a simulation.
 *
 * @example
 * ```ts
 * import { connect, listen, turbo } from "@lowlatency/kcp";
 *
 * using listener = await listen({ hostname: "127.0.0.1", ...turbo });
 * const dialled = await connect({ hostname: "127.0.0.1", port: listener.addr.port, ...turbo });
 *
 * await dialled.write(new TextEncoder().encode("hello"));
 * const accepted = await listener.accept();
 * const buffer = new Uint8Array(1024);
 * const count = await accepted.read(buffer);
 * console.log(new TextDecoder().decode(buffer.subarray(0, count ?? 0))); // hello
 *
 * accepted.close();
 * dialled.close();
 * ```
 *
 * @module
 */
export type { CipherName, Entropy, PacketCipher } from "./crypt/mod.ts";
export * from "./fec/mod.ts";
export * from "./kcp/mod.ts";
export * from "./transport/mod.ts";
export {
  type Bind,
  type BindOptions,
  connect,
  type ConnectOptions,
  listen,
  type ListenOptions,
} from "./transport/deno.ts";
