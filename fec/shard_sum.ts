import { type OwnMemory, startKernel } from "../kcp/kernel.ts";
import { multiply } from "./galois_field.ts";
import { RELAXED_WASM, WASM } from "./galois_field_wasm.ts";
import type { Matrix } from "./matrix.ts";

/** Rows whose products of one byte lie side by side in the four bytes of one integer. */
const LANES = 4;
/** Accumulators grow by so many positions at a time. */
const GRANULE = 512;

/** A table that is used up by the call that fills it, for matrices that keep none. */
let scratch: Int32Array | undefined;

/**
 * Fills a table with the products of each byte and four factors, of which `factors` is made: the first
 * one is the lowest byte.
 */
function fillTable(table: Int32Array, factors: number): void {
  table[0] = 0;
  // Products of powers of two are computed; the others are sums of them.
  for (let bit = 1; bit < 256; bit <<= 1) {
    let products = 0;
    for (let shift = 0; shift < 32; shift += 8) {
      products |= multiply(factors >>> shift & 255, bit) << shift;
    }
    for (let i = 0; i < bit; i++) table[bit + i] = table[i] ^ products;
  }
}

/**
 * The factors of linear combinations of shards, one row a combination, one column a shard.
 *
 * They never change, so any number of {@linkcode ShardSum}s may share them, and the tables with them.
 */
export class Coefficients {
  /** Number of combinations. */
  readonly rows: number;
  /** Number of shards that are combined. */
  readonly columns: number;
  readonly #matrix: Matrix;
  readonly #tables: (Int32Array | undefined)[] | null;
  #kernelTables: Uint8Array<ArrayBuffer> | null | undefined;

  /**
   * Makes coefficients of a matrix.
   *
   * @param matrix The factors, which must not be changed any more.
   * @param keepTables Whether the tables that multiply are kept: 1 KiB a column for each four rows, begun.
   * To build one takes about a sixth of the time of using it for a packet.
   */
  constructor(matrix: Matrix, keepTables = true) {
    this.#matrix = matrix;
    this.rows = matrix.rows;
    this.columns = matrix.columns;
    this.#tables = keepTables ? [] : null;
  }

  /**
   * The tables of the kernel: for each four rows, column by column, those of up to four factors; each has the products of 0
   * to 15, and of 0, 16, 32 and so on to 240. Null when they are more than the kernel takes.
   */
  get kernelTables(): Uint8Array<ArrayBuffer> | null {
    const { rows, columns } = this;
    if (this.#kernelTables !== undefined) return this.#kernelTables;
    const size = Math.ceil(rows / LANES) * columns * LANES * 32;
    if (rows > KERNEL_ROWS || size > TABLES_END - TABLES) return this.#kernelTables = null;
    const tables = new Uint8Array(size);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = ((row >> 2) * columns + column) * LANES * 32 + row % LANES * 32;
        const factor = this.at(row, column);
        // Those of powers of two are computed; the others are sums of them.
        for (let bit = 1; bit < 16; bit <<= 1) {
          const low = multiply(factor, bit), high = multiply(factor, bit << 4);
          for (let i = 0; i < bit; i++) {
            tables[at + bit + i] = tables[at + i] ^ low;
            tables[at + 16 + bit + i] = tables[at + 16 + i] ^ high;
          }
        }
      }
    }
    return this.#kernelTables = tables;
  }

  /** The factor of a shard in a combination. */
  at(row: number, column: number): number {
    return this.#matrix.at(row, column);
  }

  /**
   * The products of each byte and the factors of one column in four rows, side by side: that of the
   * first row is the lowest byte. The table is valid until the next call.
   *
   * @param pass The rows: 4 × pass and the next three, as far as there are any.
   * @param column The column.
   */
  table(pass: number, column: number): Int32Array {
    const tables = this.#tables;
    const index = pass * this.columns + column;
    let table = tables ? tables[index] : scratch;
    if (table && tables) return table;
    table ??= new Int32Array(256);
    if (tables) tables[index] = table;
    else scratch = table;
    let factors = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const row = LANES * pass + lane;
      if (row < this.rows) factors |= this.at(row, column) << 8 * lane;
    }
    fillTable(table, factors);
    return table;
  }
}

/**
 * Adds the products of a run of bytes to four rows at once. This loop is where the time goes.
 *
 * @param sums The four rows, side by side.
 * @param table The products of each byte.
 * @param bytes Where the run lies.
 * @param start Index of its first byte.
 * @param fresh Index of the first byte whose sum holds nothing of use, and is replaced.
 * @param end Index after its last byte.
 */
