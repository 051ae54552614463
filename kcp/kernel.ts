/**
 * WebAssembly kernels, and the memory that they work in.
 *
 * @module
 */

/** What a kernel exports that has a memory of its own. */
export interface OwnMemory {
  readonly memory: WebAssembly.Memory;
}

/** Compiles the first of some modules, in base64, that the runtime takes; null if it takes none. */
function compile(modules: readonly string[]): WebAssembly.Module | null {
  if (typeof WebAssembly === "undefined") return null;
  for (const base64 of modules) {
    try {
      return new WebAssembly.Module(
        Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)),
      );
    } catch {
      // The next one asks for less.
    }
  }
  return null;
}

/**
 * Starts a WebAssembly kernel that has a memory of its own.
 *
 * @param modules The module, in base64; several where one that is faster asks more of the runtime: the first that it takes
 * is started.
 * @returns Its exports; null where there is no WebAssembly, no SIMD, or no leave to compile at run time, as on
 * some edge runtimes.
 */
export function startKernel<T extends OwnMemory>(...modules: string[]): T | null {
  const module = compile(modules);
  return module && new WebAssembly.Instance(module).exports as unknown as T;
}

/** Bytes at the start of a {@linkcode KernelMemory} that are the kernels': `memory.as.ts` says whose. */
const AREA = 20_480;
/** Bytes behind the data, since kernels look beyond it, and leave what is there as it is. */
const BEHIND = 512;
const PAGE = 65_536;
/** Bytes that fit into the memory which takes what lies elsewhere. */
const SHARED_SIZE = 65_536;

/**
 * A memory that kernels can reach. What lies in its data they work on in place.
 *
 * Data that lies elsewhere is copied into a memory that all share, and back.
 */
export class KernelMemory {
  static readonly #byBuffer = new WeakMap<ArrayBufferLike, KernelMemory>();
  static #shared: KernelMemory | null | undefined;
  /** The memory, which never grows. */
  readonly memory: WebAssembly.Memory;
  /** All of it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is not the kernels' own. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** What each module keeps for this memory. */
  readonly kernels = new Map<unknown, unknown>();

  private constructor(memory: WebAssembly.Memory, size: number) {
    const buffer = memory.buffer as ArrayBuffer;
    this.memory = memory;
    this.bytes = new Uint8Array(buffer);
    this.data = new Uint8Array(buffer, AREA, size);
    KernelMemory.#byBuffer.set(buffer, this);
  }

  /** Makes one with so many bytes of data; null where it can't be had. */
  static create(size: number): KernelMemory | null {
    if (typeof WebAssembly === "undefined") return null;
    const pages = Math.ceil((AREA + size + BEHIND) / PAGE);
    try {
      return new KernelMemory(new WebAssembly.Memory({ initial: pages, maximum: pages }), size);
    } catch {
      // There is a limit to how many there may be.
      return null;
    }
  }

  /** The one to use for some bytes: that in which they lie, or else the shared one; null if there is none. */
  static for(bytes: Uint8Array): KernelMemory | null {
    const own = KernelMemory.#byBuffer.get(bytes.buffer);
    if (own) return own;
    if (KernelMemory.#shared === undefined) KernelMemory.#shared = KernelMemory.create(SHARED_SIZE);
    return KernelMemory.#shared;
  }

  /** How many bytes it takes at once of what lies in `bytes`. */
  capacity(bytes: Uint8Array): number {
    return bytes.buffer === this.bytes.buffer ? Infinity : SHARED_SIZE;
  }

  /**
   * Puts bytes where kernels reach them, unless they are there already.
   *
   * @returns What is to be added to an offset in `bytes` for the address.
   */
  enter(bytes: Uint8Array, start: number, end: number): number {
    if (bytes.buffer === this.bytes.buffer) return bytes.byteOffset;
    this.data.set(bytes.subarray(start, end));
    return AREA - start;
  }

  /** Puts them back where they came from. */
  leave(bytes: Uint8Array, start: number, end: number): void {
    if (bytes.buffer === this.bytes.buffer) return;
    bytes.set(this.data.subarray(0, end - start), start);
  }
}

/** A kernel for memories that are made elsewhere: it is started in each that it is used on. */
export class KernelModule<T, K> {
  readonly #modules: readonly string[];
  readonly #start: (exports: T, memory: KernelMemory) => K;
  #compiled: WebAssembly.Module | null | undefined;

  /**
   * @param modules The module, in base64: see {@linkcode startKernel}.
   * @param start Prepares a memory in which it was started, once, and gives what is kept for it.
   */
  constructor(modules: readonly string[], start: (exports: T, memory: KernelMemory) => K) {
    this.#modules = modules;
    this.#start = start;
  }

  /** What is kept for the memory to use for some bytes; null where the kernel can't be started. */
  for(bytes: Uint8Array): K | null {
    const memory = KernelMemory.for(bytes);
    if (!memory) return null;
    const kept = memory.kernels.get(this) as K | null | undefined;
    return kept === undefined ? this.#startIn(memory) : kept;
  }

  #startIn(memory: KernelMemory): K | null {
    if (this.#compiled === undefined) this.#compiled = compile(this.#modules);
    let kept: K | null = null;
    if (this.#compiled) {
      const imports = { env: { memory: memory.memory } };
      try {
        const { exports } = new WebAssembly.Instance(this.#compiled, imports);
        kept = this.#start(exports as unknown as T, memory);
      } catch {
        // The runtime has no room for one more.
      }
    }
    memory.kernels.set(this, kept);
    return kept;
  }
}
