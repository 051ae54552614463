/**
 * Builds the npm package into a folder, for `npm publish`.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "./build.ts";
import { Consumer } from "./consumer.ts";
import { measureLoading, measureSizes, tableOf, writeSizes } from "./sizes.ts";
import { pack } from "./tools.ts";

const HELP = `Builds the npm package into a folder, for npm publish.

deno task npm [folder] [options]

folder     where it goes. Default: tests/npm/package
--sizes    prints how much the package adds to a bundle, and how long Node.js takes to load it
--readme   prints the same, and writes the sizes into README.md

Needs Node.js and npm. In a workflow of GitHub, package.json names the repository.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean" },
    sizes: { type: "boolean" },
    readme: { type: "boolean" },
  },
});
if (values.help) {
  console.log(HELP);
  Deno.exit();
}
if (positionals.length > 1) {
  console.error(`Cannot build into ${positionals.length} folders: allowed is one`);
  Deno.exit(2);
}

const folder = positionals.length === 1
  ? resolve(positionals[0])
  : fileURLToPath(new URL("package", import.meta.url));
await build(folder);
console.log(`built ${folder}`);

if (values.sizes || values.readme) {
  const scratch = await Deno.makeTempDir({ prefix: "kcp-npm-" });
  try {
    const tarball = await pack(folder, scratch);
    const application = join(scratch, "application");
    await Deno.mkdir(application);
    const consumer = await Consumer.install(tarball, application);
    const sizes = await measureSizes(consumer);
    console.log(`\n${tableOf(sizes)}\n`);
    for (const [subpath, time] of await measureLoading(consumer)) {
      console.log(`to load ${subpath}: ${time.toFixed(1)} ms of processor time`);
    }
    if (values.readme) await writeSizes(sizes);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}
