/**
 * The small harness of the suite. It needs nothing of a runtime, so that it runs on each of them.
 *
 * @module
 */
import type { Face } from "./face.ts";

/** Which code the ciphers and the error correction run: WebAssembly, or TypeScript only. */
export type Path = "kernels" | "portable";

/** One thing that must hold on every runtime. */
export interface Check {
  /** The row of the matrix. Several checks may share one. */
  readonly row: string;
  readonly name: string;
  /** Whether the code has two paths, and the check must hold on both. Default: false. */
  readonly onBothPaths?: boolean;
  /** Whether it needs another process to talk to. Default: false. */
  readonly needsPeer?: boolean;
  /**
   * Whether the value of {@linkcode Check.run} must be the same on all runtimes, and equal to the
   * recorded one, if there is one. Default: false.
   */
  readonly compared?: boolean;
  /** Longest time in ms. Default: 20,000. */
  readonly limit?: number;
  /**
   * Throws if it does not hold.
   *
   * @returns What the matrix shows instead of a mark, or a value that is compared; or nothing.
   */
  run(face: Face): Promise<string | void> | string | void;
}

/** How a check has ended: one line of JSON. */
export interface Result {
  readonly row: string;
  readonly name: string;
  readonly ok: boolean;
  /** How long it took. */
  readonly ms: number;
  /** Why it has failed. */
  readonly message?: string;
  /** What the matrix shows instead of a mark. */
  readonly shown?: string;
  /** What must be the same on all runtimes and paths. */
  readonly same?: string;
}

const LIMIT = 20_000;

/**
 * Runs checks, one after the other.
 *
 * @param path The path that the code takes.
 * @param again Whether this is the second run, for the other path: then only the checks of both
 * paths run.
 * @param report Takes each result at once.
 */
export async function runChecks(
  checks: readonly Check[],
  face: Face,
  { path, again = false }: { path: Path; again?: boolean },
  report: (result: Result) => void | Promise<void>,
): Promise<void> {
  for (const check of checks) {
    if (again && !check.onBothPaths) continue;
    if (check.needsPeer && !face.dial) continue;
    const row = check.onBothPaths ? `${check.row}, ${path}` : check.row;
    await report({ row, name: check.name, ...await attempt(check, face) });
  }
}

async function attempt(check: Check, face: Face): Promise<Omit<Result, "row" | "name">> {
  const start = performance.now();
  const took = () => Math.round(performance.now() - start);
  try {
    const value = await withLimit(check, face);
    if (typeof value !== "string") return { ok: true, ms: took() };
    return { ok: true, ms: took(), [check.compared ? "same" : "shown"]: value };
  } catch (error) {
    const message = error instanceof Error
      ? `${error.name}: ${error.message}\n${error.stack ?? ""}`
      : String(error);
    return { ok: false, ms: took(), message };
  }
}

async function withLimit(check: Check, face: Face): Promise<string | void> {
  const { limit = LIMIT } = check;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It has not ended after ${limit} ms`)), limit);
  });
  try {
    return await Promise.race([(async () => await check.run(face))(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws unless `holds`. */
export function assert(holds: unknown, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** Throws unless two values are the same: numbers, strings, or what JSON can show. */
export function assertSame(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: got ${shortened(a)}, expected ${shortened(b)}`);
}

/** Throws unless two arrays hold the same bytes. */
export function assertBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  assertSame(actual.length, expected.length, `${what}: length`);
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) {
      throw new Error(`${what}: byte ${i} is ${actual[i]}, expected ${expected[i]}`);
    }
  }
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>, what: string): Promise<Error> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error(`${what}: got ${String(value)}, expected an error`);
}

function shortened(text: string | undefined): string {
  return text === undefined || text.length <= 200 ? String(text) : `${text.slice(0, 200)}…`;
}