function accumulate(
  sums: Int32Array,
  table: Int32Array,
  bytes: Uint8Array,
  start: number,
  fresh: number,
  end: number,
): void {
  // To count from 0, and to say that an index is a 32-bit integer, makes V8's code twice as fast.
  const old = fresh - start;
  const size = end - start;
  for (let i = 0; i < old; i++) sums[i] ^= table[bytes[start + i | 0]];
  for (let i = old; i < size; i++) sums[i] = table[bytes[start + i | 0]];
}

// Where the kernel has what: see its source.
const TABLES = 4096;
const TABLES_END = 131_072;
const STRIDE = 65_536 + 192;
/** Shards that it combines in one pass, and rows of sums. */
const KERNEL_SHARDS = 16;
const KERNEL_ROWS = 16;
const SUMS = TABLES_END + KERNEL_SHARDS * STRIDE;
/** Bytes of a shard at most, and those that it takes at a time. */
const MAX_SIZE = 65_536;
const STEP = 32;

/** The kernel: 32 bytes of all shards at once with SIMD. */
interface Kernel extends OwnMemory {
  /**
   * Adds the products of the shards that lie there to the sums.
   *
   * @param rows Rows of sums.
   * @param first Column of the first shard.
   * @param shards How many there are.
   * @param columns Columns of the tables.
   * @param length Bytes of each, a multiple of 32.
   * @param fresh 1 if the sums hold nothing yet, else 0.
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

/** The running kernel. It works on one {@linkcode ShardSum} at a time, its resident; the others keep their sums. */
class SumKernel {
  readonly combine: Kernel["combine"];
  readonly bytes: Uint8Array<ArrayBuffer>;
  resident: ShardSum | null = null;
  /** Whose tables lie there. */
  coefficients: Coefficients | null = null;
  /** Behind this index each shard's place holds zeros, up to where the sums have been. */
  readonly used = new Int32Array(KERNEL_SHARDS);

  constructor({ combine, memory }: Kernel) {
    this.combine = combine;
    this.bytes = new Uint8Array(memory.buffer as ArrayBuffer);
  }
}

let kernel: SumKernel | null | undefined;

/** The kernel, started at first use; null where it can't be. */
function sumKernel(): SumKernel | null {
  if (kernel === undefined) {
    const started = startKernel<Kernel>(RELAXED_WASM, WASM);
    kernel = started && new SumKernel(started);
  }
  return kernel;
}

/**
 * Sums up linear combinations of shards over GF(2^8), as the shards come along.
 *
 * Shards may differ in length: the shorter ones count as if zeros followed. Where there is WebAssembly with SIMD, a kernel
 * combines up to 16 shards in one pass. Elsewhere, the products of a byte for four rows come from one table of integers,
 * so that four rows cost hardly more than one.
 */
export class ShardSum {
  /** Length in bytes of the longest shard that was added. */
  length = 0;
  #coefficients: Coefficients;
  /** Four rows each, side by side; up to `length` they hold sums, and beyond it anything. */
  readonly #sums: Int32Array[] = [];
  readonly #kernel: SumKernel | null;
  /** Whether the sums are the kernel's, which has them or has put them into `#rows`. */
  #accelerated: boolean;
  /** Shards in the kernel that are not in the sums yet: how many, and the column of the first. */
  #waiting = 0;
  #first = 0;
  /** Bytes of each row that the kernel has summed up, 0 for none yet. */
  #summed = 0;
  /** The kernel's rows, one behind the other, while another one is resident there. */
  #rows: Uint8Array<ArrayBuffer> | null = null;

  /**
   * Makes a sum of nothing yet.
   *
   * @param coefficients The factor of each shard in each combination.
   * @param portable Whether the kernel is left alone.
   */
  constructor(coefficients: Coefficients, portable = false) {
    this.#coefficients = coefficients;
    this.#kernel = portable ? null : sumKernel();
    this.#accelerated = this.#kernel !== null && coefficients.kernelTables !== null;
  }

