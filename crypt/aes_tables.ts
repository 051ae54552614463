/**
 * The tables of the AES kernel, computed from their definitions.
 *
 * The kernel represents a byte as i·t + k in GF(16)[t] / (t² + a·t + a). Here i and k are elements
 * of GF(16), which are 16 of the elements of GF(2^8). Let j = i + k, u = 1/(1/i + a/k) + j and w =
 * 1/(1/j + a/k) + i. Then the inverse of the byte is 1/u + (1/u · (1/a + 1/a²) + 1/w · 1/a²) · t,
 * where 1/0 is infinity and 1/infinity is 0.
 *
 * Source: M. Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009.
 */

import { affine, fieldInverses, multiply } from "./aes_field.ts";

/** Infinity. Its top bit is set, so the kernel's table lookup gives zero. */
const INFINITE = 0x80;

/** GF(2^8) as GF(16)[t], in the terms above. */
interface Tower {
  /** The inverse of each byte. 0 has the entry 0. */
  readonly inverses: Uint8Array;
  /**
   * The 16 elements of GF(2^8) that are GF(16). The index of an element is its four bits in the
   * kernel.
   */
  readonly small: readonly number[];
  /** An element that is not in GF(16). */
  readonly t: number;
  /** The element of GF(16) for which t² = a·t + a. */
  readonly a: number;
  /** The kernel's form of each byte: the four bits of i, then the four bits of k. */
  readonly entered: Uint8Array;
}

/** The elements of GF(16), each at the index of its four bits. */
function smallField(): number[] {
  const cubes = (a: number) => multiply(a, multiply(a, a));
  const fifth = (a: number) => multiply(cubes(a), multiply(a, a));
  // The multiplicative group of GF(2^8) has 255 elements. Its elements of order 15 generate the
  // group of GF(16).
  const powersOfOrder15 = (a: number) => {
    const powers = [1];
    while (powers.length < 15) powers.push(multiply(powers.at(-1)!, a));
    return multiply(powers.at(-1)!, a) === 1 && cubes(a) !== 1 && fifth(a) !== 1 ? powers : null;
  };
  let powers: number[] | null = null;
  for (let a = 2; !powers; a++) powers = powersOfOrder15(a);
  const basis = powers.slice(0, 4);
  return Array.from(
    { length: 16 },
    (_, bits) => basis.reduce((sum, element, n) => bits >> n & 1 ? sum ^ element : sum, 0),
  );
}

function buildTower(): Tower {
  const inverses = fieldInverses();
  const small = smallField();
  let t = 2, a = 0;
  for (;; t++) {
    a = multiply(multiply(t, t), inverses[t ^ 1]);
    if (!small.includes(t) && small.includes(a)) break;
  }
  const entered = new Uint8Array(256);
  small.forEach((i, high) =>
    small.forEach((k, low) => entered[multiply(i, t) ^ k] = high << 4 | low)
  );
  return { inverses, small, t, a, entered };
}

/**
 * The index in a block from which ShiftRows (FIPS 197 §5.1.2), applied `times` times, takes the
 * byte for index `place`.
 */
function shifted(place: number, times: number): number {
  const row = place & 3;
  return (place + 4 * row * times) & 12 | row;
}

/** A table of 16 values, computed from their indexes. */
function table(value: (index: number) => number): number[] {
  return Array.from({ length: 16 }, (_, index) => value(index));
}

/**
 * A lookup table for one of the two terms, the one with u or the one with w, of a linear function
 * of the inverse. Its index is the four bits of u or w.
 */
function addend(
  { inverses, small, t, a }: Tower,
  of: "u" | "w",
  linear: (inverse: number) => number,
): number[] {
  const byA = inverses[a];
  const byA2 = multiply(byA, byA);
  return table((index) => {
    const inverse = inverses[small[index]];
    return linear(
      of === "u"
        ? inverse ^ multiply(t, multiply(inverse, byA ^ byA2))
        : multiply(t, multiply(inverse, byA2)),
    );
  });
}

/**
 * All tables, in the order of the kernel's memory from address 0. The names are those of
 * `aes.as.ts`.
 */
export function aesTables(): Uint8Array {
  const tower = buildTower();
  const { inverses, small, a, entered } = tower;
  const bitsOf = (element: number) => small.indexOf(element);
  const inverse = (bits: number) => bits === 0 ? INFINITE : bitsOf(inverses[small[bits]]);
  const double = (byte: number) => multiply(2, byte);
  const inside = (byte: number) => entered[byte];
  return Uint8Array.from([
    // INVERSE and SCALED_INVERSE: 1/x and a/x.
    table(inverse),
    table((bits) => bits === 0 ? INFINITE : bitsOf(multiply(a, inverses[small[bits]]))),
    // ENTER_LOW and ENTER_HIGH: i and k of a byte.
    table((low) => entered[low]),
    table((high) => entered[high << 4]),
    // SINGLE and DOUBLE: i and k of the S-box's output, and of twice the output.
    addend(tower, "u", (byte) => inside(affine(byte))),
    addend(tower, "w", (byte) => inside(affine(byte))),
    addend(tower, "u", (byte) => inside(double(affine(byte)))),
    addend(tower, "w", (byte) => inside(double(affine(byte)))),
    // LEAVE: the S-box's output as a byte.
    addend(tower, "u", affine),
    addend(tower, "w", affine),
    // ROW: ShiftRows when a vector holds one row of four blocks.
    ...[1, 2, 3].map((row) => table((place) => place & 12 | (place + row) & 3)),
    // TURN: exchanges rows and columns.
    table((place) => place << 2 & 12 | place >> 2),
    // SHIFTS: ShiftRows, applied zero to three times.
    ...[0, 1, 2, 3].map((times) => table((place) => shifted(place, times))),
    // NEIGHBOURS: the next rows of a column when ShiftRows was omitted `times` times.
    ...[0, 1, 2, 3].flatMap((times) =>
      [1, 2, 3].map((row) =>
        table((place) => {
          const column = shifted(place, 4 - times);
          return shifted(column & 12 | (column + row) & 3, times);
        })
      )
    ),
    // NIBBLE: a mask of the four low bits of each byte.
    table(() => 15),
  ].flat());
}
