/**
 * Everything that `deno task check` looks at: format, lint, types (of the code blocks in JSDoc and
 * in the README too), doc lint, the WebAssembly kernels, and the publish dry run. Runs every step, whatever the earlier ones
 * say, and exits with 1 if one of them failed.
 *
 * Its arguments are the flags from tests/std/flags.ts; without any, JSR answers.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const flags = Deno.args;
const jsr = flags.length === 0;

/** `deno lint` can't be given an import map; this keeps it from waiting for a JSR that hangs. */
const nowhere = { JSR_URL: "http://127.0.0.1:1/" };

const failed: string[] = [];

async function step(name: string, args: string[], env?: Record<string, string>): Promise<void> {
  console.log(`\n# ${name}: deno ${args.join(" ")}`);
  const { success } = await new Deno.Command(Deno.execPath(), { args, env }).spawn().status;
  if (!success) failed.push(name);
}

await step("fmt", ["fmt", "--check"]);
await step("lint", ["lint"], jsr ? undefined : nowhere);
await step("types", ["check", "--doc", ...flags, ".", "README.md"]);
await step("doc lint", ["doc", "--lint", ...flags, ...Object.values(config.exports)]);
await step("kernels", [
  "run",
  ...flags,
  "--allow-read",
  "--allow-env",
  "tests/kernels.ts",
  "--check",
]);
if (jsr) {
  await step("publish", ["publish", "--dry-run", "--allow-dirty"]);
} else {
  console.log("\n# publish: skipped, the dry run needs JSR and JSR does not answer");
}

if (failed.length > 0) {
  console.error(`\ncheck failed: ${failed.join(", ")}`);
  Deno.exit(1);
}
console.log(jsr ? "\ncheck ok" : "\ncheck ok (publish dry run skipped)");
