/**
 * Compiles the WebAssembly kernels: each `NAME.as.ts` becomes a `NAME_wasm.ts` beside it, which holds the module as
 * text, so that every runtime loads it without a file or a fetch. With `--check` nothing is written, and a difference is a
 * failure.
 *
 * @module
 */
import asc from "assemblyscript/asc";

const SOURCES = ["crypt/salsa20"];
const OPTIONS = [
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--runtime=stub",
  "--enable=simd",
  "--initialMemory=2",
  "--noAssert",
];

const check = Deno.args.includes("--check");
const root = new URL("../", import.meta.url);
let different = 0;

for (const name of SOURCES) {
  const source = await Deno.readTextFile(new URL(`${name}.as.ts`, root));
  let binary: Uint8Array | null = null;
  const { error, stderr } = await asc.main(["kernel.ts", "--outFile=kernel.wasm", ...OPTIONS], {
    readFile: (path: string) => path === "kernel.ts" ? source : null,
    writeFile: (path: string, contents: string | Uint8Array) => {
      if (path === "kernel.wasm") binary = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error || !binary) {
    console.error(`${name}.as.ts: ${error?.message ?? "nothing came out"}\n${stderr.toString()}`);
    Deno.exit(1);
  }
  const lines = (binary as Uint8Array).toBase64().match(/.{1,88}/g)!;
  const module = [
    `// Compiled from ${name.replace(/.*\//, "")}.as.ts by \`deno task kernels\`. Do not edit.`,
    "",
    "/** A WebAssembly module, in base64. */",
    "export const WASM: string = [",
    ...lines.map((line) => `  "${line}",`),
    `].join("");`,
    "",
  ].join("\n");
  const target = new URL(`${name}_wasm.ts`, root);
  const before = await Deno.readTextFile(target).catch(() => "");
  if (before === module) continue;
  if (check) {
    console.error(`${name}_wasm.ts is not what ${name}.as.ts compiles to: run deno task kernels`);
    different++;
  } else {
    await Deno.writeTextFile(target, module);
    console.log(`${name}_wasm.ts: ${(binary as Uint8Array).length} bytes of WebAssembly`);
  }
}
if (different > 0) Deno.exit(1);
