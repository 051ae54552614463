import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import fc from "fast-check";
import * as standIn from "./assert.ts";

/** Runs an assertion that must fail, and returns its message. It uses no other assertion. */
function failure(assertion: () => unknown): string {
  try {
    assertion();
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
  throw new Error(`passed, but had to fail: ${assertion}`);
}

async function failureOf(assertion: () => Promise<unknown>): Promise<string> {
  const outcome = await assertion().then(
    () => () => {},
    (error) => () => {
      throw error;
    },
  );
  return failure(outcome);
}

/** Checks that the message includes all parts. */
function mentions(message: string, ...parts: string[]): void {
  // deno-lint-ignore no-control-regex
  const plain = message.replace(/\x1b\[[\d;]*m/g, "");
  for (const part of parts) {
    if (!plain.includes(part)) throw new Error(`no ${JSON.stringify(part)} in:\n${plain}`);
  }
}

class Point {
  readonly x: number;
  readonly y: number;

  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

class OtherPoint {
  readonly x: number;
  readonly y: number;

  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const cycle = () => {
  const object: Record<string, unknown> = { name: "cycle" };
  object.self = object;
  return object;
};

const error = () => new RangeError("m");

const EQUAL: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  ["a", "a"],
  [10n, 10n],
  [undefined, undefined],
  [null, null],
  [Symbol.iterator, Symbol.iterator],
  [[1, [2, 3]], [1, [2, 3]]],
  [{ a: 1, b: { c: [2] } }, { b: { c: [2] }, a: 1 }],
  [{ [Symbol.for("s")]: 1 }, { [Symbol.for("s")]: 1 }],
  [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [new Point(1, 2), new Point(1, 2)],
  [new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
  [new Float64Array([NaN]), new Float64Array([NaN])],
  [new BigUint64Array([1n]), new BigUint64Array([1n])],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new DataView(new ArrayBuffer(3), 1), new DataView(new ArrayBuffer(3), 1)],
  [new Date(5), new Date(5)],
  [new Date(NaN), new Date(NaN)],
  [/a/g, /a/g],
  [new URL("https://example.com/a"), new URL("https://example.com/a")],
  [new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])],
  [new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]])],
  [new Map([[{ k: 1 }, "v"]]), new Map([[{ k: 1 }, "v"]])],
  [error, error].map((make) => make()) as [Error, Error],
  [cycle(), cycle()],
];

const DIFFERENT: [unknown, unknown][] = [
  [1, 2],
  [1, "1"],
  [1, 1n],
  [null, undefined],
  [null, {}],
  [[], {}],
  [[1, 2], [2, 1]],
  [[1], [1, 2]],
  [[1, 2], [1]],
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { b: 1 }],
  [{ a: undefined }, {}],
  [{}, { a: undefined }],
  [{ [Symbol.for("s")]: 1 }, { [Symbol.for("s")]: 2 }],
  [new Point(1, 2), new OtherPoint(1, 2)],
  [new Point(1, 2), { x: 1, y: 2 }],
  [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  [new Uint8Array([1]), new Uint8Array([1, 0])],
  [new Uint8Array([1, 0]), new Uint8Array([1])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1]), [1]],
  [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
  [new DataView(new Uint8Array([1]).buffer), new DataView(new Uint8Array([2]).buffer)],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [new URL("https://example.com/a"), new URL("https://example.com/b")],
  [new Set([1]), new Set([2])],
  [new Set([1]), new Set([1, 2])],
  [new Set([{ a: 1 }]), new Set([{ a: 2 }])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Map([["a", 1]]), new Map([["b", 1]])],
  [new Map([["a", 1]]), new Map([["a", 1], ["b", 1]])],
  [new Map([[{ k: 1 }, "v"]]), new Map([[{ k: 1 }, "w"]])],
  [new RangeError("m"), new RangeError("n")],
  [new RangeError("m"), new TypeError("m")],
  [() => {}, () => {}],
];

Deno.test("equal(), assertEquals() and assertNotEquals() agree on what is equal", () => {
  for (const [a, b] of EQUAL) {
    for (const [actual, expected] of [[a, b], [b, a], [[a], [b]], [{ a }, { a: b }]]) {
      if (!equal(actual, expected)) throw new Error(Deno.inspect([actual, expected]));
      assertEquals(actual, expected);
      failure(() => assertNotEquals(actual, expected));
    }
  }
});

