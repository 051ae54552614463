/**
 * A path with a delay, losses and a bottleneck between the ends of a measurement, in a process of its
 * own. The last argument is its task, in JSON. It prints its port.
 *
 * @module
 */
import process from "node:process";
import { type LinkOptions, startProxy } from "../../transport/deno.ts";

/** The task of a proxy. */
export interface ProxyTask {
  /** Where the packets go. */
  port: number;
  /** What happens to them in each direction. */
  link: LinkOptions;
}

const { port, link }: ProxyTask = JSON.parse(process.argv.at(-1)!);
const proxy = await startProxy({
  target: { hostname: "127.0.0.1", port },
  up: link,
  down: link,
  seed: 1,
});
console.log(JSON.stringify({ port: proxy.addr.port }));
