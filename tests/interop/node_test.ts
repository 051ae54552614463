/** What `/node` has beside connections, on Node.js and on Bun. */
import { assert, AssertionError } from "@std/assert";
import { nodeRuntimes, runModule } from "./node/runtimes.ts";

const PROGRAM = new URL("node/program.ts", import.meta.url);
const KEYS = new URL("../bench/", import.meta.url).pathname;

for (const { name, program } of await nodeRuntimes()) {
  const ignore = typeof program !== "string";
  const reason = ignore ? ` (ignored: ${program.missing})` : "";
  Deno.test({
    name: `${name}: streams, channels, signals and sockets${reason}`,
    ignore,
    async fn(context) {
      const output = await runModule(program as string, PROGRAM, [KEYS]);
      const results = output.trim().split("\n").map((line) => JSON.parse(line));
      assert(results.length > 15, `only ${results.length} scenarios have run`);
      for (const { name, error } of results) {
        await context.step(name, () => {
          if (error) throw new AssertionError(error);
        });
      }
    },
  });
}
