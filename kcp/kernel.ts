/**
 * WebAssembly kernels, and the memory that they work in.
 *
 * @module
 */

import {
  compileKernel,
  type KernelName,
  type KernelSource,
  kernelSource,
} from "./kernel_source.ts";

/** The exports of a kernel that has a memory of its own. */
export interface OwnMemory {
  readonly memory: WebAssembly.Memory;
}

/**
 * Starts a WebAssembly kernel that has a memory of its own.
 *
 * @param modules Variants of the module in base64, the fastest first. The first that the runtime
 * supports is started.
 * @returns Its exports. Null if the runtime has no WebAssembly or no SIMD, or forbids to compile at
 * run time, as some edge runtimes do.
 */
export function startKernel<T extends OwnMemory>(...modules: string[]): T | null {
  const module = compileKernel(modules);
  return typeof module === "string" ? null : startModule<T>(module);
}

function startModule<T extends OwnMemory>(module: WebAssembly.Module): T {
  return new WebAssembly.Instance(module).exports as unknown as T;
}

/** A kernel with a memory of its own, of which one instance does all the work. */
export class SharedKernel<T extends OwnMemory, K> {
  readonly #source: KernelSource;
  readonly #modules: readonly string[];
  readonly #start: (exports: T) => K;
  #version: object | null = null;
  #kernel: K | null = null;

  /**
   * @param name The name of the kernel.
   * @param modules Variants of the module in base64. See {@linkcode startKernel}.
   * @param start Prepares the kernel, after it was started.
   */
  constructor(name: KernelName, modules: readonly string[], start: (exports: T) => K) {
    this.#source = kernelSource(name);
    this.#modules = modules;
    this.#start = start;
  }

  /** What `start` returned. The first call starts the kernel. Null if it can't be started. */
  get(): K | null {
    const { version } = this.#source;
    if (this.#version !== version) {
      this.#version = version;
      this.#kernel = this.#source.start(
        this.#modules,
        (module) => this.#start(startModule<T>(module)),
      );
    }
    return this.#kernel;
  }
}

/** Bytes at the start of a {@linkcode KernelMemory} that kernels use. See `memory.as.ts`. */
const AREA = 20_480;
/** Bytes behind the data. Kernels may read beyond the end of the data, but do not change them. */
const BEHIND = 512;
const PAGE = 65_536;
/** Data bytes of the shared memory, which takes copies of data from elsewhere. */
const SHARED_SIZE = 65_536;

/**
 * A WebAssembly memory for kernels. Kernels process its data in place.
 *
 * Data from elsewhere is copied into one shared memory, and back.
 */
export class KernelMemory {
  static readonly #byBuffer = new WeakMap<ArrayBufferLike, KernelMemory>();
  static #shared: KernelMemory | null | undefined;
  /** Why the runtime refused the last memory that it refused. */
  static problem = "there is no memory";
  /** The memory. It never grows. */
  readonly memory: WebAssembly.Memory;
  /** All bytes of the memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The part for data. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** What each version of a kernel prepared for this memory. */
  readonly kernels = new Map<object, unknown>();

  private constructor(memory: WebAssembly.Memory, size: number) {
    const buffer = memory.buffer as ArrayBuffer;
    this.memory = memory;
    this.bytes = new Uint8Array(buffer);
    this.data = new Uint8Array(buffer, AREA, size);
    KernelMemory.#byBuffer.set(buffer, this);
  }

  /** Creates a memory with `size` bytes for data. Null if the runtime refuses it. */
  static create(size: number): KernelMemory | null {
    if (typeof WebAssembly === "undefined") {
      KernelMemory.problem = "no WebAssembly";
      return null;
    }
    const pages = Math.ceil((AREA + size + BEHIND) / PAGE);
    try {
      return new KernelMemory(new WebAssembly.Memory({ initial: pages, maximum: pages }), size);
    } catch (error) {
      // Runtimes limit the number of memories.
      KernelMemory.problem = `the runtime gives no memory: ${error}`;
      return null;
    }
  }

  /** The memory that holds `bytes`, or else the shared memory. Null if there is none. */
  static for(bytes: Uint8Array): KernelMemory | null {
    const own = KernelMemory.#byBuffer.get(bytes.buffer);
    if (own) return own;
    if (KernelMemory.#shared === undefined) KernelMemory.#shared = KernelMemory.create(SHARED_SIZE);
    return KernelMemory.#shared;
  }

  /** How many of `bytes` it can process at once. */
  capacity(bytes: Uint8Array): number {
    return bytes.buffer === this.bytes.buffer ? Infinity : SHARED_SIZE;
  }

  /**
   * Copies bytes to this memory, if they are not in it already.
   *
   * @returns The difference between the address of a byte and its offset in `bytes`.
   */
  enter(bytes: Uint8Array, start: number, end: number): number {
    if (bytes.buffer === this.bytes.buffer) return bytes.byteOffset;
    this.data.set(bytes.subarray(start, end));
    return AREA - start;
  }

  /** Copies bytes back that {@linkcode KernelMemory.enter} copied. */
  leave(bytes: Uint8Array, start: number, end: number): void {
    if (bytes.buffer === this.bytes.buffer) return;
    bytes.set(this.data.subarray(0, end - start), start);
  }
}

/**
 * A kernel without a memory of its own. One instance is started for each memory that it is used on.
 */
export class KernelModule<T, K> {
  readonly #source: KernelSource;
  readonly #modules: readonly string[];
  readonly #start: (exports: T, memory: KernelMemory) => K;

  /**
   * @param name The name of the kernel.
   * @param modules Variants of the module in base64. See {@linkcode startKernel}.
   * @param start Prepares a memory once, after the kernel was started. The memory keeps its result.
   */
  constructor(
    name: KernelName,
    modules: readonly string[],
    start: (exports: T, memory: KernelMemory) => K,
  ) {
    this.#source = kernelSource(name);
    this.#modules = modules;
    this.#start = start;
  }

  /** The result of `start` for the memory of `bytes`. Null if the kernel can't be started. */
  for(bytes: Uint8Array): K | null {
    const memory = KernelMemory.for(bytes);
    if (!memory) {
      this.#source.fail(KernelMemory.problem);
      return null;
    }
    const kept = memory.kernels.get(this.#source.version) as K | null | undefined;
    return kept === undefined ? this.#startIn(memory) : kept;
  }

  #startIn(memory: KernelMemory): K | null {
    const imports = { env: { memory: memory.memory } };
    const kept = this.#source.start(this.#modules, (module) => {
      const { exports } = new WebAssembly.Instance(module, imports);
      return this.#start(exports as unknown as T, memory);
    });
    memory.kernels.set(this.#source.version, kept);
    return kept;
  }
}
