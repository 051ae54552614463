/**
 * The WebAssembly kernels: which of them run, and modules for runtimes that may not compile any.
 *
 * Ciphers, checksums and error correction have kernels, which are compiled at first use. Some
 * runtimes forbid that: Cloudflare Workers, and pages whose policy does not allow
 * `wasm-unsafe-eval`. There everything works without kernels, but slower. {@linkcode activeKernels}
 * tells; {@linkcode useKernels} takes modules that were compiled ahead.
 *
 * @example Say what runs
 * ```ts
 * import { activeKernels } from "@lowlatency/kcp/kernels";
 *
 * for (const [name, { path, reason }] of Object.entries(activeKernels())) {
 *   console.log(`${name}: ${path} (${reason})`);
 * }
 * ```
 *
 * @example Write the modules to files, for a build that compiles them ahead
 * ```ts
 * import { kernelFiles } from "@lowlatency/kcp/kernels";
 * import { writeFileSync } from "node:fs";
 *
 * for (const [name, bytes] of Object.entries(kernelFiles())) writeFileSync(name, bytes);
 * ```
 *
 * @module
 */
export { activeKernels } from "./kernels/mod.ts";
export { kernelBytes } from "./kernels/mod.ts";
export { kernelFiles } from "./kernels/mod.ts";
export { useKernels } from "./kernels/mod.ts";
export type { KernelModules } from "./kernels/mod.ts";
export type { KernelName } from "./kernels/mod.ts";
export type { KernelState } from "./kernels/mod.ts";
