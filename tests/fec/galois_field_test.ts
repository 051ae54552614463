import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { logarithm, multiply, powerOfGenerator } from "../../fec/galois_field.ts";

/**
 * Long multiplication of polynomials, bit by bit, and reduction modulo x^8 + x^4 + x^3 + x^2 + 1.
 */
function longProduct(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if (b >> bit & 1) product ^= a << bit;
  for (let bit = 14; bit >= 8; bit--) if (product >> bit & 1) product ^= 0x11d << bit - 8;
  return product;
}

const byte = fc.integer({ min: 0, max: 255 });

Deno.test("galois field: every product equals that of long multiplication", () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      if (multiply(a, b) !== longProduct(a, b)) {
        assertEquals(multiply(a, b), longProduct(a, b), `${a} × ${b}`);
      }
    }
  }
});

Deno.test("galois field: products are associative, commutative and distributive", () => {
  fc.assert(
    fc.property(byte, byte, byte, (a, b, c) => {
      assertEquals(multiply(multiply(a, b), c), multiply(a, multiply(b, c)));
      assertEquals(multiply(a, b), multiply(b, a));
      assertEquals(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("galois field: 2 generates the field, and logarithms invert its powers", () => {
  const powers = Array.from({ length: 255 }, (_, i) => powerOfGenerator(i));
  assertEquals(new Set(powers).size, 255);
  let product = 1;
  for (let i = 0; i < 510; i++) {
    assertEquals(powerOfGenerator(i), product, `2 to the ${i}`);
    if (i < 255) assertEquals(logarithm(product), i);
    product = longProduct(product, 2);
  }
  // The values are from the table of powers for QR codes (ISO/IEC 18004), which use the same field.
  assertEquals([8, 9, 12, 25, 251].map((i) => powers[i]), [29, 58, 205, 3, 216]);
});
