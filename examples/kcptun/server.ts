/**
 * A server for clients of kcptun, and for client.ts beside it. `--help` shows all flags:
 *
 *     deno run -A examples/kcptun/server.ts --help
 *
 * @module
 */
import { run } from "./program.ts";
import { TunnelServer } from "./tunnel/server.ts";

if (import.meta.main) {
  await run({
    side: "server",
    start: (settings, log) => TunnelServer.start(settings, log),
  }, Deno.args);
}
