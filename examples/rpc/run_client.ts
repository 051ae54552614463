/**
 * Calls the methods of the service in api.ts: one after the other, several at once, with streams of
 * values, with a deadline, and with a call that is given up.
 *
 *     deno run --unstable-net --allow-net examples/rpc/run_client.ts [host] [port]
 *
 * @module
 */
import { connectMux } from "@lowlatency/kcp/mux";
import type { Words } from "./api.ts";
import { connectRpc, RpcError } from "./client.ts";

const [hostname = "127.0.0.1", port = "4002"] = Deno.args;
await using mux = await connectMux({ hostname, port: Number(port) });
const words = connectRpc<Words>(mux, { timeout: 5000 });

console.log(await words.reverse("desserts"));

// Each call has a stream of its own: none waits for another.
console.log(await Promise.all(["live", "drawer", "stressed"].map((word) => words.reverse(word))));

for await (const n of words.countdown(3, 100)) console.log(n);

async function* poem() {
  yield "A rose is a rose is a rose.";
  await new Promise((resolve) => setTimeout(resolve, 50));
  yield "Loveliness extreme.";
}
console.log(await words.frequent(poem(), 3));
for await (const line of words.shout(poem())) console.log(line);

try {
  for await (const n of words.with({ timeout: 250 }).countdown(10, 100)) console.log(n);
} catch (error) {
  if (!(error instanceof RpcError)) throw error;
  console.log(`${error.code}: ${error.message}`);
}

// Leaving the loop ends the method at the server.
for await (const n of words.countdown(10, 100)) {
  if (n === 8) break;
}
console.log("done");
