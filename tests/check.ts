/**
 * All checks of `deno task check`: format, lint, types (also of code blocks in JSDoc and in the
 * README), doc lint, an example of each member, the WebAssembly kernels, and the publish dry run. It
 * runs every check, also after one has failed. The exit code is 1 if a check failed.
 *
 * The arguments are the flags that tests/std/flags.ts prints. No flags mean that JSR answers.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const flags = Deno.args;
const jsr = flags.length === 0;

/** `deno lint` takes no import map. With this URL it fails at once instead of waiting for JSR. */
const noJsr = { JSR_URL: "http://127.0.0.1:1/" };

const failed: string[] = [];

async function step(name: string, args: string[], env?: Record<string, string>): Promise<void> {
  console.log(`\n# ${name}: deno ${args.join(" ")}`);
  const { success } = await new Deno.Command(Deno.execPath(), { args, env }).spawn().status;
  if (!success) failed.push(name);
}

await step("fmt", ["fmt", "--check"]);
await step("lint", ["lint"], jsr ? undefined : noJsr);
await step("types", ["check", "--doc", ...flags, ".", "README.md"]);
await step("doc lint", ["doc", "--lint", ...flags, ...Object.values(config.exports)]);
await step("examples", ["run", ...flags, "--allow-run", "tests/doc_examples.ts", ...flags]);
await step("kernels", [
  "run",
  ...flags,
  "--allow-read",
  "--allow-env",
  "tests/kernels.ts",
  "--check",
]);
await step("npm", ["run", "-A", "--no-lock", "tests/npm/check.ts"]);
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
