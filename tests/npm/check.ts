/**
 * Builds the npm package, and proves that an application can install and use it. Needs Node.js and
 * npm; where they are missing, it says so and proves nothing.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { importsOf } from "../module_source.ts";
import { build } from "./build.ts";
import { Consumer } from "./consumer.ts";
import { ENTRIES } from "./manifest.ts";
import { checkSizes, measureSizes } from "./sizes.ts";
import { pack, run, runTool } from "./tools.ts";

/** A Node.js whose `require` takes modules. */
const NEWER_NODE = "node@22.23.3";

/** Whether a program is on the path. */
async function has(program: string): Promise<boolean> {
  try {
    await run(program, ["--version"]);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const failed: string[] = [];

/** Proves one thing. The other proofs go on if it fails. */
async function proof(name: string, prove: () => Promise<unknown>): Promise<void> {
  try {
    await prove();
    console.log(`${name}: ok`);
  } catch (error) {
    failed.push(name);
    console.error(`${name}: failed\n${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Checks that no two modules of a package import each other, directly or through others: then each
 * is complete when another one uses it.
 */
async function checkOrder(folder: string): Promise<void> {
  const checked = new Set<string>();
  const visit = async (path: string, above: string[]) => {
    if (above.includes(path)) throw new Error(`a circle: ${[...above, path].join(" imports ")}`);
    if (checked.has(path)) return;
    checked.add(path);
    for (const { specifier, kind } of importsOf(await Deno.readTextFile(join(folder, path)))) {
      if (kind !== "static" || !specifier.startsWith(".")) continue;
      await visit(join(dirname(path), specifier), [...above, path]);
    }
  };
  for (const file of Object.values(ENTRIES)) await visit(file.replace(/\.ts$/, ".js"), []);
  if (checked.size <= Object.keys(ENTRIES).length) throw new Error("no chunk was found");
}

async function main(scratch: string): Promise<void> {
  const folder = join(scratch, "package");
  await build(folder);
  await proof("chunks in order", () => checkOrder(folder));
  const tarball = await pack(folder, scratch);
  await proof("publint", () => runTool("publint", ["run", tarball, "--strict"]));
  const types = ["--profile", "esm-only", "--no-definitely-typed"];
  await proof("are the types wrong", () => runTool("attw", [tarball, ...types]));

  const application = join(scratch, "application");
  await Deno.mkdir(application);
  const consumer = await Consumer.install(tarball, application);
  for (const tool of ["tsc5", "tsc"] as const) {
    for (const resolution of ["bundler", "nodenext"] as const) {
      const files = ["all.ts", "neutral.ts", "root.ts"];
      await proof(
        `${tool} ${resolution}`,
        () => consumer.compile(tool, resolution, [], ...files),
      );
    }
  }
  await proof("tsc nodenext, node", () => consumer.compile("tsc", "nodenext", ["node"], "node.ts"));
  for (const name of ["neutral", "root"]) {
    await proof(`${name} on Node.js`, () => consumer.start(name, ["node"]));
    await proof(`${name} on Deno`, () => consumer.start(name, [Deno.execPath(), "run", "-A"]));
  }
  await proof("node on Node.js", () => consumer.start("node", ["node"]));
  await proof("import", () => consumer.load(false, ["node"]));
  const newer = ["npx", "--yes", "--prefer-offline", "-p", NEWER_NODE, "node"];
  await proof("require", () => consumer.load(true, newer));
  await proof("sizes in the README", async () => checkSizes(await measureSizes(consumer)));
}

if (await has("node") && await has("npm")) {
  const scratch = await Deno.makeTempDir({ prefix: "kcp-npm-" });
  try {
    await main(scratch);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  if (failed.length > 0) {
    console.error(`the npm package is broken: ${failed.join(", ")}`);
    Deno.exit(1);
  }
} else {
  console.log("npm package: skipped, Node.js or npm is missing");
}
