/**
 * Compiles the WebAssembly kernels. Each `NAME.as.ts` becomes a `NAME_wasm.ts` in the same folder.
 * That file holds the module as text, so that every runtime loads it without a file or a fetch.
 * With `--check` nothing is written, and the exit code is 1 if a file would change.
 *
 * The modules of the library end with a custom section that says which kernel they are. It holds a
 * digest of the rest. `kcp/kernel_digests.ts` lists the digests: so a module that an application
 * compiled ahead is known again, and one of another version of the library is not taken.
 *
 * A source may import other sources of its folder. A source that begins with `// Shared` is only
 * imported, and becomes no module. A source that reads `ASC_FEATURE_RELAXED_SIMD` is compiled
 * twice, with relaxed SIMD and without, because not every runtime supports it. A module imports its
 * memory. With a line `// Pages: N` it has a memory of its own, of N pages.
 *
 * @module
 */
import asc from "assemblyscript/asc";

/** The folders of the library, and those of programs. */
const LIBRARY = ["crypt", "fec", "kcp"];
const PROGRAMS = ["examples/kcptun/snappy"];
/** The name of the custom section: see kcp/kernel_source.ts. */
const SECTION = "kcp.kernel";
/** Bytes of a digest, which are the first of a SHA-256. */
const DIGEST_SIZE = 8;
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

/** Returns a module as the lines of a TypeScript constant. A bundler drops it if nothing uses it. */
function constant(name: string, doc: string, binary: Uint8Array): string[] {
  const lines = binary.toBase64().match(/.{1,88}/g)!.map((line) => `  "${line}"`);
  return ["", `/** ${doc} */`, `export const ${name}: string =`, `${lines.join(" +\n")};`];
}

/** Adds the custom section to a module, and its digest to the list. */
async function label(kernel: string, variant: string, binary: Uint8Array): Promise<Uint8Array> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(binary)));
  const digest = hash.subarray(0, DIGEST_SIZE).toHex();
  (digests[kernel] ??= {})[variant] = digest;
  const encoder = new TextEncoder();
  const content = encoder.encode(`${kernel}/${variant}/${digest}`);
  const size = 1 + SECTION.length + content.length;
  // Lengths below 128 take one byte in LEB128.
  if (size > 127) throw new Error(`The section of ${kernel} is too long: ${size} bytes`);
  const name = encoder.encode(SECTION);
  return Uint8Array.from([...binary, 0, size, name.length, ...name, ...content]);
}

/** Writes a generated file if it would change. With `--check` only says so. */
async function put(path: string, source: string, lines: string[]): Promise<void> {
  const target = new URL(path, root);
  const text = `${lines.join("\n")}\n`;
  if (await Deno.readTextFile(target).catch(() => "") === text) return;
  if (check) {
    console.error(`${path} is out of date with ${source}: run deno task kernels`);
    different++;
  } else {
    await Deno.writeTextFile(target, text);
    console.log(`${path}: written`);
  }
}

/** The digests of each kernel's variants. */
const digests: Record<string, Record<string, string>> = {};

for (const folder of [...LIBRARY, ...PROGRAMS]) {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL(folder, root))) {
    if (name.endsWith(".as.ts")) names.push(name.slice(0, -".as.ts".length));
  }
  for (const name of names.sort()) {
    const file = `${name}.as.ts`;
    const source = await Deno.readTextFile(new URL(`${folder}/${file}`, root));
    if (source.startsWith("// Shared")) continue;
    const kernel = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    const ofLibrary = LIBRARY.includes(folder);
    const pages = /^\/\/ Pages: (\d+)/m.exec(source)?.[1];
    const options = pages ? [`--initialMemory=${pages}`] : ["--importMemory"];
    const { binary, relaxes } = await compile(folder, file, options);
    const plain = ofLibrary ? await label(kernel, "plain", binary) : binary;
    const lines = [
      `// Compiled from ${file} by \`deno task kernels\`. Do not edit.`,
      ...constant("WASM", "A WebAssembly module, in base64.", plain),
    ];
    if (relaxes) {
      const { binary } = await compile(folder, file, [...options, "--enable=relaxed-simd"]);
      const relaxed = ofLibrary ? await label(kernel, "relaxed", binary) : binary;
      lines.push(...constant("RELAXED_WASM", "The same with relaxed SIMD.", relaxed));
    }
    await put(`${folder}/${name}_wasm.ts`, file, lines);
  }
}

const sorted = Object.entries(digests).sort(([a], [b]) => a < b ? -1 : 1);
await put("kcp/kernel_digests.ts", "the kernels", [
  "// Computed by `deno task kernels`. Do not edit.",
  "",
  "/** The digests in the custom sections of the kernels: one for each variant. */",
  "export const DIGESTS = {",
  ...sorted.map(([name, { plain, relaxed }]) =>
    `  ${name}: { plain: "${plain}"${relaxed ? `, relaxed: "${relaxed}"` : ""} },`
  ),
  "} as const;",
]);
if (different > 0) Deno.exit(1);
