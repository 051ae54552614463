import { lagrange } from "./lagrange.ts";
import { checkRatio } from "./ratio.ts";
import { Coefficients, ShardSum } from "./shard_sum.ts";

/** Most codes that {@linkcode reedSolomon} keeps. */
const MAX_CODES = 32;
/** Most patterns of loss that a code keeps the solution of, and most bytes of them. */
const MAX_PATTERNS = 256;
const MAX_PATTERN_BYTES = 256 * 1024;
/** Long shards are worked on in pieces of so many bytes, whose sums stay in the processor's cache. */
const PIECE = 4096;

/** A pattern of loss, and its solution. */
interface Pattern {
  /** The missing shards, then the parity shards that stand in for them. */
  readonly indexes: Uint8Array;
  readonly coefficients: Coefficients;
}

/**
 * A systematic Reed-Solomon erasure code over GF(2^8): of the data and parity shards together, any that
 * are as many as the data shards restore all data.
 *
 * The code is that of klauspost/reedsolomon `New(dataShards, parityShards)`: a Vandermonde matrix of one
 * row a shard, multiplied by the inverse of its top square, so that the data shards stay as they are (J. S. Plank and
 * Y. Ding, "Note: Correction to the 1997 Tutorial on Reed-Solomon Coding", 2003). In other words, shard i holds the
 * value at i of a polynomial of a degree below the number of data shards; it is computed that way.
 *
 * @example
 * ```ts
 * import { ReedSolomon } from "@lowlatency/kcp/fec";
 *
 * const code = new ReedSolomon(2, 1);
 * const shards = [Uint8Array.of(1, 2), Uint8Array.of(3, 4), new Uint8Array(2)];
 * code.encode(shards);
 *
 * const arrived = [null, shards[1], shards[2]];
 * code.reconstructData(arrived);
 * console.log(arrived[0]); // Uint8Array(2) [ 1, 2 ]
 * ```
 */
export class ReedSolomon {
  /** Data shards of a group. */
  readonly dataShards: number;
  /** Parity shards of a group. */
  readonly parityShards: number;
  /** Data and parity shards of a group. */
  readonly total: number;
  /**
   * How each parity shard, a row, is made of the data shards, the columns.
   *
   * @internal
   */
  readonly parityCoefficients: Coefficients;
  readonly #sum: ShardSum;
  /** Solutions by the hash of their pattern; the one that was used last is the last. */
  readonly #patterns = new Map<number, Pattern>();
  readonly #maxPatterns: number;

  /**
   * Makes a code.
   *
   * @param dataShards Data shards of a group, 1 to 255.
   * @param parityShards Parity shards of a group, 1 to 255, at most 256 with the others.
   * @throws {TypeError | RangeError} When they are no numbers, or out of range.
   */
  constructor(dataShards: number, parityShards: number) {
    checkRatio({ dataShards, parityShards });
    this.dataShards = dataShards;
    this.parityShards = parityShards;
    this.total = dataShards + parityShards;
    const points = Uint8Array.from({ length: this.total }, (_, shard) => shard);
    this.parityCoefficients = new Coefficients(
      lagrange(points.subarray(0, dataShards), points.subarray(dataShards)),
    );
    this.#sum = new ShardSum(this.parityCoefficients);
    const bytes = dataShards * Math.min(dataShards, parityShards);
    this.#maxPatterns = Math.min(MAX_PATTERNS, Math.floor(MAX_PATTERN_BYTES / bytes));
  }

  /**
   * Computes the parity shards of a group.
   *
   * @param shards The data shards, and arrays that the parity shards are written to, all of the same length.
   * @throws {TypeError | RangeError} When their number is not {@linkcode ReedSolomon.total}, or their
   * lengths differ or are 0.
   */
  encode(shards: readonly Uint8Array[]): void {
    const { dataShards, parityShards } = this;
    this.#checkCount(shards.length);
    const missing = shards.findIndex((shard) => !(shard instanceof Uint8Array));
    if (missing >= 0) {
      throw new TypeError(
        `Cannot encode shard ${missing}, which is ${shards[missing]}: allowed are byte arrays`,
      );
    }
    const length = commonLength(shards);
    for (let start = 0; start < length; start += PIECE) {
      const end = Math.min(length, start + PIECE);
      this.#sum.reset(this.parityCoefficients);
      for (let i = 0; i < dataShards; i++) this.#sum.add(i, shards[i], start, end);
      for (let i = 0; i < parityShards; i++) {
        this.#sum.write(i, shards[dataShards + i], start, end - start);
      }
    }
  }

