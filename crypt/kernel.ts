/** What every kernel exports beside its functions. */
export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
}

/**
 * Starts a WebAssembly kernel.
 *
 * @param base64 The module.
 * @returns Its exports; null where there is no WebAssembly, no SIMD, or no leave to compile at run time, as on
 * some edge runtimes.
 */
export function startKernel<T extends KernelMemory>(base64: string): T | null {
  if (typeof WebAssembly === "undefined") return null;
  try {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return exports as unknown as T;
  } catch {
    return null;
  }
}
