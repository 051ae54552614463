/**
 * What the runtime supports of WebAssembly. It compiles tiny modules to find out.
 *
 * @module
 */

/** An empty module. */
const EMPTY = "AGFzbQEAAAA=";
/** A function that returns `i8x16.splat(0)`. */
const SIMD = "AGFzbQEAAAABBQFgAAF7AwIBAAoIAQYAQQD9Dws=";
/** A function that returns `i8x16.relaxed_swizzle` of two such vectors. */
const RELAXED_SIMD = "AGFzbQEAAAABBQFgAAF7AwIBAAoPAQ0AQQD9D0EA/Q/9gAIL";

/** The bytes of a module in base64. */
export function decodeModule(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function compiles(base64: string): boolean {
  try {
    return new WebAssembly.Module(decodeModule(base64)) !== null;
  } catch {
    return false;
  }
}

let asked: unknown;
let problem: string | null = null;

/**
 * Why the runtime compiles no module at all. Null if it compiles some.
 *
 * It is tried once: a browser reports each attempt as a violation of the page's policy.
 */
export function wasmProblem(): string | null {
  if (typeof WebAssembly === "undefined") return "no WebAssembly";
  if (asked === WebAssembly.Module) return problem;
  asked = WebAssembly.Module;
  try {
    new WebAssembly.Module(decodeModule(EMPTY));
    problem = null;
  } catch (error) {
    problem = `compiling is forbidden: ${error}`;
  }
  return problem;
}

/** Whether the runtime compiles modules with SIMD. */
export function compilesSimd(): boolean {
  return wasmProblem() === null && compiles(SIMD);
}

/** Whether the runtime compiles modules with relaxed SIMD. */
export function compilesRelaxedSimd(): boolean {
  return wasmProblem() === null && compiles(RELAXED_SIMD);
}