  /**
   * Restores the data shards of a group that are missing. Missing parity shards stay so.
   *
   * @param shards The data and parity shards, all of the same length; null or an empty array for a missing
   * one. Those of missing data are replaced by new arrays.
   * @throws {RangeError} When the number of places is not {@linkcode ReedSolomon.total}, the lengths differ,
   * or fewer than {@linkcode ReedSolomon.dataShards} are there.
   */
  reconstructData(shards: (Uint8Array | null)[]): void {
    const { dataShards, total } = this;
    this.#checkCount(shards.length);
    const present: number[] = [];
    for (let i = 0; i < total; i++) if (shards[i]?.length) present.push(i);
    if (present.length < dataShards) {
      throw new RangeError(
        `Cannot reconstruct data from ${present.length} shards: allowed are ${dataShards} to ${total}`,
      );
    }
    const length = commonLength(present.map((i) => shards[i]!));
    // The first shards that are enough: the data shards among them, and parity in place of the others.
    const sources = present.slice(0, dataShards);
    const parity = sources.filter((i) => i >= dataShards);
    if (parity.length === 0) return;
    const missing: number[] = [];
    for (let i = 0; i < dataShards; i++) if (!shards[i]?.length) missing.push(i);

    const columns = shards.slice(0, dataShards);
    missing.forEach((column, i) => columns[column] = shards[parity[i]]);
    const restored = missing.map(() => new Uint8Array(length));
    const coefficients = this.recovery(missing, parity.map((i) => i - dataShards));
    for (let start = 0; start < length; start += PIECE) {
      const end = Math.min(length, start + PIECE);
      this.#sum.reset(coefficients);
      columns.forEach((shard, column) => this.#sum.add(column, shard!, start, end));
      restored.forEach((shard, row) => this.#sum.write(row, shard, start, end - start));
    }
    missing.forEach((index, i) => shards[index] = restored[i]);
  }

  /**
   * How missing data shards are made of those that are there.
   *
   * There is a row for each missing shard, in the order of `missing`, and a column for each of the
   * {@linkcode ReedSolomon.dataShards}. The column of a data shard that is there is its own index. The columns of
   * the missing ones are those of the parity shards: column `missing[i]` is that of parity shard `parity[i]`.
   *
   * The solution is kept for the next time, as are those of the other patterns used lately.
   *
   * @param missing Indexes of the missing data shards, 0 to `dataShards` - 1, ascending.
   * @param parity Indexes of the parity shards that are used, 0 to `parityShards` - 1, as many, all different.
   * @throws {RangeError} When the indexes are not like that, or there are none.
   * @internal
   */
  recovery(missing: ArrayLike<number>, parity: ArrayLike<number>): Coefficients {
    const patterns = this.#patterns;
    const hash = hashOf(missing, parity);
    let pattern = patterns.get(hash);
    if (!pattern || !isPattern(pattern.indexes, missing, parity)) {
      this.#checkPattern(missing, parity);
      pattern = {
        indexes: Uint8Array.of(...Array.from(missing), ...Array.from(parity)),
        coefficients: this.#solve(missing, parity),
      };
    }
    // It goes to the end: the first one is that which was not used for longest.
    patterns.delete(hash);
    patterns.set(hash, pattern);
    if (patterns.size > this.#maxPatterns) patterns.delete(patterns.keys().next().value!);
    return pattern.coefficients;
  }

  /** Interpolates at the missing points, from those of the data that is there and of the parity used. */
  #solve(missing: ArrayLike<number>, parity: ArrayLike<number>): Coefficients {
    const { dataShards } = this;
    const points = Uint8Array.from({ length: dataShards }, (_, shard) => shard);
    for (let i = 0; i < missing.length; i++) points[missing[i]] = dataShards + parity[i];
    // Patterns are many, and each of them is rare: no tables are kept for them.
    return new Coefficients(lagrange(points, Uint8Array.from(missing)), false);
  }

  #checkPattern(missing: ArrayLike<number>, parity: ArrayLike<number>): void {
    const { dataShards, parityShards } = this;
    const count = missing.length;
    if (count === 0 || parity.length !== count) {
      throw new RangeError(
        `Cannot recover ${count} data shards from ${parity.length} parity shards: allowed are as many as are missing, at least one`,
      );
    }
    for (let i = 0; i < count; i++) {
      const least = i === 0 ? 0 : missing[i - 1] + 1;
      if (!Number.isInteger(missing[i]) || missing[i] < least || missing[i] >= dataShards) {
        throw new RangeError(
          `Cannot recover data shard ${missing[i]}: allowed are 0 to ${dataShards - 1}, ascending`,
        );
      }
      const twice = Array.prototype.indexOf.call(parity, parity[i]) !== i;
      if (!Number.isInteger(parity[i]) || parity[i] < 0 || parity[i] >= parityShards || twice) {
        throw new RangeError(
          `Cannot recover from parity shard ${parity[i]}: allowed are 0 to ${
            parityShards - 1
          }, each once`,
        );
      }
    }
  }

  #checkCount(count: number): void {
    if (count !== this.total) {
      throw new RangeError(`Cannot work on ${count} shards: allowed are ${this.total}`);
    }
  }
}

