import { assertEquals } from "@std/assert";
import { startKernel } from "../../kcp/kernel.ts";
import { WASM } from "../../crypt/salsa20_wasm.ts";

Deno.test("kernel: null if WebAssembly is missing, forbidden or lacks a feature", () => {
  assertEquals(startKernel("AGFzbQEAAAA=") === null, false, "an empty module");
  assertEquals(startKernel("AGFzbQIAAAA="), null, "a module of another version");
  assertEquals(startKernel("!"), null, "no base64");
  const { Module } = WebAssembly;
  try {
    // As on a runtime that forbids it.
    WebAssembly.Module = class {
      constructor() {
        throw new WebAssembly.CompileError("not allowed here");
      }
    } as unknown as typeof WebAssembly.Module;
    assertEquals(startKernel(WASM), null);
  } finally {
    WebAssembly.Module = Module;
  }
});
