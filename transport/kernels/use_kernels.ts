import { KERNEL_NAMES, type KernelName, kernelSource, labelOf } from "../../kcp/kernel_source.ts";

/** Modules by the names of their kernels. */
export type KernelModules = { readonly [name in KernelName]?: WebAssembly.Module | undefined };

/**
 * Uses modules that were compiled ahead, in place of modules that are compiled at run time.
 *
 * | name | what it does | without it | file |
 * | --- | --- | --- | --- |
 * | `aes` | the ciphers `aes-*` and `aes-*-gcm` | tables, `@noble/ciphers` | `aes.wasm` |
 * | `chacha20Poly1305` | the cipher `chacha20-poly1305` | `@noble/ciphers` | `chacha20_poly1305.wasm` |
 * | `copy` | copies packets in memory | `copyWithin` | `copy.wasm` |
 * | `crc32` | checksums of ciphers that do not authenticate | tables | `crc32.wasm` |
 * | `galoisField` | forward error correction | tables | `galois_field.wasm` |
 * | `salsa20` | the cipher `salsa20` | `@noble/ciphers` | `salsa20.wasm` |
 *
 * `aes`, `chacha20Poly1305` and `galoisField` have a second file, for example `aes_relaxed.wasm`. It
 * uses relaxed SIMD and is faster, where the runtime has that. All but `copy` need SIMD.
 * {@linkcode kernelFiles} gives the files.
 *
 * Call it before the first connection, listener, session or cipher is made. What was made before may
 * keep the path that it had; what is made later uses the modules. A later call replaces the modules
 * that it names, and leaves the others.
 *
 * @param modules The modules. Kernels that are left out, or undefined, stay as they are.
 * @throws {TypeError} If a name is unknown, a value is no module, or a module is not that kernel of
 * this version of the library. Then no module is used.
 *
 * @example On Cloudflare Workers, whose build makes a module of each imported .wasm file
 * ```ts ignore
 * import aes from "./aes_relaxed.wasm";
 * import galoisField from "./galois_field_relaxed.wasm";
 * import { useKernels } from "@lowlatency/kcp/kernels";
 *
 * useKernels({ aes, galoisField });
 * ```
 *
 * @example
 * ```ts
 * import { activeKernels, kernelBytes, useKernels } from "@lowlatency/kcp/kernels";
 *
 * useKernels({ aes: await WebAssembly.compile(kernelBytes("aes")) });
 * console.log(activeKernels().aes.path); // prints: precompiled
 * ```
 */
export function useKernels(modules: KernelModules): void {
  const given = Object.entries(modules).filter(([, module]) => module !== undefined);
  for (const [name, module] of given) check(name, module);
  for (const [name, module] of given) kernelSource(name as KernelName).give(module!);
}

/** @throws {TypeError} If the module is not that kernel. */
function check(name: string, module: unknown): void {
  if (!KERNEL_NAMES.includes(name as KernelName)) {
    throw new TypeError(`Cannot use a kernel ${name}: allowed are ${KERNEL_NAMES.join(", ")}`);
  }
  const problem = problemOf(name, module);
  if (problem !== null) throw new TypeError(`Cannot use this for the kernel ${name}: ${problem}`);
}

function problemOf(name: string, module: unknown): string | null {
  if (!isModule(module)) return `it must be a WebAssembly.Module, but is ${typeName(module)}`;
  const label = labelOf(module);
  if (label === null) {
    return "it is a module of something else, or a tool has removed its custom sections";
  }
  if (label.name !== name) return `it is the kernel ${label.name}`;
  return label.known ? null : "it is of another version of the library";
}

/** Also true for a module of another realm, of which `instanceof` knows nothing. */
function isModule(value: unknown): value is WebAssembly.Module {
  if (typeof WebAssembly === "undefined") return false;
  try {
    WebAssembly.Module.exports(value as WebAssembly.Module);
    return true;
  } catch {
    return false;
  }
}

function typeName(value: unknown): string {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
