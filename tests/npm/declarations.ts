/**
 * The declarations of the npm package, which TypeScript makes and checks.
 *
 * @module
 */
import { dirname, join, relative } from "node:path";
import { importsOf } from "../module_source.ts";
import { pathOfTool, run, runTool } from "./tools.ts";

/** Names of TypeScript's library for `using`, which programs for ES2022 do not load. */
const DISPOSABLE = /\b(Async)?Disposable\b|\bSymbol\.(asyncD|d)ispose\b/;

/**
 * Writes the `.d.ts` file of each entry into a folder, and those that it needs.
 *
 * @param root The folder of the sources.
 * @param entries The entries, as paths from the root.
 * @param folder Where they go.
 * @throws {Error} If the types of the sources are wrong.
 */
export async function writeDeclarations(
  root: string,
  entries: readonly string[],
  folder: string,
): Promise<void> {
  const scratch = await Deno.makeTempDir({ prefix: "kcp-declarations-" });
  try {
    const deno = join(scratch, "deno.d.ts");
    await Deno.writeTextFile(deno, await run(Deno.execPath(), ["types"]));
    const config = {
      compilerOptions: {
        target: "es2022",
        lib: ["esnext"],
        module: "esnext",
        moduleResolution: "bundler",
        strict: true,
        // The types of Deno and of Node.js both describe some globals.
        skipLibCheck: true,
        types: ["node"],
        typeRoots: [pathOfTool("@types")],
        paths: { "@noble/*": [pathOfTool("@noble/*")] },
        declaration: true,
        emitDeclarationOnly: true,
        noEmitOnError: true,
        rewriteRelativeImportExtensions: true,
        rootDir: root,
        outDir: join(scratch, "out"),
      },
      files: [deno, ...entries.map((entry) => join(root, entry))],
    };
    const file = join(scratch, "tsconfig.json");
    await Deno.writeTextFile(file, JSON.stringify(config));
    await runTool("tsc", ["--project", file]);

    const needed = new Set(entries.map((entry) => entry.replace(/\.ts$/, ".d.ts")));
    for (const path of needed) {
      const text = await Deno.readTextFile(join(scratch, "out", path));
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      const library = DISPOSABLE.test(text) ? '/// <reference lib="esnext.disposable" />\n' : "";
      await Deno.writeTextFile(join(folder, path), library + text);
      for (const { specifier } of importsOf(text)) {
        if (!specifier.startsWith(".")) continue;
        const target = join(dirname(path), specifier.replace(/\.[jt]s$/, ".d.ts"));
        needed.add(relative(".", target).replaceAll("\\", "/"));
      }
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
