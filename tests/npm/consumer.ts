/**
 * An application that installs the npm package, outside this repository.
 *
 * @module
 */
import { join } from "node:path";
import config from "../../deno.json" with { type: "json" };
import { ENTRIES } from "./manifest.ts";
import { npm, pathOfTool, run, runTool, type TOOLS } from "./tools.ts";

const PROGRAMS = new URL("consumer/", import.meta.url);

/** A build that compiles kernels ahead imports their files. */
const KERNEL = `
import crc32 from "${config.name}/kernels/crc32.wasm";
export const kernel: WebAssembly.Module = crc32;
`;

/** Every entry loads, and gives the same to `import` and to `require`, where that takes modules. */
const LOADING = `
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
for (const name of JSON.parse(process.argv[2])) {
  const imported = await import(name);
  if (Object.keys(imported).length === 0) throw new Error(name + " exports nothing");
  if (process.argv[3] !== "require") continue;
  const required = require(name);
  for (const [key, value] of Object.entries(imported)) {
    if (required[key] !== value) throw new Error(name + " has two of " + key);
  }
}
console.log("ok");
`;

/** Prints the processor time in ms that the import of an entry takes. */
const TIMING = `
const start = process.cpuUsage();
await import(process.argv[2]);
const { user, system } = process.cpuUsage(start);
console.log((user + system) / 1000);
`;

/** Bundles and minifies a module. */
const BUNDLING = [
  "--bundle",
  "--minify",
  "--format=esm",
  "--target=es2022",
  "--log-level=warning",
  "--outfile=bundle.js",
  "--metafile=bundle.json",
];

/** How the application finds the declarations of the package. */
export type Resolution = "nodenext" | "bundler";

/** Fails unless a program of the application has found all right. */
function expectOk(name: string, printed: string): void {
  if (printed !== "ok\n") throw new Error(`${name} printed ${JSON.stringify(printed)}`);
}

/** What a bundler has made of an application. */
export interface Bundle {
  readonly code: Uint8Array;
  /** The files of the package that the code has parts of. */
  readonly files: readonly string[];
}

/** An application in a folder. */
export class Consumer {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Installs the package, with the programs of consumer/.
   *
   * @param tarball What `npm pack` has made of the package.
   * @param folder An empty folder.
   */
  static async install(tarball: string, folder: string): Promise<Consumer> {
    const consumer = new Consumer(folder);
    const dependencies = { [config.name]: `file:${tarball}` };
    const json = JSON.stringify({ private: true, type: "module", dependencies });
    await Deno.writeTextFile(join(folder, "package.json"), json);
    await npm(folder, "install", "--ignore-scripts");
    for await (const { name } of Deno.readDir(PROGRAMS)) {
      await Deno.copyFile(new URL(name, PROGRAMS), join(folder, name));
    }
    const neutral = Object.keys(ENTRIES).filter((subpath) => subpath !== "./node");
    const all = neutral.map((subpath, i) =>
      `export * as n${i} from "${consumer.specifierOf(subpath)}";\n`
    );
    await Deno.writeTextFile(join(folder, "all.ts"), all.join("") + KERNEL);
    await Deno.writeTextFile(join(folder, "loading.js"), LOADING);
    await Deno.writeTextFile(join(folder, "timing.js"), TIMING);
    return consumer;
  }

  /** The specifier by which the application imports an entry. */
  specifierOf(subpath: string): string {
    return config.name + subpath.slice(1);
  }

  /**
   * Compiles programs with the declarations of the package, none of them skipped.
   *
   * @param tool The version of TypeScript.
   * @param moduleResolution How it finds the package.
   * @param types The `@types` packages that the programs have.
   * @throws {Error} If a type is wrong or missing.
   */
  async compile(
    tool: keyof typeof TOOLS,
    moduleResolution: Resolution,
    types: string[],
    ...files: string[]
  ): Promise<void> {
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      target: "es2022",
      lib: ["es2022", "dom"],
      module: moduleResolution === "bundler" ? "esnext" : moduleResolution,
      moduleResolution,
      types,
      typeRoots: [pathOfTool("@types")],
      rootDir: ".",
      outDir: "out",
    };
    const json = JSON.stringify({ compilerOptions, files });
    await Deno.writeTextFile(join(this.#folder, "tsconfig.json"), json);
    await runTool(tool, ["--project", "tsconfig.json"], { cwd: this.#folder });
  }

  /**
   * Runs a compiled program, and checks what it finds.
   *
   * @param command The runtime and its arguments.
   */
  async start(name: string, command: readonly string[]): Promise<void> {
    const [program, ...args] = command;
    const script = [...args, join("out", `${name}.js`)];
    expectOk(name, await run(program, script, { cwd: this.#folder }));
  }

  /**
   * Loads every entry on Node.js.
   *
   * @param require Whether `require` takes modules there.
   * @param command The program and its arguments.
   */
  async load(require: boolean, command: readonly string[]): Promise<void> {
    const names = JSON.stringify(Object.keys(ENTRIES).map(this.specifierOf));
    const [program, ...args] = command;
    const script = [...args, "loading.js", names, require ? "require" : ""];
    expectOk(command.join(" "), await run(program, script, { cwd: this.#folder }));
  }

  /**
   * Bundles and minifies a module of the application.
   *
   * @param source The module.
   * @param node Whether it may import built-in modules of Node.js. Otherwise it is for a browser.
   * @throws {Error} If something that it imports is missing.
   */
  async bundle(source: string, node: boolean): Promise<Bundle> {
    await Deno.writeTextFile(join(this.#folder, "bundled.js"), source);
    const platform = node ? ["--platform=neutral", "--external:node:*"] : ["--platform=browser"];
    const args = ["bundled.js", ...BUNDLING, ...platform];
    await runTool("esbuild", args, { cwd: this.#folder });
    const meta = JSON.parse(await Deno.readTextFile(join(this.#folder, "bundle.json"))) as {
      outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
    };
    const files = Object.entries(meta.outputs["bundle.js"].inputs)
      .filter(([file, { bytesInOutput }]) => file.includes(config.name) && bytesInOutput > 0)
      .map(([file]) => file.slice(file.indexOf(config.name) + config.name.length + 1));
    return { code: await Deno.readFile(join(this.#folder, "bundle.js")), files };
  }

  /** Loads an entry in a new process of Node.js. Returns the processor time in ms. */
  async timeToLoad(subpath: string): Promise<number> {
    const args = ["timing.js", this.specifierOf(subpath)];
    return Number(await run("node", args, { cwd: this.#folder }));
  }
}
