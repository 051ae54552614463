/**
 * A fast UDP transport for Deno on Linux. It calls `sendmmsg` and `recvmmsg` through FFI and needs
 * `--allow-ffi`. Where it can, the kernel splits and joins packets (GSO, GRO).
 *
 * A program with `--allow-ffi` and `--allow-net`, both without limits, gets these sockets by itself.
 * This entry is for others, and for options. Deno checks no call through FFI: these sockets reach
 * every host, whatever `--allow-net` says.
 *
 * @example
 * ```ts no-eval
 * import { listen } from "@lowlatency/kcp";
 * import { linux } from "@lowlatency/kcp/linux";
 *
 * const listener = await listen({ port: 4000, bind: linux({ busyPoll: 1 }) });
 * ```
 *
 * @module
 */
export * from "./linux/mod.ts";
