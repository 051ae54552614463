/**
 * Which WebAssembly kernels run, and modules for them that are compiled ahead.
 *
 * @module
 */
export { activeKernels, type KernelName, type KernelState } from "./active_kernels.ts";
export { kernelBytes, kernelFiles } from "./kernel_files.ts";
export { type KernelModules, useKernels } from "./use_kernels.ts";
