/**
 * A client for servers of kcptun, and for server.ts beside it. `--help` shows all flags:
 *
 *     deno run -A examples/kcptun/client.ts --help
 *
 * @module
 */
import { run } from "./program.ts";
import { TunnelClient } from "./tunnel/client.ts";
import { examine } from "./tunnel/doctor.ts";

if (import.meta.main) {
  await run({
    side: "client",
    instead: (settings) => settings.check ? examine(settings, console.log) : null,
    start: (settings, log) => TunnelClient.start(settings, log),
  }, Deno.args);
}
