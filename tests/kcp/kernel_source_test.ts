import { assertEquals, assertStrictEquals } from "@std/assert";
import { RELAXED_WASM, WASM } from "../../crypt/aes_wasm.ts";
import { WASM as COPY } from "../../kcp/copy_wasm.ts";
import { compileKernel, KernelSource, labelOf } from "../../kcp/kernel_source.ts";

/** Runs a function while WebAssembly is as given. */
function withWebAssembly(value: unknown, body: () => void): void {
  const real = globalThis.WebAssembly;
  const set = (value: unknown) => {
    (globalThis as { WebAssembly: unknown }).WebAssembly = value;
  };
  set(value);
  try {
    body();
  } finally {
    set(real);
  }
}

/** A WebAssembly that compiles only what `allows` allows. */
function limited(allows: (bytes: Uint8Array) => boolean): unknown {
  const { Module, Instance, CompileError } = WebAssembly;
  class Limited extends Module {
    constructor(bytes: Uint8Array<ArrayBuffer>) {
      if (!allows(bytes)) throw new CompileError("not supported");
      super(bytes);
    }
  }
  return { Module: Limited, Instance };
}

/** Whether a module has the opcode of `i8x16.splat`, or of `i8x16.relaxed_swizzle`. */
const hasSimd = (bytes: Uint8Array) => bytes.toHex().includes("fd0f") || bytes.length > 200;
const hasRelaxed = (bytes: Uint8Array) => bytes.toHex().includes("fd8002");

Deno.test("kernel source: before the first use the state is what is expected", () => {
  const aes = new KernelSource("aes");
  const salsa20 = new KernelSource("salsa20");
  const reason = "the runtime compiles WebAssembly";
  assertEquals(aes.state, { path: "compiled", relaxed: true, used: false, reason });
  assertEquals(salsa20.state, { path: "compiled", relaxed: false, used: false, reason });
  withWebAssembly(limited((bytes) => !hasRelaxed(bytes)), () => {
    assertEquals(aes.state, { path: "compiled", relaxed: false, used: false, reason });
  });
});

Deno.test("kernel source: the state tells which variant was compiled", () => {
  for (const [modules, relaxed] of [[[RELAXED_WASM, WASM], true], [[WASM], false]] as const) {
    const source = new KernelSource("aes");
    source.start(modules, () => true);
    const { path, used } = source.state;
    assertEquals([path, source.state.relaxed, used], ["compiled", relaxed, true]);
  }
});

Deno.test("kernel source: a runtime without WebAssembly", () => {
  withWebAssembly(undefined, () => {
    const source = new KernelSource("copy");
    const state = { path: "portable", relaxed: false, reason: "no WebAssembly" } as const;
    assertEquals(source.state, { ...state, used: false });
    assertEquals(source.start([COPY], () => true), null);
    assertEquals(source.state, { ...state, used: true });
  });
});

Deno.test("kernel source: a runtime without SIMD copies with a kernel, and does nothing else with one", () => {
  withWebAssembly(limited((bytes) => !hasSimd(bytes)), () => {
    const aes = new KernelSource("aes");
    const copy = new KernelSource("copy");
    assertEquals([aes.state.path, aes.state.reason], ["portable", "no SIMD"]);
    assertEquals(aes.start([RELAXED_WASM, WASM], () => true), null);
    assertEquals(copy.start([COPY], () => true), true);
    assertEquals([aes.state.path, aes.state.reason], ["portable", "no SIMD"]);
    assertEquals(copy.state.path, "compiled");
  });
});

Deno.test("kernel source: a kernel that can't be started is told with the runtime's error", () => {
  const source = new KernelSource("copy");
  const start = () => {
    throw new RangeError("too many instances");
  };
  assertEquals(source.start([COPY], start), null);
  assertEquals(source.state, {
    path: "portable",
    relaxed: false,
    used: true,
    reason: "the runtime does not start it: RangeError: too many instances",
  });
  assertEquals(source.start([COPY], () => 1), 1, "there may be room later");
  assertEquals(source.state.path, "compiled");
});

Deno.test("kernel source: a given module is used, and makes another version", () => {
  const source = new KernelSource("copy");
  const { version } = source;
  source.start([COPY], () => {});
  assertStrictEquals(source.version, version);
  const module = compileKernel([COPY]) as WebAssembly.Module;
  source.give(module);
  assertEquals(source.version === version, false);
  assertEquals([source.state.path, source.state.used], ["precompiled", false]);
  source.start(["!"], (used) => assertStrictEquals(used, module));
  assertEquals([source.state.path, source.state.used], ["precompiled", true]);
});

Deno.test("kernel source: a module that the runtime does not compile, although it has SIMD", () => {
  const problem = compileKernel(["AGFzbQIAAAA="]) as string;
  assertEquals(problem.startsWith("the runtime does not compile it: CompileError: "), true);
});

Deno.test("kernel source: a module says which kernel it is", () => {
  const label = labelOf(compileKernel([RELAXED_WASM]) as WebAssembly.Module);
  assertEquals(label, { name: "aes", variant: "relaxed", known: true });
  assertEquals(labelOf(compileKernel(["AGFzbQEAAAA="]) as WebAssembly.Module), null);
});
