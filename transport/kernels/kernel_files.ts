import { RELAXED_WASM as AES_RELAXED, WASM as AES } from "../../crypt/aes_wasm.ts";
import {
  RELAXED_WASM as CHACHA20_POLY1305_RELAXED,
  WASM as CHACHA20_POLY1305,
} from "../../crypt/chacha20_poly1305_wasm.ts";
import { WASM as CRC32 } from "../../crypt/crc32_wasm.ts";
import { WASM as SALSA20 } from "../../crypt/salsa20_wasm.ts";
import {
  RELAXED_WASM as GALOIS_FIELD_RELAXED,
  WASM as GALOIS_FIELD,
} from "../../fec/galois_field_wasm.ts";
import { WASM as COPY } from "../../kcp/copy_wasm.ts";
import type { KernelName } from "../../kcp/kernel_source.ts";
import { decodeModule } from "../../kcp/wasm_support.ts";

/** The variants of a kernel in base64, and the name of its files. */
interface Entry {
  readonly file: string;
  readonly plain: string;
  readonly relaxed?: string;
}

const ENTRIES: Readonly<Record<KernelName, Entry>> = {
  aes: { file: "aes", plain: AES, relaxed: AES_RELAXED },
  chacha20Poly1305: {
    file: "chacha20_poly1305",
    plain: CHACHA20_POLY1305,
    relaxed: CHACHA20_POLY1305_RELAXED,
  },
  copy: { file: "copy", plain: COPY },
  crc32: { file: "crc32", plain: CRC32 },
  galoisField: { file: "galois_field", plain: GALOIS_FIELD, relaxed: GALOIS_FIELD_RELAXED },
  salsa20: { file: "salsa20", plain: SALSA20 },
};

/**
 * The bytes of a kernel's WebAssembly module, to compile it in another place or at another time.
 *
 * @param name The name of the kernel.
 * @param relaxed Whether to give the variant with relaxed SIMD, which is faster where the runtime
 * has that. Kernels without such a variant give the only one that they have. Default: false.
 * @returns The contents of a .wasm file. The caller may keep and change it.
 * @throws {TypeError} If there is no such kernel.
 *
 * @example
 * ```ts
 * import { kernelBytes, useKernels } from "@lowlatency/kcp/kernels";
 *
 * const relaxed = WebAssembly.validate(kernelBytes("aes", true));
 * useKernels({ aes: await WebAssembly.compile(kernelBytes("aes", relaxed)) });
 * ```
 */
export function kernelBytes(name: KernelName, relaxed = false): Uint8Array<ArrayBuffer> {
  if (!Object.hasOwn(ENTRIES, name)) {
    throw new TypeError(
      `Cannot give the kernel ${String(name)}: allowed are ${Object.keys(ENTRIES).join(", ")}`,
    );
  }
  const { plain, relaxed: fast } = ENTRIES[name];
  return decodeModule(relaxed ? fast ?? plain : plain);
}

/**
 * The .wasm files of all kernels, for builds that compile them ahead. Each kernel has a file, and
 * some have a second one with relaxed SIMD. {@linkcode useKernels} says which file is for which
 * kernel.
 *
 * @returns The contents of each file, by its name.
 *
 * @example
 * ```ts
 * import { kernelFiles } from "@lowlatency/kcp/kernels";
 * import { writeFile } from "node:fs/promises";
 *
 * for (const [name, bytes] of Object.entries(kernelFiles())) await writeFile(name, bytes);
 * ```
 */
export function kernelFiles(): Record<string, Uint8Array<ArrayBuffer>> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const { file, plain, relaxed } of Object.values(ENTRIES)) {
    files[`${file}.wasm`] = decodeModule(plain);
    if (relaxed) files[`${file}_relaxed.wasm`] = decodeModule(relaxed);
  }
  return files;
}
