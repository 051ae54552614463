import { addProducts, inverse, power } from "./galois_field.ts";

/** A matrix over GF(2^8). */
export class Matrix {
  /** Number of rows. */
  readonly rows: number;
  /** Number of columns. */
  readonly columns: number;
  /** The elements, row after row. */
  readonly values: Uint8Array;

  /**
   * Makes a matrix around its elements.
   *
   * @param rows Number of rows, 1 or more.
   * @param columns Number of columns, 1 or more.
   * @param values The elements, row after row, which are not copied; zeros unless given.
   * @throws {RangeError} When the number of elements does not fit.
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

  /** The matrix that changes nothing. */
  static identity(size: number): Matrix {
    const matrix = new Matrix(size, size);
    for (let i = 0; i < size; i++) matrix.values[i * size + i] = 1;
    return matrix;
  }

  /**
   * The matrix whose row r holds the powers 0, 1, 2, … of the byte r.
   *
   * Any rows of it that are as many as there are columns are independent, since no two rows stand for the
   * same byte. Hence it has 256 rows at most.
   *
   * @throws {RangeError} When there are more rows than bytes.
   */
  static vandermonde(rows: number, columns: number): Matrix {
    if (rows > 256) {
      throw new RangeError(`Cannot make ${rows} Vandermonde rows: allowed are 1 to 256`);
    }
    const matrix = new Matrix(rows, columns);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) matrix.values[r * columns + c] = power(r, c);
    }
    return matrix;
  }

  /** The element in a row and a column, both counted from 0. */
  at(row: number, column: number): number {
    return this.values[row * this.columns + column];
  }

  /** The rows from `start` to before `end`, as a copy. */
  slice(start: number, end: number): Matrix {
    const { columns } = this;
    return new Matrix(end - start, columns, this.values.slice(start * columns, end * columns));
  }

  /**
   * The product of this matrix and another one.
   *
   * @throws {RangeError} When the other one has not as many rows as this one has columns.
   */
  multiply(other: Matrix): Matrix {
    if (other.rows !== this.columns) {
      throw new RangeError(
        `Cannot multiply by a matrix of ${other.rows} rows: allowed are ${this.columns}`,
      );
    }
    const { columns } = other;
    const product = new Matrix(this.rows, columns);
    for (let r = 0; r < this.rows; r++) {
      for (let k = 0; k < this.columns; k++) {
        const factor = this.at(r, k);
        addProducts(product.values, r * columns, other.values, k * columns, columns, factor);
      }
    }
    return product;
  }

  /**
   * The matrix whose product with this one is the identity, by Gauss-Jordan elimination.
   *
   * @throws {RangeError} When there is none: the matrix is not square, or its rows depend on each other.
   */
  inverse(): Matrix {
    const size = this.rows;
    if (this.columns !== size) {
      throw new RangeError(
        `Cannot invert a matrix of ${size} × ${this.columns}: allowed are square ones`,
      );
    }
    // What turns `left` into the identity turns the identity into the inverse.
    const left = this.values.slice();
    const right = Matrix.identity(size);
    /** Columns that are those of the identity already. */
    let done = 0;
    /** Adds a multiple of a row, which has zeros in the columns that are done, to a row. */
    const addRow = (to: number, from: number, factor: number) => {
      addProducts(left, to * size + done, left, from * size + done, size - done, factor);
      addProducts(right.values, to * size, right.values, from * size, size, factor);
    };
    for (; done < size; done++) {
      let pivot = done;
      while (pivot < size && left[pivot * size + done] === 0) pivot++;
      if (pivot === size) throw new RangeError("Cannot invert a matrix whose rows are dependent");
      // A row with a 0 on the diagonal takes what it needs from one without: no need to swap them.
      if (pivot !== done) addRow(done, pivot, 1);
      addRow(done, done, inverse(left[done * size + done]) ^ 1);
      for (let r = 0; r < size; r++) {
        if (r !== done) addRow(r, done, left[r * size + done]);
      }
    }
    return right;
  }
}
