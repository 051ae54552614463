/**
 * Prints the flag that maps `@std/assert`, `@std/async` and `@std/bytes` to the stand-ins beside
 * this file where JSR does not answer, and nothing where it does. Tasks call it as
 * `$(deno run --no-config --no-lock tests/std/flags.ts)`.
 *
 * The probe is an import of the smallest of the three, so Deno's own cache, JSR_URL and proxy
 * settings decide exactly as they will for the real import, and no permission is needed.
 *
 * @module
 */

/** How long a registry that neither answers nor refuses is waited for, in ms. */
const PATIENCE = 2_000;

/** Not a literal: Deno loads a literal before the script runs, and fails it as a whole. */
const PROBE: string = "jsr:@std/bytes@^1/equals";

const answered = await Promise.race([
  import(PROBE).then(() => true, () => false),
  new Promise<boolean>((resolve) => setTimeout(resolve, PATIENCE, false)),
]);

if (!answered) {
  console.error("JSR does not answer: @std comes from the stand-ins in tests/std");
  console.log("--import-map=tests/std/import_map.json");
}

// An import that hangs would keep the process alive.
Deno.exit();
