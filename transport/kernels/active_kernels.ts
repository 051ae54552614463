import {
  KERNEL_NAMES,
  type KernelName,
  kernelSource,
  type KernelState,
} from "../../kcp/kernel_source.ts";

export type { KernelName, KernelState };

/**
 * Tells for each kernel how its work is done, and why.
 *
 * A kernel that was not used yet is not started by this. Its `used` is false, and its `path` is what
 * is expected: to find out, modules of at most 36 bytes are compiled. Where a policy forbids that, a
 * browser reports one violation.
 *
 * What was made before {@linkcode useKernels} was called may keep the path that it had.
 *
 * @returns The state of each kernel, by name.
 *
 * @example
 * ```ts
 * import { activeKernels } from "@lowlatency/kcp/kernels";
 *
 * const { path, reason } = activeKernels().chacha20Poly1305;
 * if (path === "portable") console.warn(`Packets are encrypted slowly: ${reason}`);
 * ```
 */
export function activeKernels(): Record<KernelName, KernelState> {
  return Object.fromEntries(
    KERNEL_NAMES.map((name) => [name, kernelSource(name).state]),
  ) as Record<KernelName, KernelState>;
}
