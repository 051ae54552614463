import { multiply } from "./galois_field.ts";
import type { Matrix } from "./matrix.ts";
import { KERNEL_ROWS, TABLES, TABLES_END } from "./sum_kernel.ts";

/**
 * Rows that one integer of a multiplication table serves: it holds a byte for each of them, the
 * product for the first row in its lowest byte.
 */
export const LANES = 4;
/** Bytes of the kernel's tables for one factor. */
const KERNEL_TABLE = 32;

/** Bytes of a table of {@linkcode Coefficients.table}. */
const TABLE = 1024;

/** The memory for a table that is not kept. The next such table replaces it. */
let scratch: Int32Array | undefined;

/**
 * Fills a table with the products of each byte with four factors.
 *
 * @param table 256 integers of four products each.
 * @param factors The factors; the first one is the lowest byte.
 */
function fillTable(table: Int32Array, factors: number): void {
  table[0] = 0;
  // Only the products of powers of two are multiplied. All other products are sums of them.
  for (let bit = 1; bit < 256; bit <<= 1) {
    let products = 0;
    for (let shift = 0; shift < 32; shift += 8) {
      products |= multiply(factors >>> shift & 255, bit) << shift;
    }
    for (let i = 0; i < bit; i++) table[bit + i] = table[i] ^ products;
  }
}

/**
 * The factors of linear combinations of shards. There is a row for each combination and a column
 * for each shard.
 *
 * The factors never change. Therefore several {@linkcode ShardSum}s may share them and their
 * tables.
 */
export class Coefficients {
  /** Number of combinations. */
  readonly rows: number;
  /** Number of shards in each combination. */
  readonly columns: number;
  readonly #matrix: Matrix;
  readonly #tables: (Int32Array | undefined)[] | null;
  /** Number of tables that are kept. */
  #kept = 0;
  /** Bytes of the kernel's tables; 0 when they do not fit into the kernel's memory. */
  readonly #kernelSize: number;
  #kernelTables: Uint8Array<ArrayBuffer> | null | undefined;

  /**
   * Makes coefficients from a matrix.
   *
   * @param matrix The factors. They must not change any more.
   * @param keepTables Whether multiplication tables are kept: 1 KiB for each column and each four
   * rows. Building a table takes about a sixth of the time of using it for one packet. Default:
   * true.
   */
  constructor(matrix: Matrix, keepTables = true) {
    this.#matrix = matrix;
    this.rows = matrix.rows;
    this.columns = matrix.columns;
    this.#tables = keepTables ? [] : null;
    const { rows, columns } = matrix;
    const size = Math.ceil(rows / LANES) * columns * LANES * KERNEL_TABLE;
    this.#kernelSize = rows > KERNEL_ROWS || size > TABLES_END - TABLES ? 0 : size;
  }

  /** Bytes of the factors and of their tables. Those of the kernel count before they are built. */
  get bytes(): number {
    return this.rows * this.columns + this.#kept * TABLE + this.#kernelSize;
  }

  /**
   * The kernel's multiplication tables. Null when they do not fit into the kernel's memory.
   *
   * The tables of the first four rows come first, column by column, then those of the next four
   * rows. A factor has two tables of 16 bytes: its products with 0, 1, 2 to 15, and with 0, 16, 32
   * to 240.
   */
  get kernelTables(): Uint8Array<ArrayBuffer> | null {
    const { rows, columns } = this;
    if (this.#kernelTables !== undefined) return this.#kernelTables;
    if (this.#kernelSize === 0) return this.#kernelTables = null;
    const tables = new Uint8Array(this.#kernelSize);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = (((row >> 2) * columns + column) * LANES + row % LANES) * KERNEL_TABLE;
        const factor = this.at(row, column);
        // Only the products of powers of two are multiplied. All other products are sums of them.
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
   * The products of each byte with the factors of one column in four rows. Each integer holds the
   * four products of one byte; the lowest byte is the product for the first row.
   *
   * The table is valid until the next call.
   *
   * @param pass Which rows: 4 × pass and the next three. Rows that do not exist have the factor 0.
   * @param column The column.
   */
  table(pass: number, column: number): Int32Array {
    const tables = this.#tables;
    const index = pass * this.columns + column;
    let table = tables ? tables[index] : scratch;
    if (table && tables) return table;
    table ??= new Int32Array(256);
    if (tables) {
      tables[index] = table;
      this.#kept++;
    } else {
      scratch = table;
    }
    let factors = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const row = LANES * pass + lane;
      if (row < this.rows) factors |= this.at(row, column) << 8 * lane;
    }
    fillTable(table, factors);
    return table;
  }
}
