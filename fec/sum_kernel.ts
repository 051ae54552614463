import { type OwnMemory, SharedKernel } from "../kcp/kernel.ts";
import type { Coefficients } from "./coefficients.ts";
import { RELAXED_WASM, WASM } from "./galois_field_wasm.ts";
import type { ShardSum } from "./shard_sum.ts";

// The layout of the kernel's memory, as in galois_field.as.ts.

/** Address of the multiplication tables. */
export const TABLES = 4096;
/** Address after the tables. The shards begin here. */
export const TABLES_END = 131_072;
/** Bytes from one shard to the next, and from one row of sums to the next. */
export const STRIDE = 65_536 + 192;
/** Most shards that the kernel combines in one pass. */
export const KERNEL_SHARDS = 16;
/** Most rows of sums. */
export const KERNEL_ROWS = 16;
/** Address of the sums. */
export const SUMS = TABLES_END + KERNEL_SHARDS * STRIDE;
/** Most bytes of a shard. */
export const MAX_SIZE = 65_536;
/** Bytes of each shard that the kernel combines at a time. */
export const STEP = 32;

/** The exports of the kernel. With SIMD it combines 32 bytes of all shards at a time. */
interface Kernel extends OwnMemory {
  /**
   * Adds the products of the shards in the kernel's memory to the sums.
   *
   * @param rows Rows of sums.
   * @param first Column of the first shard.
   * @param shards Number of shards.
   * @param columns Columns of the tables.
   * @param length Bytes of each shard, a multiple of 32.
   * @param fresh 1 if the sums hold nothing yet and are replaced, else 0.
   */
  combine(
    rows: number,
    first: number,
    shards: number,
    columns: number,
    length: number,
    fresh: number,
  ): void;
}

/**
 * The running kernel. Its memory holds the sums of one {@linkcode ShardSum} at a time, its owner.
 * All other sums keep copies of theirs.
 */
export class SumKernel {
  /** Adds the products of the shards in the kernel's memory to the sums. */
  readonly combine: Kernel["combine"];
  /** The kernel's memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The sum whose rows the memory holds. */
  owner: ShardSum | null = null;
  /** The coefficients whose tables the memory holds. */
  coefficients: Coefficients | null = null;
  /** The length of the last shard in each place. Zeros follow it, up to the length of the sums. */
  readonly used = new Int32Array(KERNEL_SHARDS);

  /** @param kernel The exports of the kernel. */
  constructor({ combine, memory }: Kernel) {
    this.combine = combine;
    this.bytes = new Uint8Array(memory.buffer as ArrayBuffer);
  }
}

const SHARED = /* @__PURE__ */ new SharedKernel<Kernel, SumKernel>(
  "galoisField",
  [RELAXED_WASM, WASM],
  (kernel) => new SumKernel(kernel),
);

/** The kernel, started at first use. Null on a runtime without WebAssembly or SIMD. */
export function sumKernel(): SumKernel | null {
  return SHARED.get();
}