/** The length of some shards. */
function commonLength(shards: readonly Uint8Array[]): number {
  const { length } = shards[0];
  const odd = shards.find((shard) => shard.length !== length);
  if (odd) {
    throw new RangeError(
      `Cannot work on shards of ${length} and ${odd.length} bytes: allowed is one length for all`,
    );
  }
  if (length === 0) throw new RangeError("Cannot work on shards of 0 bytes: allowed are 1 or more");
  return length;
}

/** A number of 30 bits, which needs no memory, that is nearly always another one for another pattern. */
function hashOf(missing: ArrayLike<number>, parity: ArrayLike<number>): number {
  // FNV-1a, by index instead of by byte; the number of missing shards tells where parity begins.
  let hash = 0x811c9dc5;
  for (let i = 0; i < missing.length; i++) hash = Math.imul(hash ^ missing[i], 0x01000193);
  for (let i = 0; i < parity.length; i++) hash = Math.imul(hash ^ parity[i], 0x01000193);
  return (hash ^ hash >>> 15) & 0x3fffffff;
}

function isPattern(
  indexes: Uint8Array,
  missing: ArrayLike<number>,
  parity: ArrayLike<number>,
): boolean {
  const count = missing.length;
  if (parity.length !== count || indexes.length !== 2 * count) return false;
  for (let i = 0; i < count; i++) {
    if (indexes[i] !== missing[i] || indexes[count + i] !== parity[i]) return false;
  }
  return true;
}

/** The codes that were asked for last; the very last is at the end. */
const codes = new Map<number, ReedSolomon>();

/**
 * A code that all who ask for the same ratio share, so that its tables exist once. The 32 codes used
 * last are kept.
 *
 * @param dataShards Data shards of a group, 1 to 255.
 * @param parityShards Parity shards of a group, 1 to 255, at most 256 with the others.
 * @throws {TypeError | RangeError} When they are no numbers, or out of range.
 */
export function reedSolomon(dataShards: number, parityShards: number): ReedSolomon {
  checkRatio({ dataShards, parityShards });
  const key = dataShards * 256 + parityShards;
  const code = codes.get(key) ?? new ReedSolomon(dataShards, parityShards);
  codes.delete(key);
  codes.set(key, code);
  if (codes.size > MAX_CODES) codes.delete(codes.keys().next().value!);
  return code;
}
