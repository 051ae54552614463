/**
 * Processes that are killed, restarted or that end: their peers are told. `deno task siege` runs what
 * takes longer.
 *
 * @module
 */
import { adapters, prepare } from "../siege/processes.ts";
import { SHORT } from "../siege/life.ts";

const directory = await Deno.makeTempDir({ prefix: "kcp-life-" });
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const launch = await prepare(directory);

for (const adapter of adapters(launch)) {
  for (const [name, run] of SHORT) {
    Deno.test(`life: the peer is told, ${name} on ${adapter}`, async () => {
      await run(launch, adapter);
    });
  }
}
