/**
 * Where the modules of WebAssembly kernels come from: an application compiled them ahead, or they
 * are compiled at run time.
 *
 * @module
 */

import { DIGESTS } from "./kernel_digests.ts";
import { compilesRelaxedSimd, compilesSimd, decodeModule, wasmProblem } from "./wasm_support.ts";

/** The name of a kernel. `useKernels` describes what the kernels do. */
export type KernelName =
  | "aes"
  | "chacha20Poly1305"
  | "copy"
  | "crc32"
  | "galoisField"
  | "salsa20";

/** How the work of one kernel is done, and why. */
export interface KernelState {
  /**
   * How the work is done, or would be done if the kernel were used now:
   *
   * - `precompiled`: by a module that was given to `useKernels`;
   * - `compiled`: by a module that the runtime compiled at first use;
   * - `portable`: by JavaScript, without WebAssembly.
   */
  readonly path: "precompiled" | "compiled" | "portable";
  /** Whether the module uses relaxed SIMD. Only some kernels have such a variant. */
  readonly relaxed: boolean;
  /** Whether the kernel was used. Until then `path` is what is expected. */
  readonly used: boolean;
  /**
   * Why it is this path: for example `no WebAssembly`, `no SIMD`, or `compiling is forbidden` and
   * the error of the runtime.
   */
  readonly reason: string;
}

/** What a module says of itself, in a custom section that tests/kernels.ts writes. */
export interface KernelLabel {
  /** The name of the kernel. */
  readonly name: string;
  /** `plain` or `relaxed`. */
  readonly variant: string;
  /** Whether this version of the library has that module. */
  readonly known: boolean;
}

const SECTION = "kcp.kernel";
const KNOWN: Readonly<Record<KernelName, { readonly plain: string; readonly relaxed?: string }>> =
  DIGESTS;

/** The names of all kernels. */
export const KERNEL_NAMES: readonly KernelName[] = /* @__PURE__ */ Object.freeze(
  /* @__PURE__ */ Object.keys(KNOWN) as KernelName[],
);

/**
 * Reads which kernel a module is.
 *
 * @returns Null if it is no kernel of any version of the library.
 * @throws {TypeError} If the value is no module.
 */
export function labelOf(module: WebAssembly.Module): KernelLabel | null {
  const [section] = WebAssembly.Module.customSections(module, SECTION);
  if (!section) return null;
  const [name, variant, digest] = new TextDecoder().decode(section).split("/");
  const digests = KERNEL_NAMES.includes(name as KernelName) ? KNOWN[name as KernelName] : null;
  const known = digests !== null && digest !== undefined &&
    (variant === "plain" && digest === digests.plain ||
      variant === "relaxed" && digest === digests.relaxed);
  return { name, variant, known };
}

/**
 * Compiles the first module that the runtime supports.
 *
 * @param modules Variants of the module in base64, the fastest first.
 * @returns The module; or why there is none.
 */
export function compileKernel(modules: readonly string[]): WebAssembly.Module | string {
  const problem = wasmProblem();
  if (problem !== null) return problem;
  let error: unknown = "there is no module";
  for (const base64 of modules) {
    try {
      return new WebAssembly.Module(decodeModule(base64));
    } catch (reason) {
      // The next module needs fewer features.
      error = reason;
    }
  }
  return compilesSimd() ? `the runtime does not compile it: ${error}` : "no SIMD";
}

/** Where one kernel has its module from, and whether that works. */
export class KernelSource {
  readonly #name: KernelName;
  #given: WebAssembly.Module | null = null;
  /** The module in use, or why there is none. Undefined until it is asked for. */
  #module: WebAssembly.Module | string | undefined;
  /** Why the kernel does not run. Null if it runs, undefined before the first use. */
  #problem: string | null | undefined;
  /**
   * Another object after each {@linkcode KernelSource.give}. Code that keeps a running kernel
   * compares it, and then starts the kernel anew.
   */
  version: object = {};

  /** @param name The name of the kernel. */
  constructor(name: KernelName) {
    this.#name = name;
  }

  /** Takes a module of this kernel that the application compiled. */
  give(module: WebAssembly.Module): void {
    this.#given = module;
    this.#module = this.#problem = undefined;
    this.version = {};
  }

  /**
   * Runs a function with the module. The first time, the module is compiled if none was given.
   *
   * @param modules Variants of the module in base64, the fastest first.
   * @param start Starts the kernel.
   * @returns What `start` returns. Null if there is no module, or `start` throws.
   */
  start<K>(modules: readonly string[], start: (module: WebAssembly.Module) => K): K | null {
    const module = this.#module ??= this.#given ?? compileKernel(modules);
    if (typeof module === "string") {
      this.fail(module);
      return null;
    }
    try {
      const kernel = start(module);
      this.#problem = null;
      return kernel;
    } catch (error) {
      // Runtimes limit the number of memories and instances.
      this.fail(`the runtime does not start it: ${error}`);
      return null;
    }
  }

  /** Notes that the kernel was wanted, and why it does not run. */
  fail(problem: string): void {
    this.#problem = problem;
  }

  /** How the work is done. If the kernel was not used, this may compile tiny modules to find out. */
  get state(): KernelState {
    const used = this.#problem !== undefined;
    const problem = used ? this.#problem : this.#given ? null : this.#expectedProblem();
    if (problem != null) return { path: "portable", relaxed: false, used, reason: problem };
    if (this.#given) {
      const relaxed = labelOf(this.#given)?.variant === "relaxed";
      return { path: "precompiled", relaxed, used, reason: "useKernels was given a module" };
    }
    const relaxed = typeof this.#module === "object"
      ? labelOf(this.#module)?.variant === "relaxed"
      : KNOWN[this.#name].relaxed !== undefined && compilesRelaxedSimd();
    return { path: "compiled", relaxed, used, reason: "the runtime compiles WebAssembly" };
  }

  #expectedProblem(): string | null {
    const needsSimd = this.#name !== "copy";
    return wasmProblem() ?? (needsSimd && !compilesSimd() ? "no SIMD" : null);
  }
}

const SOURCES = new Map<KernelName, KernelSource>();

/** The source of a kernel. All that use the kernel share it. */
export function kernelSource(name: KernelName): KernelSource {
  let source = SOURCES.get(name);
  if (!source) SOURCES.set(name, source = new KernelSource(name));
  return source;
}
