import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  concat,
  copy,
  endsWith,
  equals,
  includesNeedle,
  indexOfNeedle,
  startsWith,
} from "@std/bytes";
import fc from "fast-check";

const bytes = fc.uint8Array({ maxLength: 12 });
/** Bytes with only two values, so that short needles are found often. */
const fewLetters = (maxLength: number) => fc.uint8Array({ min: 0, max: 1, maxLength });

Deno.test("concat() returns every byte of every buffer in order", () => {
  fc.assert(fc.property(fc.array(bytes), (buffers) => {
    assertEquals([...concat(buffers)], buffers.flatMap((buffer) => [...buffer]));
  }));
});

Deno.test("concat() copies", () => {
  const source = new Uint8Array([1, 2]);
  const joined = concat([source]);
  source[0] = 9;
  assertEquals(joined, new Uint8Array([1, 2]));
});

Deno.test("copy() writes bytes from the offset on, and returns how many", () => {
  fc.assert(fc.property(bytes, bytes, fc.nat(15), (src, dst, offset) => {
    const before = [...dst];
    const start = Math.min(offset, dst.length);
    const length = copy(src, dst, offset);
    assertEquals(length, Math.min(src.length, dst.length - start));
    assertEquals([...dst], [
      ...before.slice(0, start),
      ...src.slice(0, length),
      ...before.slice(start + length),
    ]);
  }));
});

Deno.test("copy() treats a negative offset as 0", () => {
  const dst = new Uint8Array(2);
  assertEquals(copy(new Uint8Array([1]), dst, -5), 1);
  assertEquals(dst, new Uint8Array([1, 0]));
});

Deno.test("equals() compares length and every byte, at any alignment", () => {
  fc.assert(fc.property(fewLetters(6), fewLetters(6), (a, b) => {
    assertStrictEquals(equals(a, b), a.join() === b.join());
  }));
  for (const length of [999, 1000, 1001, 4096]) {
    const a = new Uint8Array(length + 1).subarray(1).fill(7);
    const b = new Uint8Array(length).fill(7);
    assertStrictEquals(equals(a, b), true);
    b[length - 1] = 8;
    assertStrictEquals(equals(a, b), false);
  }
});

Deno.test("indexOfNeedle() and includesNeedle() find the first needle from the start on", () => {
  fc.assert(fc.property(fewLetters(12), fewLetters(3), fc.nat(14), (source, needle, start) => {
    fc.pre(needle.length > 0);
    const expected = source.length === 0 ? -1 : source.join("").indexOf(needle.join(""), start);
    assertStrictEquals(indexOfNeedle(source, needle, start), expected);
    assertStrictEquals(includesNeedle(source, needle, start), expected !== -1);
  }));
  assertStrictEquals(indexOfNeedle(new Uint8Array([1, 2]), new Uint8Array([2])), 1);
  assertStrictEquals(indexOfNeedle(new Uint8Array([1, 2, 1]), new Uint8Array([1]), -1), 2);
  assertStrictEquals(indexOfNeedle(new Uint8Array([1, 2, 1]), new Uint8Array([1]), -9), 0);
});

Deno.test("startsWith() and endsWith() behave like the methods of strings", () => {
  fc.assert(fc.property(fewLetters(6), fewLetters(4), (source, part) => {
    assertStrictEquals(startsWith(source, part), source.join("").startsWith(part.join("")));
    assertStrictEquals(endsWith(source, part), source.join("").endsWith(part.join("")));
  }));
});
