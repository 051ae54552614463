import { type Coefficients, LANES } from "./coefficients.ts";
import {
  KERNEL_SHARDS,
  MAX_SIZE,
  STEP,
  STRIDE,
  type SumKernel,
  sumKernel,
  SUMS,
  TABLES,
  TABLES_END,
} from "./sum_kernel.ts";

/** The accumulators grow in steps of this many bytes of a shard. */
const GRANULE = 512;

/**
 * Adds the products of some bytes to the sums of four rows. Most of the time is spent in this loop.
 *
 * @param sums The sums: each integer holds one byte of each of the four rows.
 * @param table The products of each byte, for the four rows.
 * @param bytes The memory that holds the shard.
 * @param start Index of the shard's first byte.
 * @param fresh Index of the first byte whose sum holds nothing yet. From there on the products
 * replace the sums.
 * @param end Index after the shard's last byte.
 */
function accumulate(
  sums: Int32Array,
  table: Int32Array,
  bytes: Uint8Array,
  start: number,
  fresh: number,
  end: number,
): void {
  // V8's code is twice as fast when the loop counts from 0 and `| 0` makes the index a 32-bit
  // integer.
  const old = fresh - start;
  const size = end - start;
  for (let i = 0; i < old; i++) sums[i] ^= table[bytes[start + i | 0]];
  for (let i = old; i < size; i++) sums[i] = table[bytes[start + i | 0]];
}

/**
 * Computes linear combinations of shards over GF(2^8), and takes the shards one at a time.
 *
 * Shards may differ in length: a shorter shard counts as if zeros followed it. Where the runtime
 * has WebAssembly with SIMD, a kernel combines up to 16 shards in one pass. Elsewhere, one lookup
 * in a table gives the products of a byte for four rows, so four rows take little more time than
 * one.
 */
export class ShardSum {
  /** Length of the longest shard that was added, in bytes. */
  length = 0;
  #coefficients: Coefficients;
  /**
   * The sums, when the kernel does not compute them. Each array holds four rows, one byte of each
   * in an integer. The integers from `length` on are undefined.
   */
  readonly #sums: Int32Array[] = [];
  readonly #kernel: SumKernel | null;
  /** Whether the kernel computes the sums. They are then in its memory or in `#saved`. */
  #accelerated: boolean;
  /** Shards in the kernel's memory that are not added to the sums yet. */
  #queued = 0;
  /** The column of the first of them. */
  #firstColumn = 0;
  /** Bytes of each row that the kernel has computed; 0 for none yet. */
  #summed = 0;
  /** A copy of the kernel's rows, one after the other, while the kernel works on another sum. */
  #saved: Uint8Array<ArrayBuffer> | null = null;

  /**
   * Makes a sum without shards.
   *
   * @param coefficients The factor of each shard in each combination.
   * @param portable Whether the kernel is not used. Default: false.
   */
  constructor(coefficients: Coefficients, portable = false) {
    this.#coefficients = coefficients;
    this.#kernel = portable ? null : sumKernel();
    this.#accelerated = this.#kernel !== null && coefficients.kernelTables !== null;
  }

  /** Whether the kernel computes the sums. */
  get accelerated(): boolean {
    return this.#accelerated;
  }

  /** The factor of each shard in each combination. */
  get coefficients(): Coefficients {
    return this.#coefficients;
  }

