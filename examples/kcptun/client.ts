/**
 * A client for servers of kcptun, and for server.ts beside it. `--help` shows all flags.
 *
 * @example Accept connections at port 12948, and carry them to the server
 * ```sh
 * deno run -A jsr:@lowlatency/kcp/kcptun/client -r server.example:29900 -l :12948 --key SECRET
 * ```
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
