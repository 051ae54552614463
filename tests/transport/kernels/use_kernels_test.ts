/**
 * The kernels on a runtime that forbids to compile, before and after modules were given. All tests
 * of this file are about one process: they run in this order.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "../../../crypt/crc32.ts";
import { type CipherName, createCipher } from "../../../crypt/mod.ts";
import { ReedSolomon } from "../../../fec/mod.ts";
import { Arena } from "../../../kcp/mod.ts";
import {
  activeKernels,
  kernelBytes,
  kernelFiles,
  type KernelModules,
  type KernelName,
  type KernelState,
  useKernels,
} from "../../../transport/kernels.ts";
import { pattern } from "../../vectors/pattern.ts";
import { fromHex, readVectors } from "../../vectors/vectors.ts";

const NAMES: KernelName[] = ["aes", "chacha20Poly1305", "copy", "crc32", "galoisField", "salsa20"];
const RELAXED: KernelName[] = ["aes", "chacha20Poly1305", "galoisField"];
const WITH_KERNEL = /^aes|^chacha|^salsa/;

/** The modules, compiled before it is forbidden. */
function compiled(relaxed: boolean): Required<KernelModules> {
  return Object.fromEntries(
    NAMES.map((name) => [name, new WebAssembly.Module(kernelBytes(name, relaxed))]),
  ) as Required<KernelModules>;
}

const plain = compiled(false);
const relaxed = compiled(true);
const ciphers = readVectors("ciphers.json").filter(({ cipher }) => WITH_KERNEL.test(cipher));
const codes = readVectors("reed_solomon.json").filter(({ matrix }) => matrix);

const { Module } = WebAssembly;
let compilations = 0;
// As on a runtime that forbids it. Only the constructor compiles.
WebAssembly.Module = class extends Module {
  constructor(bytes: BufferSource) {
    if (++compilations > 0) throw new WebAssembly.CompileError("not allowed here");
    super(bytes);
  }
};

/** Lets every kernel work once, on vectors of Go. */
function work(): void {
  for (const { cipher: name, key, packets } of ciphers) {
    const cipher = createCipher(name as CipherName, fromHex(key));
    for (const { seed, length, nonce, sealed } of packets) {
      const bytes = new Uint8Array(cipher.headroom + length + cipher.tailroom);
      bytes.set(fromHex(nonce));
      bytes.set(pattern(seed, length), cipher.headroom);
      cipher.seal(bytes, 0, bytes.length);
      assertEquals(bytes.toHex(), sealed, `${name}, ${length} bytes`);
      assert(cipher.open(bytes, 0, bytes.length));
    }
  }
  for (const { data, parity, matrix } of codes) {
    const shards = Array.from({ length: data + parity }, () => new Uint8Array(data));
    for (let i = 0; i < data; i++) shards[i][i] = 1;
    new ReedSolomon(data, parity).encode(shards);
    assertEquals(shards.slice(data).map((row) => row.toHex()), matrix);
  }
  const digits = new TextEncoder().encode("123456789".repeat(100));
  assertEquals(crc32(digits), 0x09fd_0fd7);
  const arena = new Arena();
  const block = arena.alloc(1 << 19);
  arena.bytes.fill(7, block, block + 9);
  arena.copy(block + 5, block, 9);
  assertEquals(arena.bytes.subarray(block, block + 15), new Uint8Array(15).fill(7, 0, 14));
}

/** Asserts a member of the state of all kernels. */
function assertStates<K extends keyof KernelState>(member: K, expected: KernelState[K]): void {
  const states = activeKernels();
  assertEquals(Object.keys(states).sort(), NAMES);
  for (const name of NAMES) assertEquals(states[name][member], expected, name);
}

Deno.test("kernels: where compiling is forbidden, it is told before the first use, for one attempt", () => {
  assertStates("path", "portable");
  assertStates("used", false);
  assertStates("reason", "compiling is forbidden: CompileError: not allowed here");
  assertEquals(compilations, 1);
});

Deno.test("kernels: where compiling is forbidden, the portable path does the work, without further attempts", () => {
  work();
  assertStates("path", "portable");
  assertStates("used", true);
  assertStates("reason", "compiling is forbidden: CompileError: not allowed here");
  assertEquals(compilations, 1);
});

const early = createCipher("chacha20-poly1305", new Uint8Array(32)) as unknown as {
  accelerated: boolean;
};

Deno.test("kernels: a module that is refused is named, and then none is used", () => {
  const other = new Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  const aged = kernelBytes("crc32");
  aged[aged.length - 1] ^= 1;
  const cases: [unknown, string][] = [
    [{ foo: plain.aes }, "Cannot use a kernel foo: allowed are aes, "],
    [{ aes: kernelBytes("aes") }, "kernel aes: it must be a WebAssembly.Module, but is Uint8Array"],
    [{ aes: null }, "kernel aes: it must be a WebAssembly.Module, but is null"],
    [{ aes: "aes.wasm" }, "kernel aes: it must be a WebAssembly.Module, but is string"],
    [{ aes: plain.salsa20 }, "kernel aes: it is the kernel salsa20"],
    [{ salsa20: other }, "kernel salsa20: it is a module of something else"],
    [{ crc32: new Module(aged) }, "kernel crc32: it is of another version of the library"],
  ];
  for (const [modules, message] of cases) {
    const all = { copy: plain.copy, ...modules as KernelModules };
    assertThrows(() => useKernels(all), TypeError, message);
  }
  assertStates("path", "portable");
});

for (const [variant, modules] of [["plain", plain], ["relaxed", relaxed]] as const) {
  Deno.test(`kernels: given modules are used after the portable path too, ${variant}`, () => {
    useKernels(modules);
    assertStates("path", "precompiled");
    assertStates("used", false);
    work();
    assertStates("path", "precompiled");
    assertStates("used", true);
    const states = activeKernels();
    for (const name of NAMES) {
      assertEquals(states[name].relaxed, variant === "relaxed" && RELAXED.includes(name), name);
    }
    assertEquals(compilations, 1);
    assertEquals(early.accelerated, true);
    const aes = createCipher("aes-128-gcm", new Uint8Array(16)) as unknown as typeof early;
    assertEquals(aes.accelerated, true);
  });
}

Deno.test("kernels: what is left out or undefined stays as it is", () => {
  useKernels({ aes: undefined, crc32: plain.crc32 });
  useKernels({});
  const { aes, crc32 } = activeKernels();
  assertEquals([aes.used, crc32.used], [true, false]);
});

Deno.test("kernels: the files are the modules, each with its name", () => {
  const files = kernelFiles();
  assertEquals(Object.keys(files).sort(), [
    "aes.wasm",
    "aes_relaxed.wasm",
    "chacha20_poly1305.wasm",
    "chacha20_poly1305_relaxed.wasm",
    "copy.wasm",
    "crc32.wasm",
    "galois_field.wasm",
    "galois_field_relaxed.wasm",
    "salsa20.wasm",
  ]);
  assertEquals(files["aes.wasm"], kernelBytes("aes"));
  assertEquals(files["galois_field_relaxed.wasm"], kernelBytes("galoisField", true));
  assertEquals(files["copy.wasm"], kernelBytes("copy", true), "there is only one variant");
  assertThrows(() => kernelBytes("toString" as KernelName), TypeError, "kernel toString: allowed");
});