  /**
   * Adds a shard to all combinations.
   *
   * @param column The shard's column in the coefficients.
   * @param bytes The memory that holds the shard. It may be reused after the call.
   * @param start Index of its first byte.
   * @param end Index after its last byte.
   * @throws {RangeError} When there is no such column, or the shard is not within `bytes`.
   */
  add(column: number, bytes: Uint8Array, start: number, end: number): void {
    const { rows, columns } = this.#coefficients;
    if (!(column >= 0 && column < columns)) {
      throw new RangeError(`Cannot add column ${column}: allowed are 0 to ${columns - 1}`);
    }
    if (!(start >= 0 && start <= end && end <= bytes.length)) {
      throw new RangeError(
        `Cannot add bytes ${start} to ${end}: allowed are ranges within 0 to ${bytes.length}`,
      );
    }
    const size = end - start;
    if (this.#accelerated && size > MAX_SIZE) this.#switchToTables();
    if (this.#accelerated) {
      this.#queue(this.#kernel!, column, bytes, start, end);
      return;
    }
    const fresh = Math.min(end, start + this.length);
    for (let pass = 0; pass * LANES < rows; pass++) {
      const table = this.#coefficients.table(pass, column);
      accumulate(this.#accumulator(pass, size), table, bytes, start, fresh, end);
    }
    if (size > this.length) this.length = size;
  }

  /** Copies a shard into the kernel's memory. */
  #queue(kernel: SumKernel, column: number, bytes: Uint8Array, start: number, end: number): void {
    if (kernel.owner !== this) this.#load(kernel);
    // One pass combines only shards of consecutive columns.
    if (this.#queued === KERNEL_SHARDS || column !== this.#firstColumn + this.#queued) {
      this.#combine(kernel);
    }
    if (this.#queued === 0) this.#firstColumn = column;
    const place = this.#queued++;
    const size = end - start;
    const at = TABLES_END + place * STRIDE;
    kernel.bytes.set(bytes.subarray(start, end), at);
    if (size < kernel.used[place]) kernel.bytes.fill(0, at + size, at + kernel.used[place]);
    kernel.used[place] = size;
    if (size > this.length) this.length = size;
  }

  /** Adds the queued shards to the sums. */
  #combine(kernel: SumKernel): void {
    const shards = this.#queued;
    if (shards === 0) return;
    this.#queued = 0;
    const { rows, columns, kernelTables } = this.#coefficients;
    if (kernel.coefficients !== this.#coefficients) {
      kernel.bytes.set(kernelTables!, TABLES);
      kernel.coefficients = this.#coefficients;
    }
    const length = (this.length + STEP - 1) & -STEP;
    const summed = this.#summed;
    if (summed > 0 && summed < length) {
      for (let row = 0; row < rows; row++) {
        const at = SUMS + row * STRIDE;
        kernel.bytes.fill(0, at + summed, at + length);
      }
    }
    kernel.combine(rows, this.#firstColumn, shards, columns, length, summed === 0 ? 1 : 0);
    this.#summed = length;
  }

  /** Becomes the kernel's owner, and copies the sums into its memory. */
  #load(kernel: SumKernel): void {
    if (kernel.owner) kernel.owner.#save(kernel);
    kernel.owner = this;
    const summed = this.#summed;
    if (summed === 0) return;
    for (let row = 0; row < this.#coefficients.rows; row++) {
      const sums = this.#saved!.subarray(row * summed, (row + 1) * summed);
      kernel.bytes.set(sums, SUMS + row * STRIDE);
    }
  }

  /** Copies the sums out of the kernel's memory, so that another sum can own it. */
  #save(kernel: SumKernel): void {
    this.#combine(kernel);
    kernel.owner = null;
    const summed = this.#summed;
    if (summed === 0) return;
    const { rows } = this.#coefficients;
    if (!this.#saved || this.#saved.length < rows * summed) {
      this.#saved = new Uint8Array(rows * summed);
    }
    for (let row = 0; row < rows; row++) {
      const at = SUMS + row * STRIDE;
      this.#saved.set(kernel.bytes.subarray(at, at + summed), row * summed);
    }
  }

  /** Continues without the kernel, because the next shard is too long for it. */
  #switchToTables(): void {
    const kernel = this.#kernel!;
    if (kernel.owner === this) this.#save(kernel);
    this.#accelerated = false;
    const summed = this.#summed;
    if (summed === 0) return;
    for (let row = 0; row < this.#coefficients.rows; row++) {
      const sums = this.#accumulator(row >> 2, this.length);
      if (row % LANES === 0) sums.fill(0, 0, this.length);
      for (let i = 0; i < this.length; i++) {
        sums[i] |= this.#saved![row * summed + i] << row % LANES * 8;
      }
    }
  }

  /** The sums of four rows, with room for `size` bytes of each. */
  #accumulator(pass: number, size: number): Int32Array {
    const sums = this.#sums[pass];
    if (sums && sums.length >= size) return sums;
    const larger = new Int32Array(Math.ceil(Math.max(size, 1) / GRANULE) * GRANULE);
    if (sums) larger.set(sums.subarray(0, this.length));
    return this.#sums[pass] = larger;
  }

  /**
   * Writes the combination of the shards that were added so far.
   *
   * @param row Which combination.
   * @param target The memory to write to.
   * @param at Index of the first byte in `target`.
   * @param length Bytes to write. The bytes after {@linkcode ShardSum.length} are zeros.
   * @throws {RangeError} When there is no such row, or `target` is too short.
   */
  write(row: number, target: Uint8Array, at: number, length: number): void {
    const { rows } = this.#coefficients;
    if (!(row >= 0 && row < rows)) {
      throw new RangeError(`Cannot write row ${row}: allowed are 0 to ${rows - 1}`);
    }
    if (!(at >= 0 && length >= 0 && at + length <= target.length)) {
      throw new RangeError(
        `Cannot write ${length} bytes at ${at}: allowed are ranges within 0 to ${target.length}`,
      );
    }
    const summed = Math.min(length, this.length);
    if (summed > 0) {
      if (this.#accelerated) {
        const kernel = this.#kernel!;
        if (kernel.owner !== this) this.#load(kernel);
        this.#combine(kernel);
        const from = SUMS + row * STRIDE;
        target.set(kernel.bytes.subarray(from, from + summed), at);
      } else {
        const sums = this.#sums[Math.floor(row / LANES)];
        const shift = row % LANES * 8;
        for (let i = 0; i < summed; i++) target[at + i | 0] = sums[i] >>> shift;
      }
    }
    if (summed < length) target.fill(0, at + summed, at + length);
  }

  /**
   * Removes all shards. The memory is kept for the next ones.
   *
   * @param coefficients The factors from now on. Default: the same as before.
   */
  reset(coefficients: Coefficients = this.#coefficients): void {
    this.#coefficients = coefficients;
    this.length = 0;
    this.#queued = this.#summed = 0;
    this.#accelerated = this.#kernel !== null && coefficients.kernelTables !== null;
  }
}
