import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { addProducts, inverse, multiply, power } from "../../fec/galois_field.ts";

/** Long multiplication of polynomials, bit by bit, and reduction modulo x^8 + x^4 + x^3 + x^2 + 1. */
function longProduct(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if (b >> bit & 1) product ^= a << bit;
  for (let bit = 14; bit >= 8; bit--) if (product >> bit & 1) product ^= 0x11d << bit - 8;
  return product;
}

const byte = fc.integer({ min: 0, max: 255 });

Deno.test("galois field: every product is that of long multiplication", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      if (multiply(a, b) !== longProduct(a, b)) {
        assertEquals(multiply(a, b), longProduct(a, b), `${a} × ${b}`);
      }
    }
  }
});

Deno.test("galois field: multiplication is associative, commutative and distributes over XOR", () => {
  fc.assert(
    fc.property(byte, byte, byte, (a, b, c) => {
      assertEquals(multiply(multiply(a, b), c), multiply(a, multiply(b, c)));
      assertEquals(multiply(a, b), multiply(b, a));
      assertEquals(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("galois field: 1 is neutral, and every byte but 0 has an inverse", () => {
  const inverses = new Set<number>();
  for (let a = 1; a < 256; a++) {
    assertEquals(multiply(a, 1), a);
    assertEquals(longProduct(a, inverse(a)), 1, `the inverse of ${a}`);
    inverses.add(inverse(a));
  }
  assertEquals(inverses.size, 255);
  assertThrows(() => inverse(0), RangeError, "Cannot invert 0");
});

Deno.test("galois field: the byte 2 generates it", () => {
  const powers = Array.from({ length: 255 }, (_, i) => power(2, i));
  assertEquals(new Set(powers).size, 255);
  assertEquals(power(2, 255), 1);
  // As in the tables of powers for QR codes (ISO/IEC 18004), which use the same field.
  assertEquals([8, 9, 12, 25, 251].map((i) => powers[i]), [29, 58, 205, 3, 216]);
});

Deno.test("galois field: a power is a repeated product, and that of no factor is 1", () => {
  for (let a = 0; a < 256; a++) {
    let product = 1;
    for (let exponent = 0; exponent < 300; exponent++) {
      if (power(a, exponent) !== product) {
        assertEquals(power(a, exponent), product, `${a} to the ${exponent}`);
      }
      product = longProduct(product, a);
    }
  }
  assertEquals(power(0, 0), 1);
});

Deno.test("galois field: addProducts adds a multiple, and touches nothing else", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 10 }),
      byte,
      (target, source, to, from, count, factor) => {
        const expected = target.slice();
        for (let i = 0; i < count; i++) expected[to + i] ^= longProduct(factor, source[from + i]);
        const before = source.slice();
        addProducts(target, to, source, from, count, factor);
        assertEquals(target, expected);
        assertEquals(source, before);
      },
    ),
  );
});

Deno.test("galois field: addProducts multiplies bytes that are added to themselves by factor + 1", () => {
  for (let factor = 0; factor < 256; factor++) {
    const bytes = Uint8Array.of(0, 1, 2, 200, 255);
    const expected = bytes.map((value) => longProduct(value, factor ^ 1));
    addProducts(bytes, 0, bytes, 0, bytes.length, factor);
    assertEquals(bytes, expected, `factor ${factor}`);
  }
});
