/**
 * A server of the service in api.ts. Start it, then run_client.ts. The default port is 4002:
 *
 *     deno run --unstable-net --allow-net examples/rpc/run_server.ts [port]
 *
 * @module
 */
import { listenMux } from "@lowlatency/kcp/mux";
import type { Words } from "./api.ts";
import { type Handlers, serveRpc } from "./server.ts";

const words: Handlers<Words> = {
  reverse: (_, text) => [...text].reverse().join(""),

  async *countdown({ signal }, from, pause) {
    for (let n = from; n > 0 && !signal.aborted; n--) {
      yield n;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  },

  async frequent(_, lines, most) {
    const counts = new Map<string, number>();
    for await (const line of lines) {
      for (const word of line.toLowerCase().match(/\p{L}+/gu) ?? []) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    return [...counts]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .slice(0, most)
      .map(([word, count]) => ({ word, count }));
  },

  async *shout(_, lines) {
    for await (const line of lines) yield line.toUpperCase();
  },
};

const listener = await listenMux({ port: Number(Deno.args[0] ?? 4002) });
console.log(`serving on UDP port ${listener.addr.port}`);
for await (const incoming of listener) {
  const mux = await incoming.accept();
  const { hostname, port } = mux.remoteAddr;
  serveRpc<Words>(mux, words).then(
    () => console.log(`${hostname}:${port} has ended`),
    (error) => console.log(`${hostname}:${port} failed: ${error.message}`),
  );
}
