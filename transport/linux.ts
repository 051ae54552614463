/**
 * A fast UDP transport for Deno on Linux. It calls `sendmmsg` and `recvmmsg` through FFI and needs
 * `--allow-ffi`. Where it can, the kernel splits and joins packets (GSO, GRO).
 *
 * @example
 * ```ts no-eval
 * import { listen, turbo } from "@lowlatency/kcp";
 * import { linux } from "@lowlatency/kcp/linux";
 *
 * const listener = await listen({ port: 4000, bind: linux(), ...turbo });
 * ```
 *
 * @module
 */
export * from "./linux/mod.ts";
