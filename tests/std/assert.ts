/**
 * Stand-ins for the functions of `@std/assert` that this project uses, for machines where JSR does
 * not answer. Names, signatures and results are the same. Messages of failures differ: they name
 * the first place where two values differ.
 *
 * @module
 */
import { equal, firstDifference, inspect } from "./equal.ts";

export { equal };

/** The error of a failed assertion. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** The values that count as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** A class, abstract or not. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = abstract new (...args: any[]) => any;

/** An array or array-like object. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Throws. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${msg ? `: ${msg}` : "."}`);
}

/** Throws. It marks code that the program must not reach. */
export function unreachable(reason?: string): never {
  throw new AssertionError(`Unreachable${reason ? `: ${reason}` : ""}`);
}

/** Asserts that both values are equal, deeply. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(explain("Values are not equal", msg, actual, expected));
}

/** Asserts that the values are not equal, deeply. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(
    withReason(`Expected values to differ, both are ${inspect(actual)}`, msg),
  );
}

/** Asserts that both values are the same, by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    equal(actual, expected)
      ? withReason(`Values are equal, but not the same: ${inspect(actual)}`, msg)
      : explain("Values are not the same", msg, actual, expected),
  );
}

/**
 * Asserts that the numbers differ by no more than `tolerance`. Default: a ten-millionth of
 * `expected`.
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const delta = Math.abs(expected - actual);
  if (delta <= allowed) return;
  throw new AssertionError(
    withReason(
      `Expected ${actual} to be within ${allowed} of ${expected}, it is ${delta} off`,
      msg,
    ),
  );
}

/** Asserts that `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(withReason(`Expected a value, got ${actual}`, msg));
}

/** Asserts that `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) failOrder(actual, ">", expected, msg);
}

/** Asserts that `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) failOrder(actual, ">=", expected, msg);
}

/** Asserts that `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) failOrder(actual, "<", expected, msg);
}

/** Asserts that `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) failOrder(actual, "<=", expected, msg);
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    withReason(`Expected ${inspect(actual)} to include ${inspect(expected)}`, msg),
  );
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(withReason(`Expected ${inspect(actual)} to match ${expected}`, msg));
}

/** Asserts that every element of `expected` equals, deeply, some element of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((item) => !present.some((p) => equal(p, item)));
  if (missing.length === 0) return;
  throw new AssertionError(
    withReason(`Expected ${inspect(actual)} to include ${inspect(missing)}`, msg),
  );
}

/** Asserts that `actual` is an instance of the class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  throw new AssertionError(
    withReason(`Expected an instance of ${expectedType.name}, got ${className(actual)}`, msg),
  );
}

/** Asserts that `fn` throws. Returns the thrown value. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an error of the class, with `msgIncludes` in its message. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  errorClassOrMsg?: AnyConstructor | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const wanted = expectedError(errorClassOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    return checkError(error, wanted);
  }
  throw new AssertionError(withReason("Expected function to throw", wanted.msg));
}

/** Asserts that the promise of `fn` rejects. Returns the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an error of the class. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  errorClassOrMsg?: AnyConstructor | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const wanted = expectedError(errorClassOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(
      withReason("Expected function to reject, but it threw before it returned", wanted.msg),
      { cause: error },
    );
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(
      withReason(`Expected function to reject, but it returned ${inspect(promise)}`, wanted.msg),
    );
  }
  try {
    await promise;
  } catch (error) {
    return checkError(error, wanted);
  }
  throw new AssertionError(withReason("Expected function to reject", wanted.msg));
}

/** How many lines of each side a failure shows. */
const SHOWN_LINES = 12;

/** The message of a failure: what is wrong, where, and the lines that differ. */
function explain(title: string, msg: string | undefined, actual: unknown, expected: unknown) {
  const lines = [withReason(title, msg)];
  const difference = firstDifference(actual, expected);
  if (difference && difference.path !== "") {
    lines.push(
      `at ${difference.path}`,
      `  - actual:   ${inspect(difference.actual)}`,
      `  + expected: ${inspect(difference.expected)}`,
      "in",
    );
  }
  return [...lines, ...diffLines(actual, expected)].join("\n");
}

function diffLines(actual: unknown, expected: unknown): string[] {
  const [left, right] = [actual, expected].map((value) =>
    inspect(value, { compact: false }).split("\n")
  );
  const shorter = Math.min(left.length, right.length);
  let head = 0;
  while (head < shorter && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < shorter - head && left.at(-1 - tail) === right.at(-1 - tail)) tail++;
  // The texts are equal, as those of two buffers that differ after the part that is shown.
  if (head === left.length && head === right.length) return [`    ${left[0]} …`];
  return [
    ...left.slice(Math.max(0, head - 2), head).map((line) => `    ${line}`),
    ...shorten(left.slice(head, left.length - tail)).map((line) => `  - ${line}`),
    ...shorten(right.slice(head, right.length - tail)).map((line) => `  + ${line}`),
    ...left.slice(left.length - tail).slice(0, 2).map((line) => `    ${line}`),
  ];
}

function shorten(lines: string[]): string[] {
  if (lines.length <= SHOWN_LINES) return lines;
  return [...lines.slice(0, SHOWN_LINES), `… ${lines.length - SHOWN_LINES} more lines`];
}

function withReason(text: string, msg: string | undefined): string {
  return msg ? `${text}: ${msg}` : text;
}

function failOrder(actual: unknown, operator: string, expected: unknown, msg?: string): never {
  throw new AssertionError(
    withReason(`Expected ${inspect(actual)} ${operator} ${inspect(expected)}`, msg),
  );
}

function describeThrown(error: unknown): string {
  return error instanceof Error ? `${className(error)}: ${error.message}` : inspect(error);
}

function className(value: unknown): string {
  const named = typeof value === "object" && value !== null && value.constructor?.name;
  return named || inspect(value);
}

/** The error that assertThrows or assertRejects expects. */
interface ExpectedError {
  errorClass?: AnyConstructor;
  msgIncludes?: string;
  msg?: string;
}

function expectedError(
  errorClassOrMsg: AnyConstructor | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): ExpectedError {
  return typeof errorClassOrMsg === "function"
    ? { errorClass: errorClassOrMsg, msgIncludes, msg }
    : { msg: errorClassOrMsg };
}

function checkError(error: unknown, { errorClass, msgIncludes, msg }: ExpectedError): unknown {
  if (!errorClass) return error;
  if (!(error instanceof errorClass)) {
    throw new AssertionError(
      withReason(
        `Expected an error of class ${errorClass.name}, got ${describeThrown(error)}`,
        msg,
      ),
      { cause: error },
    );
  }
  const message = (error as Error).message;
  if (msgIncludes !== undefined && !message.includes(msgIncludes)) {
    throw new AssertionError(
      withReason(
        `Expected error message to include ${inspect(msgIncludes)}, got ${inspect(message)}`,
        msg,
      ),
      { cause: error },
    );
  }
  return error;
}
