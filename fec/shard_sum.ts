import { multiply } from "./galois_field.ts";
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

/**
 * Sums up linear combinations of shards over GF(2^8), as the shards come along.
 *
 * Shards may differ in length: the shorter ones count as if zeros followed. The products of a byte for
 * four rows come from one table of integers, so that four rows cost hardly more than one.
 */
export class ShardSum {
  /** Length in bytes of the longest shard that was added. */
  length = 0;
  #coefficients: Coefficients;
  /** Four rows each, side by side; up to `length` they hold sums, and beyond it anything. */
  readonly #sums: Int32Array[] = [];

  /**
   * Makes a sum of nothing yet.
   *
   * @param coefficients The factor of each shard in each combination.
   */
  constructor(coefficients: Coefficients) {
    this.#coefficients = coefficients;
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
    const fresh = Math.min(end, start + this.length);
    for (let pass = 0; pass * LANES < rows; pass++) {
      const table = this.#coefficients.table(pass, column);
      accumulate(this.#room(pass, size), table, bytes, start, fresh, end);
    }
    if (size > this.length) this.length = size;
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
      const sums = this.#sums[Math.floor(row / LANES)];
      const shift = row % LANES * 8;
      for (let i = 0; i < summed; i++) target[at + i | 0] = sums[i] >>> shift;
    }
    target.fill(0, at + summed, at + length);
  }

  /**
   * Forgets what was added; the memory is kept.
   *
   * @param coefficients The factors from now on; the same ones unless given.
   */
  reset(coefficients: Coefficients = this.#coefficients): void {
    this.#coefficients = coefficients;
    this.length = 0;
  }
}
