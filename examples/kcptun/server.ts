/**
 * A server for clients of kcptun, and for client.ts beside it. `--help` shows all flags.
 *
 * @example Carry the connections of clients to a program on this host
 * ```sh
 * deno run -A jsr:@lowlatency/kcp/kcptun/server -l :29900 -t 127.0.0.1:8388 --key SECRET
 * ```
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
