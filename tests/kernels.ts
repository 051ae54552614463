/**
 * Compiles the WebAssembly kernels. Each `NAME.as.ts` becomes a `NAME_wasm.ts` in the same folder.
 * That file holds the module as text, so that every runtime loads it without a file or a fetch.
 * With `--check` nothing is written, and the exit code is 1 if a file would change.
 *
 * A source may import other sources of its folder. A source that begins with `// Shared` is only
 * imported, and becomes no module. A source that reads `ASC_FEATURE_RELAXED_SIMD` is compiled
 * twice, with relaxed SIMD and without, because not every runtime supports it. A module imports its
 * memory. With a line `// Pages: N` it has a memory of its own, of N pages.
 *
 * @module
 */
import asc from "assemblyscript/asc";

const FOLDERS = ["crypt", "fec", "kcp", "examples/kcptun/snappy"];
const OPTIONS = [
  "--optimizeLevel=3",
  "--shrinkLevel=0",
  "--runtime=stub",
  "--enable=simd",
  "--noAssert",
];

const check = Deno.args.includes("--check");
const root = new URL("../", import.meta.url);
let different = 0;

/** Compiles a source. Returns the module, and whether relaxed SIMD would give another one. */
async function compile(
  folder: string,
  file: string,
  options: string[],
): Promise<{ binary: Uint8Array; relaxes: boolean }> {
  let binary: Uint8Array | null = null;
  let relaxes = false;
  const { error, stderr } = await asc.main(
    [file, "--outFile=kernel.wasm", ...OPTIONS, ...options],
    {
      readFile: async (path: string) => {
        if (!path.endsWith(".as.ts")) return null;
        const text = await Deno.readTextFile(new URL(`${folder}/${path}`, root)).catch(() => null);
        relaxes ||= text?.includes("ASC_FEATURE_RELAXED_SIMD") ?? false;
        return text;
      },
      writeFile: (path: string, contents: string | Uint8Array) => {
        if (path === "kernel.wasm") binary = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) {
    console.error(
      `${folder}/${file}: ${error?.message ?? "the compiler gave no module"}\n${stderr.toString()}`,
    );
    Deno.exit(1);
  }
  return { binary, relaxes };
}

/** Returns a module as the lines of a TypeScript constant. */
function constant(name: string, doc: string, binary: Uint8Array): string[] {
  return [
    "",
    `/** ${doc} */`,
    `export const ${name}: string = [`,
    ...binary.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}",`),
    `].join("");`,
  ];
}

for (const folder of FOLDERS) {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL(folder, root))) {
    if (name.endsWith(".as.ts")) names.push(name.slice(0, -".as.ts".length));
  }
  for (const name of names.sort()) {
    const file = `${name}.as.ts`;
    const source = await Deno.readTextFile(new URL(`${folder}/${file}`, root));
    if (source.startsWith("// Shared")) continue;
    const pages = /^\/\/ Pages: (\d+)/m.exec(source)?.[1];
    const options = pages ? [`--initialMemory=${pages}`] : ["--importMemory"];
    const { binary: plain, relaxes } = await compile(folder, file, options);
    const lines = [
      `// Compiled from ${file} by \`deno task kernels\`. Do not edit.`,
      ...constant("WASM", "A WebAssembly module, in base64.", plain),
    ];
    if (relaxes) {
      const { binary } = await compile(folder, file, [...options, "--enable=relaxed-simd"]);
      lines.push(...constant("RELAXED_WASM", "The same with relaxed SIMD.", binary));
    }
    const module = `${lines.join("\n")}\n`;
    const target = new URL(`${folder}/${name}_wasm.ts`, root);
    const before = await Deno.readTextFile(target).catch(() => "");
    if (before === module) continue;
    if (check) {
      console.error(
        `${folder}/${name}_wasm.ts is out of date with ${file}: run deno task kernels`,
      );
      different++;
    } else {
      await Deno.writeTextFile(target, module);
      console.log(`${folder}/${name}_wasm.ts: ${plain.length} bytes of WebAssembly`);
    }
  }
}
if (different > 0) Deno.exit(1);
