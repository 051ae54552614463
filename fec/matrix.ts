/** A matrix over GF(2^8). */
export class Matrix {
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
  /** The elements, row after row. */
  readonly values: Uint8Array;

  /**
   * Makes a matrix.
   *
   * @param rows Number of rows, 1 or more.
   * @param columns Number of columns, 1 or more.
   * @param values The elements, row after row. They are not copied. Default: zeros.
   * @throws {RangeError} When the number of elements is not `rows * columns`.
   */
  constructor(rows: number, columns: number, values: Uint8Array = new Uint8Array(rows * columns)) {
    if (values.length !== rows * columns) {
      throw new RangeError(
        `Cannot make a matrix of ${rows} × ${columns} from ${values.length} elements: allowed are ${
          rows * columns
        }`,
      );
    }
    this.rows = rows;
    this.columns = columns;
    this.values = values;
  }

  /** The element in a row and a column, both counted from 0. */
  at(row: number, column: number): number {
    return this.values[row * this.columns + column];
  }
}
