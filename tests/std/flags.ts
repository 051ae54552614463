/**
 * If JSR does not answer, prints the flag that maps `@std/assert`, `@std/async` and `@std/bytes` to
 * the stand-ins in this folder. If JSR answers, prints nothing. Tasks call it as
 * `$(deno run --no-config --no-lock tests/std/flags.ts)`.
 *
 * It probes JSR by an import of the smallest package. So Deno's cache, JSR_URL and proxy settings
 * have the same effect as on the real import, and no permission is needed.
 *
 * @module
 */

/** How long to wait for an answer, in ms. */
const TIMEOUT = 2_000;

/** Not a literal import: Deno would load that before the script runs, and the script would fail. */
const PROBE: string = "jsr:@std/bytes@^1/equals";

const answered = await Promise.race([
  import(PROBE).then(() => true, () => false),
  new Promise<boolean>((resolve) => setTimeout(resolve, TIMEOUT, false)),
]);

if (!answered) {
  console.error("JSR does not answer: @std comes from the stand-ins in tests/std");
  console.log("--import-map=tests/std/import_map.json");
}

// A pending import would keep the process alive.
Deno.exit();
