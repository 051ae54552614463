/**
 * A fast UDP transport for Deno on Linux: `sendmmsg` and `recvmmsg` through FFI, with the kernel's
 * segmentation of runs of packets in both directions. It needs `--allow-ffi`.
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
