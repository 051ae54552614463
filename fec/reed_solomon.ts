import { Coefficients } from "./coefficients.ts";
import { lagrange } from "./lagrange.ts";
import { checkRatio } from "./ratio.ts";
import { ShardSum } from "./shard_sum.ts";

/** Most codes that {@linkcode reedSolomon} keeps. */
const MAX_CODES = 32;
/** Most bytes of these codes, with their tables and solutions. One code has less. */
export const MAX_CODE_BYTES = 8 * 1024 * 1024;
/** Most loss patterns whose solutions a code keeps. */
const MAX_PATTERNS = 256;
/** Most bytes of these solutions, with the tables that the kernel needs for them. */
export const MAX_PATTERN_BYTES = 1024 * 1024;
/** About how many bytes the objects of a pattern take beside its factors and tables. */
const PATTERN_OBJECTS = 512;
/** Bytes of a shard that are processed at a time, so that the sums stay in the CPU's cache. */
const PIECE = 4096;

/** A loss pattern and its solution. */
interface Pattern {
  /** The missing data shards, then the parity shards that replace them. */
  readonly indexes: Uint8Array;
  readonly coefficients: Coefficients;
  /** Bytes of all this. */
  readonly bytes: number;
}

/**
 * A systematic Reed-Solomon erasure code over GF(2^8). With n data shards, any n of the data and
 * parity shards restore all data shards.
 *
 * The code is compatible with `New(dataShards, parityShards)` of klauspost/reedsolomon. Its matrix
 * is a Vandermonde matrix with one row for each shard, multiplied by the inverse of its top square,
 * so that the data shards do not change (J. S. Plank and Y. Ding, "Note: Correction to the 1997
 * Tutorial on Reed-Solomon Coding", 2003). In other words: byte by byte, the data shards are the
 * values at 0 to n - 1 of a polynomial of a degree below n, and shard i is its value at i. This
 * class computes the shards by interpolation.
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
   * The factors that compute the parity shards (rows) from the data shards (columns).
   *
   * @internal
   */
  readonly parityCoefficients: Coefficients;
  readonly #sum: ShardSum;
  /** Solutions by the hash of their pattern, the most recently used one last. */
  readonly #patterns = new Map<number, Pattern>();
  #patternBytes = 0;

  /**
   * Makes a code.
   *
   * @param dataShards Data shards of a group, 1 to 255.
   * @param parityShards Parity shards of a group, 1 to 255, and at most 256 with the data shards.
   * @throws {TypeError} When a parameter is not a number.
   * @throws {RangeError} When a parameter is out of range.
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
  }

  /**
   * Bytes of memory that the code holds: its factors, their tables, and the solutions of patterns.
   *
   * @internal
   */
  get bytes(): number {
    return this.parityCoefficients.bytes + this.#patternBytes;
  }

  /**
   * Computes the parity shards of a group.
   *
   * @param shards The data shards, then an array for each parity shard, which is overwritten. All
   * have the same length.
   * @throws {TypeError} When a shard is not a Uint8Array.
   * @throws {RangeError} When the number of shards is not {@linkcode ReedSolomon.total}, or their
   * lengths differ or are 0.
   */
  encode(shards: readonly Uint8Array[]): void {
    const { dataShards, parityShards } = this;
    this.#checkCount(shards.length);
    const missing = shards.findIndex((shard) => !(shard instanceof Uint8Array));
    if (missing >= 0) {
      throw new TypeError(
        `Cannot encode shard ${missing}, which is ${shards[missing]}: it must be a Uint8Array`,
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
   * Restores the missing data shards of a group. Missing parity shards are not restored.
   *
   * @param shards The data shards, then the parity shards, all of the same length. A missing shard
   * is null or an empty array. A new array takes the place of each missing data shard.
   * @throws {RangeError} When `shards.length` is not {@linkcode ReedSolomon.total}, the lengths of
   * shards differ, or fewer than {@linkcode ReedSolomon.dataShards} shards are present.
   */
  reconstructData(shards: (Uint8Array | null)[]): void {
    const { dataShards, total } = this;
    this.#checkCount(shards.length);
    const present: number[] = [];
    for (let i = 0; i < total; i++) if (shards[i]?.length) present.push(i);
    if (present.length < dataShards) {
      throw new RangeError(
        `Cannot reconstruct data from ${present.length} shards: ` +
          `allowed are ${dataShards} to ${total}`,
      );
    }
    const length = commonLength(present.map((i) => shards[i]!));
    // Every present data shard is used, and a parity shard for each missing one.
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
   * The factors that compute the missing data shards from the present shards.
   *
   * There is a row for each missing shard, in the order of `missing`. There is a column for each of
   * the {@linkcode ReedSolomon.dataShards}: column i is for data shard i if it is present. Column
   * `missing[i]` is for parity shard `parity[i]`.
   *
   * The code keeps the solutions of recent loss patterns.
   *
   * @param missing Indexes of the missing data shards, 0 to `dataShards` - 1, ascending. At least
   * one.
   * @param parity Indexes of the parity shards to use, 0 to `parityShards` - 1. As many as are
   * missing, and no two are equal.
   * @throws {RangeError} When the indexes break these rules.
   * @internal
   */
  recovery(missing: ArrayLike<number>, parity: ArrayLike<number>): Coefficients {
    const patterns = this.#patterns;
    const hash = hashOf(missing, parity);
    const pattern = patterns.get(hash);
    if (!pattern || !isPattern(pattern.indexes, missing, parity)) {
      return this.#addPattern(hash, missing, parity);
    }
    // The pattern moves to the end, so the first one is the least recently used.
    patterns.delete(hash);
    patterns.set(hash, pattern);
    return pattern.coefficients;
  }

  /** Solves a pattern, and keeps the solution. Those that were not used for longest make room. */
  #addPattern(hash: number, missing: ArrayLike<number>, parity: ArrayLike<number>): Coefficients {
    this.#checkPattern(missing, parity);
    const coefficients = this.#solve(missing, parity);
    const indexes = Uint8Array.of(...Array.from(missing), ...Array.from(parity));
    const bytes = indexes.length + coefficients.bytes + PATTERN_OBJECTS;
    this.#removePattern(hash);
    this.#patterns.set(hash, { indexes, coefficients, bytes });
    this.#patternBytes += bytes;
    while (this.#patterns.size > MAX_PATTERNS || this.#patternBytes > MAX_PATTERN_BYTES) {
      this.#removePattern(this.#patterns.keys().next().value!);
    }
    removeOldCodes();
    return coefficients;
  }

  #removePattern(hash: number): void {
    this.#patternBytes -= this.#patterns.get(hash)?.bytes ?? 0;
    this.#patterns.delete(hash);
  }

  /** Interpolates at the missing shards, from the present data shards and some parity shards. */
  #solve(missing: ArrayLike<number>, parity: ArrayLike<number>): Coefficients {
    const { dataShards } = this;
    const points = Uint8Array.from({ length: dataShards }, (_, shard) => shard);
    for (let i = 0; i < missing.length; i++) points[missing[i]] = dataShards + parity[i];
    // There are many patterns, and each one is rare. Tables for them would cost too much memory.
    return new Coefficients(lagrange(points, Uint8Array.from(missing)), false);
  }

  #checkPattern(missing: ArrayLike<number>, parity: ArrayLike<number>): void {
    const { dataShards, parityShards } = this;
    const count = missing.length;
    if (count === 0 || parity.length !== count) {
      throw new RangeError(
        `Cannot recover ${count} data shards from ${parity.length} parity shards: ` +
          `the numbers must be equal, and at least 1`,
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

/** The length that all shards have. Throws when they differ, or are empty. */
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

/** A hash of a pattern. It has 30 bits, because V8 stores such an integer without an allocation. */
function hashOf(missing: ArrayLike<number>, parity: ArrayLike<number>): number {
  // FNV-1a, with an index in place of each byte. No separator is needed: both lists have one
  // length.
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

/** The codes that were used recently, the most recent one last. */
const codes = new Map<number, ReedSolomon>();
let latest: ReedSolomon | undefined;

/** Bytes of memory that the shared codes hold. */
export function sharedCodeBytes(): number {
  let bytes = 0;
  for (const code of codes.values()) bytes += code.bytes;
  return bytes;
}

/** Removes the codes that were not used for longest, until the others keep the limits. */
function removeOldCodes(): void {
  while (codes.size > MAX_CODES || codes.size > 1 && sharedCodeBytes() > MAX_CODE_BYTES) {
    codes.delete(codes.keys().next().value!);
  }
}

/**
 * The shared code of a ratio. All users of one ratio share its tables. At most 32 codes, of 8 MiB
 * together, are kept: those that were used most recently.
 *
 * @param dataShards Data shards of a group, 1 to 255.
 * @param parityShards Parity shards of a group, 1 to 255, and at most 256 with the data shards.
 * @throws {TypeError} When a parameter is not a number.
 * @throws {RangeError} When a parameter is out of range.
 */
export function reedSolomon(dataShards: number, parityShards: number): ReedSolomon {
  if (latest?.dataShards === dataShards && latest.parityShards === parityShards) return latest;
  checkRatio({ dataShards, parityShards });
  const key = dataShards * 256 + parityShards;
  const known = codes.get(key);
  const code = known ?? new ReedSolomon(dataShards, parityShards);
  codes.delete(key);
  codes.set(key, code);
  if (!known) removeOldCodes();
  return latest = code;
}
