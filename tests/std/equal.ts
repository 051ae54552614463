/**
 * Deep comparison for the stand-ins of `@std/assert`. One pass decides whether two values are
 * equal, and finds the first place where they differ.
 *
 * @module
 */

/**
 * Whether the values are deeply equal: the same class, the same own enumerable properties, and the
 * same contents of buffers, arrays, maps and sets. Maps and sets may differ in order. NaN equals
 * NaN, and 0 equals -0.
 */
export function equal(a: unknown, b: unknown): boolean {
  return firstDifference(a, b) === undefined;
}

/** The first place where two values differ, and the two values there. */
export interface Difference {
  /** The path from the root, such as `.segments[3].sn`. Empty for the root. */
  path: string;
  actual: unknown;
  expected: unknown;
}

/** The value of an element or a property that only the other side has. */
export const ABSENT = Symbol("absent");

/** Compares deeply. `visited` holds the pairs compared so far, so that cycles end. */
export function firstDifference(
  actual: unknown,
  expected: unknown,
  visited = new Map<object, object>(),
): Difference | undefined {
  if (actual === expected || Object.is(actual, expected)) return undefined;
  const here: Difference = { path: "", actual, expected };
  if (typeof actual !== "object" || typeof expected !== "object") return here;
  if (actual === null || expected === null || !sameClass(actual, expected)) return here;
  if (visited.get(actual) === expected) return undefined;
  visited.set(actual, expected);

  const [contents, others] = [elements(actual), elements(expected)];
  if (contents && others) return elementDifference(contents, others);
  const [own, other] = [primitive(actual), primitive(expected)];
  if (own !== undefined && !Object.is(own, other)) return here;
  if (isOpaque(actual)) return here;
  if (actual instanceof Set && expected instanceof Set) {
    const matched = matchAll(
      [...actual].filter((item) => !expected.has(item)),
      [...expected].filter((item) => !actual.has(item)),
    );
    if (!matched) return here;
  }
  if (actual instanceof Map && expected instanceof Map) {
    for (const [key, value] of actual) {
      const inner = expected.has(key) && firstDifference(value, expected.get(key), visited);
      if (inner) return { ...inner, path: `.get(${inspect(key)})${inner.path}` };
    }
    const matched = matchAll(
      [...actual].filter(([key]) => !expected.has(key)),
      [...expected].filter(([key]) => !actual.has(key)),
    );
    if (!matched) return here;
  }
  return propertyDifference(actual, expected, visited);
}

/** Whether the items of both sides form pairs of equal items, in any order. */
function matchAll(actual: unknown[], expected: unknown[]): boolean {
  const rest = [...expected];
  for (const item of actual) {
    const match = rest.findIndex((candidate) => equal(item, candidate));
    if (match === -1) return false;
    rest.splice(match, 1);
  }
  return rest.length === 0;
}

/** Compares the contents of buffers, in a separate loop because they can have megabytes. */
function elementDifference(
  actual: ArrayLike<unknown>,
  expected: ArrayLike<unknown>,
): Difference | undefined {
  const length = Math.max(actual.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (actual[i] === expected[i] || Object.is(actual[i], expected[i])) continue;
    return {
      path: `[${i}]`,
      actual: i < actual.length ? actual[i] : ABSENT,
      expected: i < expected.length ? expected[i] : ABSENT,
    };
  }
  return undefined;
}

/** Properties of errors that are not enumerable. `@std/assert` compares the stack, too. */
const ERROR_KEYS = ["name", "message", "cause", "stack"];

/** Compares own enumerable properties, and {@linkcode ERROR_KEYS} of errors. */
function propertyDifference(
  actual: object,
  expected: object,
  visited: Map<object, object>,
): Difference | undefined {
  const keys = new Set([...ownKeys(actual), ...ownKeys(expected)]);
  if (Array.isArray(actual)) keys.add("length");
  if (actual instanceof Error) ERROR_KEYS.forEach((key) => keys.add(key));
  for (const key of keys) {
    const inner = firstDifference(property(actual, key), property(expected, key), visited);
    if (inner) return { ...inner, path: step(key) + inner.path };
  }
  return undefined;
}

function ownKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
}

function property(value: object, key: PropertyKey): unknown {
  const present = Object.hasOwn(value, key) || (value instanceof Error && key in value);
  return present ? Reflect.get(value, key) : ABSENT;
}

function step(key: PropertyKey): string {
  if (typeof key === "symbol") return `[${String(key)}]`;
  if (/^\d+$/.test(String(key))) return `[${String(key)}]`;
  return /^[\p{L}_$][\p{L}\d_$]*$/u.test(String(key)) ? `.${String(key)}` : `[${inspect(key)}]`;
}

/** Plain objects count as one class, with or without a prototype. */
function sameClass(a: object, b: object): boolean {
  const [left, right] = [a, b].map((value) => Object.getPrototypeOf(value) ?? Object.prototype);
  return left === right;
}

function elements(value: object): ArrayLike<unknown> | undefined {
  if (value instanceof DataView) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (ArrayBuffer.isView(value)) return value as unknown as ArrayLike<unknown>;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return new Uint8Array(value);
  }
  return undefined;
}

/** The value of an object that has it outside of properties. */
function primitive(value: object): unknown {
  if (value instanceof RegExp || value instanceof URL) return String(value);
  const boxed = value instanceof Date || value instanceof Number || value instanceof String ||
    value instanceof Boolean;
  return boxed ? value.valueOf() : undefined;
}

/**
 * Whether the contents of the object cannot be read, so that it equals only itself. `@std/assert`
 * is less strict: there, any two promises are equal.
 */
function isOpaque(value: object): boolean {
  return value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet ||
    value instanceof WeakRef;
}

/** Formats a value for messages. `compact: false` puts each member on its own line. */
export function inspect(value: unknown, { compact = true } = {}): string {
  if (value === ABSENT) return "absent";
  // Tests that are bundled run elsewhere, too.
  if (!("Deno" in globalThis)) return JSON.stringify(value) ?? String(value);
  return Deno.inspect(value, {
    compact,
    depth: 20,
    // Enough for a packet.
    iterableLimit: compact ? 100 : 2_000,
    sorted: true,
    strAbbreviateSize: 2_000,
    trailingComma: true,
  });
}
