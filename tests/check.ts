/**
 * All checks of `deno task check`: format, lint, types (also of code blocks in JSDoc and in the
 * README), doc lint, an example of each member, what JSR counts as documented, the WebAssembly
 * kernels, the npm package, and the dry run of publishing to JSR. It runs every check, also after
 * one has failed. The exit code is 1 if a check failed.
 *
 * The arguments are the flags that tests/std/flags.ts prints. No flags mean that JSR answers.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

const flags = Deno.args;
const jsr = flags.length === 0;

/**
 * `deno lint` and `deno publish` ask JSR whatever the import map says. With this URL they fail at
 * once instead of waiting for it.
 */
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
await step("JSR documentation", [
  "run",
  ...flags,
  "--allow-run",
  "tests/jsr_documentation.ts",
  ...flags,
]);
await step("kernels", [
  "run",
  ...flags,
  "--allow-read",
  "--allow-env",
  "tests/kernels.ts",
  "--check",
]);
await step("npm", ["run", "-A", "--no-lock", "tests/npm/check.ts"]);
// No published module imports from JSR, so the dry run works without it.
await step("publish", ["publish", "--dry-run", "--allow-dirty"], jsr ? undefined : noJsr);

if (failed.length > 0) {
  console.error(`\ncheck failed: ${failed.join(", ")}`);
  Deno.exit(1);
}
console.log("\ncheck ok");
