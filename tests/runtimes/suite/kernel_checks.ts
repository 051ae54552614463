/**
 * Whether WebAssembly kernels run where they may, and only there.
 *
 * @module
 */
import { createCipher } from "../../../crypt/mod.ts";
import { ReedSolomon } from "../../../fec/mod.ts";
import { activeKernels } from "../../../transport/kernels.ts";
import { pattern } from "../../vectors/pattern.ts";
import { assert, assertSame, type Check } from "./harness.ts";

/** The smallest module: its magic number and its version. */
const EMPTY = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** AES with GHASH, ChaCha20-Poly1305, Salsa20, CRC-32 (of Blowfish), and Reed-Solomon. */
const KINDS = 5;

/** Whether the runtime lets a module be compiled now. */
function mayCompile(): boolean {
  if (typeof WebAssembly === "undefined") return false;
  try {
    new WebAssembly.Module(EMPTY);
    return true;
  } catch {
    return false;
  }
}

/** Uses each kind of kernel once. */
function useAll(): void {
  for (const name of ["aes-256-gcm", "chacha20-poly1305", "salsa20", "blowfish"] as const) {
    const cipher = createCipher(name, pattern(1, 32));
    const packet = new Uint8Array(cipher.headroom + 1300 + cipher.tailroom);
    cipher.seal(packet, 0, packet.length);
    assert(cipher.open(packet, 0, packet.length), `${name} does not open what it has sealed`);
  }
  const shards = Array.from({ length: 13 }, (_, i) => pattern(i, 1400));
  new ReedSolomon(10, 3).encode(shards);
}

/** Counts the instances of WebAssembly modules that `run` starts. */
function countInstances(run: () => void): number {
  if (typeof WebAssembly === "undefined") {
    run();
    return 0;
  }
  const { Instance } = WebAssembly;
  let count = 0;
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module, imports]) {
      count++;
      return new target(module, imports);
    },
  });
  try {
    run();
  } finally {
    WebAssembly.Instance = Instance;
  }
  return count;
}

/** Checks of the kernels. They must be the first that run: each kernel is started once. */
export const kernelChecks: readonly Check[] = [
  {
    row: "WebAssembly kernels",
    name: "they run where the runtime allows it, and activeKernels tells the truth",
    run: ({ kernels }) => {
      assertSame(mayCompile(), kernels === "compiled", "Whether modules may be compiled");
      const count = countInstances(useAll);
      if (kernels === "portable") assertSame(count, 0, "Kernels that were started");
      else assert(count >= KINDS, `Only ${count} kernels were started`);
      for (const [name, { path, reason, used }] of Object.entries(activeKernels())) {
        assertSame(path, kernels, `The path of the kernel ${name} (${reason})`);
        // An arena that is small copies without a kernel.
        if (name !== "copy") assertSame(used, true, `Whether the kernel ${name} is used`);
      }
      return kernels;
    },
  },
];
