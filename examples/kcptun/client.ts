/**
 * A client for servers of kcptun, and for server.ts beside it. `--help` shows all flags:
 *
 *     deno run -A examples/kcptun/client.ts --help
 *
 * @module
 */
import { run } from "./program.ts";
import { TunnelClient } from "./tunnel/client.ts";

if (import.meta.main) {
  await run({
    side: "client",
    start: (settings, log) => TunnelClient.start(settings, log),
  }, Deno.args);
}