  /** Whether the kernel does the work. */
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
   * @param column Which shard it is.
   * @param bytes Where it lies; it is not kept.
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
        `Cannot add bytes ${start} to ${end}: allowed is what lies within 0 to ${bytes.length}`,
      );
    }
    const size = end - start;
    if (this.#accelerated && size > MAX_SIZE) this.#leaveKernel();
    if (this.#accelerated) {
      this.#hold(this.#kernel!, column, bytes, start, end);
      return;
    }
    const fresh = Math.min(end, start + this.length);
    for (let pass = 0; pass * LANES < rows; pass++) {
      const table = this.#coefficients.table(pass, column);
      accumulate(this.#room(pass, size), table, bytes, start, fresh, end);
    }
    if (size > this.length) this.length = size;
  }

  /** Puts a shard where the kernel will find it. */
  #hold(kernel: SumKernel, column: number, bytes: Uint8Array, start: number, end: number): void {
    if (kernel.resident !== this) this.#moveIn(kernel);
    // Shards whose columns follow each other are combined in one pass.
    if (this.#waiting === KERNEL_SHARDS || column !== this.#first + this.#waiting) {
      this.#combine(kernel);
    }
    if (this.#waiting === 0) this.#first = column;
    const place = this.#waiting++;
    const size = end - start;
    const at = TABLES_END + place * STRIDE;
    kernel.bytes.set(bytes.subarray(start, end), at);
    if (size < kernel.used[place]) kernel.bytes.fill(0, at + size, at + kernel.used[place]);
    kernel.used[place] = size;
    if (size > this.length) this.length = size;
  }

  /** Adds the shards that wait to the sums. */
  #combine(kernel: SumKernel): void {
    const shards = this.#waiting;
    if (shards === 0) return;
    this.#waiting = 0;
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
    kernel.combine(rows, this.#first, shards, columns, length, summed === 0 ? 1 : 0);
    this.#summed = length;
  }

  /** Becomes the kernel's resident. */
  #moveIn(kernel: SumKernel): void {
    if (kernel.resident) kernel.resident.#moveOut(kernel);
    kernel.resident = this;
    const summed = this.#summed;
    if (summed === 0) return;
    for (let row = 0; row < this.#coefficients.rows; row++) {
      const sums = this.#rows!.subarray(row * summed, (row + 1) * summed);
      kernel.bytes.set(sums, SUMS + row * STRIDE);
    }
  }

  /** Makes room for another resident. */
  #moveOut(kernel: SumKernel): void {
    this.#combine(kernel);
    kernel.resident = null;
    const summed = this.#summed;
    if (summed === 0) return;
    const { rows } = this.#coefficients;
    if (!this.#rows || this.#rows.length < rows * summed) {
      this.#rows = new Uint8Array(rows * summed);
    }
    for (let row = 0; row < rows; row++) {
      const at = SUMS + row * STRIDE;
      this.#rows.set(kernel.bytes.subarray(at, at + summed), row * summed);
    }
  }

  /** Goes on without the kernel, which does not take shards as long as this. */
  #leaveKernel(): void {
    const kernel = this.#kernel!;
    if (kernel.resident === this) this.#moveOut(kernel);
    this.#accelerated = false;
    const summed = this.#summed;
    if (summed === 0) return;
    for (let row = 0; row < this.#coefficients.rows; row++) {
      const sums = this.#room(row >> 2, this.length);
      if (row % LANES === 0) sums.fill(0, 0, this.length);
      for (let i = 0; i < this.length; i++) {
        sums[i] |= this.#rows![row * summed + i] << row % LANES * 8;
      }
    }
  }

  /** The accumulators of four rows, with room for so many bytes. */
  #room(pass: number, size: number): Int32Array {
    const sums = this.#sums[pass];
    if (sums && sums.length >= size) return sums;
    const larger = new Int32Array(Math.ceil(Math.max(size, 1) / GRANULE) * GRANULE);
    if (sums) larger.set(sums.subarray(0, this.length));
    return this.#sums[pass] = larger;
  }

  /**
   * Writes a combination of what was added so far.
   *
   * @param row Which combination.
   * @param target Where to write it.
   * @param at Index of its first byte there.
   * @param length How many bytes of it; behind {@linkcode ShardSum.length} they are zeros.
   * @throws {RangeError} When there is no such row, or `target` is too short.
   */
  write(row: number, target: Uint8Array, at: number, length: number): void {
    const { rows } = this.#coefficients;
    if (!(row >= 0 && row < rows)) {
      throw new RangeError(`Cannot write row ${row}: allowed are 0 to ${rows - 1}`);
    }
    if (!(at >= 0 && length >= 0 && at + length <= target.length)) {
      throw new RangeError(
        `Cannot write ${length} bytes at ${at}: allowed is what lies within 0 to ${target.length}`,
      );
    }
    const summed = Math.min(length, this.length);
    if (summed > 0) {
      if (this.#accelerated) {
        const kernel = this.#kernel!;
        if (kernel.resident !== this) this.#moveIn(kernel);
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
   * Forgets what was added; the memory is kept.
   *
   * @param coefficients The factors from now on; the same ones unless given.
   */
  reset(coefficients: Coefficients = this.#coefficients): void {
    this.#coefficients = coefficients;
    this.length = 0;
    this.#waiting = this.#summed = 0;
    this.#accelerated = this.#kernel !== null && coefficients.kernelTables !== null;
  }
}
