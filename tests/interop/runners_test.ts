/**
 * A simulated network under the test runners of Deno, Node.js and Vitest: the same application sees the
 * same, at the same times.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { scenario, shown } from "./runners/scenario.ts";

const SOURCES = new URL("runners/", import.meta.url);
/** ms after which an installation is given up: the registry may never answer. */
const TIMEOUT = 120_000;

const expected = await scenario();

Deno.test("runners: Deno: timers of the application fire, and the run can be repeated", async () => {
  const seen = JSON.parse(expected);
  assertEquals(seen[0], "beat 1 at 2026-01-01T00:00:01.021Z");
  assert(seen[2].startsWith("beat 3 at 2026-01-01T00:00:03.7"), "the server was frozen");
  assert(seen[8].startsWith("TimeoutError at 11"), "the server has crashed");
  assert(seen[9].startsWith("hello at 2026-01-01T00:00:11"), "and came back");
  assertEquals(await scenario(), expected);
});

/** Runs a command, and gives what it prints; null if there is no such program. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string | null> {
  try {
    const { stdout, stderr, success } = await new Deno.Command(program, {
      args,
      cwd,
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout(TIMEOUT),
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert(success, text + new TextDecoder().decode(stderr));
    return text;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A directory with the application as one module that needs no Deno. */
async function bundle(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "kcp-runners-" });
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const imports = new URL("../std/import_map.json", import.meta.url).pathname;
  const options = ["--quiet", "--no-lock", `--config=${config}`, `--import-map=${imports}`];
  const source = new URL("scenario.ts", SOURCES).pathname;
  const output = `--output=${directory}/scenario.mjs`;
  await run(directory, Deno.execPath(), "bundle", ...options, output, source);
  return directory;
}

/** What the two tests of a runner have printed. */
function resultsOf(output: string): string[] {
  return [...output.matchAll(/result: (.*)$/gm)].map(([, result]) => result);
}

const hasNode = await run(".", "node", "--version") !== null;

Deno.test({
  name: "runners: Node.js: the same as on Deno, with fake timers of its own, too",
  ignore: !hasNode,
  async fn() {
    const directory = await bundle();
    try {
      await Deno.copyFile(new URL("node.mjs", SOURCES), `${directory}/node.mjs`);
      const output = await run(directory, "node", "--test", "node.mjs");
      assertEquals(resultsOf(output!), [expected, expected]);
      const [, text] = output!.match(/shown: (.*)$/m)!;
      assertEquals(text, shown(Deno.inspect).replaceAll(/\s+/g, " "), "console.log of Node.js");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test({
  name: "runners: Vitest: the same as on Deno, with fake timers of its own, too",
  ignore: !hasNode,
  async fn() {
    const directory = await bundle();
    try {
      await Deno.copyFile(new URL("package.json", SOURCES), `${directory}/package.json`);
      await Deno.copyFile(new URL("vitest.mjs", SOURCES), `${directory}/scenario.test.mjs`);
      await run(directory, "npm", "install", "--no-audit", "--no-fund");
      const output = await run(directory, "npx", "vitest", "run", "--no-color");
      assertEquals(resultsOf(output!), [expected, expected]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