Deno.test("equal(), assertEquals() and assertNotEquals() agree on what is not equal", () => {
  for (const [a, b] of DIFFERENT) {
    for (const [actual, expected] of [[a, b], [b, a], [[a], [b]], [{ a }, { a: b }]]) {
      if (equal(actual, expected)) throw new Error(Deno.inspect([actual, expected]));
      failure(() => assertEquals(actual, expected));
      assertNotEquals(actual, expected);
    }
  }
});

Deno.test("equal() says that a clone is equal, and a value of another JSON text is not", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
    if (!equal(a, structuredClone(a))) throw new Error("a clone differs");
    // JSON writes -0 as 0, and equal() says that they are equal.
    const sameText = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
    if (equal(a, b) !== sameText) throw new Error(`equal() says ${!sameText}`);
  }));
});

/** The value with its keys in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)]);
  return { entries: entries.sort(([a], [b]) => String(a) < String(b) ? -1 : 1) };
}

Deno.test("equal() finds one different byte among millions", () => {
  const a = new Uint8Array(4_000_000);
  const b = a.slice();
  if (!equal(a, b)) throw new Error("equal arrays differ");
  b[3_999_999] = 1;
  if (equal(a, b)) throw new Error("different arrays are equal");
});

Deno.test("assertEquals() shows both values and the reason", () => {
  const actual = { segments: [{ sn: 4, data: "same" }, { sn: 5, data: "same" }] };
  const expected = { segments: [{ sn: 4, data: "same" }, { sn: 6, data: "same" }] };
  mentions(
    failure(() => assertEquals(actual, expected, "the reason")),
    "Values are not equal: the reason",
    "sn: 5",
    "sn: 6",
  );
});

Deno.test("a stand-in's failure names the first place where the values differ", () => {
  const packet = new Uint8Array(1_400);
  const changed = packet.slice();
  changed[1_234] = 7;
  const compare = (actual: unknown, expected: unknown) => {
    const error = assertThrows(
      () => standIn.assertEquals(actual, expected),
      standIn.AssertionError,
    );
    return error.message;
  };
  mentions(
    compare({ sent: [{ packet }] }, { sent: [{ packet: changed }] }),
    "at .sent[0].packet[1234]\n  - actual:   0\n  + expected: 7\n",
  );
  mentions(compare(new Map([["a", [1]]]), new Map([["a", [1, 2]]])), 'at .get("a")[1]', "absent");
  mentions(compare({ "odd key": 1 }, { "odd key": 2 }), 'at ["odd key"]');
});

Deno.test("assertStrictEquals() needs the same value, not an equal one", () => {
  const object = {};
  assertStrictEquals(object, object);
  assertStrictEquals(NaN, NaN);
  failure(() => assertStrictEquals({}, {}));
  failure(() => assertStrictEquals<number>(0, -0));
  failure(() => assertStrictEquals<unknown>(1, "1"));
  mentions(failure(() => assertStrictEquals(1, 2, "the reason")), "the reason", "1", "2");
});

Deno.test("assert() and assertFalse() test truthiness", () => {
  for (const value of [true, 1, "a", {}, []]) {
    assert(value);
    failure(() => assertFalse(value));
  }
  for (const value of [false, 0, 0n, "", null, undefined, NaN]) {
    assertFalse(value);
    failure(() => assert(value));
  }
  mentions(failure(() => assert(false, "the reason")), "the reason");
  mentions(failure(() => assertFalse(true, "the reason")), "the reason");
});

Deno.test("assertExists() accepts every value except null and undefined", () => {
  for (const value of [0, "", false, NaN]) assertExists(value);
  failure(() => assertExists(null));
  mentions(failure(() => assertExists(undefined, "the reason")), "the reason");
});

Deno.test("assertAlmostEquals() allows the tolerance; its default is a ten-millionth", () => {
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(100, 109, 10);
  assertAlmostEquals(Infinity, Infinity);
  assertAlmostEquals(NaN, NaN);
  failure(() => assertAlmostEquals(1, 1.0001));
  failure(() => assertAlmostEquals(1, NaN));
  failure(() => assertAlmostEquals(Infinity, 1));
  mentions(failure(() => assertAlmostEquals(1, 3, 1, "the reason")), "the reason", "1", "3");
});

Deno.test("the order assertions hold for numbers, and never for NaN", () => {
  fc.assert(fc.property(fc.integer({ max: 4 }), fc.integer({ max: 4 }), (a, b) => {
    (a > b ? (f: () => void) => f() : failure)(() => assertGreater(a, b));
    (a >= b ? (f: () => void) => f() : failure)(() => assertGreaterOrEqual(a, b));
    (a < b ? (f: () => void) => f() : failure)(() => assertLess(a, b));
    (a <= b ? (f: () => void) => f() : failure)(() => assertLessOrEqual(a, b));
  }));
  for (const order of [assertGreater, assertGreaterOrEqual, assertLess, assertLessOrEqual]) {
    failure(() => order(NaN, 1));
    failure(() => order(1, NaN));
  }
  mentions(failure(() => assertLess(2, 1)), "2", "1");
  mentions(failure(() => assertLess(2, 1, "the reason")), "the reason");
});

Deno.test("assertStringIncludes() and assertMatch() search a string", () => {
  assertStringIncludes("hello", "ell");
  mentions(failure(() => assertStringIncludes("hello", "x", "the reason")), "hello", "the reason");
  assertMatch("conv 17", /conv \d+/);
  mentions(failure(() => assertMatch("conv", /\d/, "the reason")), "conv", "/\\d/", "the reason");
});

Deno.test("assertArrayIncludes() needs every element, in any order, deeply equal", () => {
  assertArrayIncludes([1, 2, 3], [3, 1]);
  assertArrayIncludes([{ a: 1 }, { a: 2 }], [{ a: 2 }]);
  assertArrayIncludes(new Uint8Array([1, 2]), new Uint8Array([2]));
  mentions(failure(() => assertArrayIncludes([1, 2], [2, 3], "the reason")), "3", "the reason");
});

Deno.test("assertInstanceOf() needs an instance", () => {
  assertInstanceOf(new RangeError("m"), Error);
  assertInstanceOf(new Uint8Array(1), Uint8Array);
  mentions(
    failure(() => assertInstanceOf(new Point(1, 2), OtherPoint, "the reason")),
    "OtherPoint",
    "Point",
    "the reason",
  );
  for (const value of [null, undefined, 1, "a"]) failure(() => assertInstanceOf(value, Error));
});

Deno.test("assertThrows() checks class and message, and returns the thrown value", () => {
  const error = new RangeError("len 9 past the end");
  const thrower = () => {
    throw error;
  };
  assertStrictEquals(assertThrows(thrower), error);
  assertStrictEquals(assertThrows(thrower, RangeError), error);
  assertStrictEquals(assertThrows(thrower, Error, "past"), error);
  mentions(failure(() => assertThrows(thrower, TypeError, "", "the reason")), "the reason");
  mentions(failure(() => assertThrows(thrower, TypeError)), "TypeError", "RangeError");
  mentions(failure(() => assertThrows(thrower, RangeError, "absent")), "absent", "len 9 past");
  mentions(failure(() => assertThrows(() => {}, "the reason")), "the reason");
  failure(() => assertThrows(() => {}, RangeError));
  const throwText = () => {
    throw "text";
  };
  assertStrictEquals(assertThrows(throwText), "text");
  failure(() => assertThrows(throwText, Error));
});

Deno.test("assertRejects() checks class and message, and returns the reason", async () => {
  const error = new RangeError("len 9 past the end");
  const rejecter = () => Promise.reject(error);
  assertStrictEquals(await assertRejects(rejecter), error);
  assertStrictEquals(await assertRejects(rejecter, RangeError), error);
  assertStrictEquals(await assertRejects(rejecter, Error, "past"), error);
  mentions(await failureOf(() => assertRejects(rejecter, TypeError)), "TypeError", "RangeError");
  mentions(await failureOf(() => assertRejects(rejecter, RangeError, "absent")), "absent");
  const resolver = () => Promise.resolve(1);
  mentions(await failureOf(() => assertRejects(resolver, "the reason")), "the reason");
  mentions(await failureOf(() => assertRejects(resolver, RangeError, "", "the why")), "the why");
});

Deno.test("assertRejects() needs a rejection, not a throw", async () => {
  await failureOf(() =>
    assertRejects(() => {
      throw new RangeError("m");
    })
  );
  await failureOf(() => assertRejects((() => 1) as unknown as () => Promise<unknown>));
});

Deno.test("fail() and unreachable() throw", () => {
  mentions(failure(() => fail("the reason")), "the reason");
  failure(() => fail());
  mentions(failure(() => unreachable("the reason")), "the reason");
  failure(() => unreachable());
});

Deno.test("AssertionError is an Error with a name and a cause", () => {
  const error = new AssertionError("m", { cause: 1 });
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.message, error.cause], ["AssertionError", "m", 1]);
});
