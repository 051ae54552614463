// Runs the suite in workerd, with kernels that were compiled before. Each result is a line of JSON.
import aes from "./aes_relaxed.wasm";
import chacha20Poly1305 from "./chacha20_poly1305_relaxed.wasm";
import copy from "./copy.wasm";
import crc32 from "./crc32.wasm";
import galoisField from "./galois_field_relaxed.wasm";
import salsa20 from "./salsa20.wasm";
import { face, runChecks, suite, useKernels } from "./memory.mjs";

const report = (line) => console.log(JSON.stringify(line));

export default {
  async test() {
    useKernels({ aes, chacha20Poly1305, copy, crc32, galoisField, salsa20 });
    await runChecks(suite, face("precompiled"), { path: "kernels" }, report);
    report({ done: true });
  },
};
