/** What every kernel exports beside its functions. */
export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
}

/**
 * Starts a WebAssembly kernel.
 *
 * @param modules The module, in base64; several where one that is faster asks more of the runtime: the first that starts is
 * taken.
 * @returns Its exports; null where there is no WebAssembly, no SIMD, or no leave to compile at run time, as on
 * some edge runtimes.
 */
export function startKernel<T extends KernelMemory>(...modules: string[]): T | null {
  if (typeof WebAssembly === "undefined") return null;
  for (const base64 of modules) {
    try {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
      return exports as unknown as T;
    } catch {
      // The next one asks for less.
    }
  }
  return null;
}
