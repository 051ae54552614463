/**
 * Builds the npm package, and proves that an application can install and use it. Needs Node.js and
 * npm; where they are missing, it says so and proves nothing.
 *
 * @module
 */
import { join } from "node:path";
import { build } from "./build.ts";
import { Consumer } from "./consumer.ts";
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

async function main(scratch: string): Promise<void> {
  const folder = join(scratch, "package");
  await build(folder);
  const tarball = await pack(folder, scratch);
  await proof("publint", () => runTool("publint", ["run", tarball, "--strict"]));
  const types = ["--profile", "esm-only", "--no-definitely-typed"];
  await proof("are the types wrong", () => runTool("attw", [tarball, ...types]));

  const application = join(scratch, "application");
  await Deno.mkdir(application);
  const consumer = await Consumer.install(tarball, application);
  for (const tool of ["tsc5", "tsc"] as const) {
    for (const resolution of ["bundler", "nodenext"] as const) {
      const files = ["all.ts", "neutral.ts"];
      await proof(
        `${tool} ${resolution}`,
        () => consumer.compile(tool, resolution, [], ...files),
      );
    }
  }
  await proof("run on Node.js, neutral", () => consumer.start("neutral"));
  await proof("tsc nodenext, node", () => consumer.compile("tsc", "nodenext", ["node"], "node.ts"));
  await proof("run on Node.js, sockets", () => consumer.start("node"));
  await proof("import", () => consumer.load(false, "node"));
  const newer = ["npx", "--yes", "--prefer-offline", "-p", NEWER_NODE, "node"];
  await proof("require", () => consumer.load(true, ...newer));
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
