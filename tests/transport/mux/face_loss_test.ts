/**
 * Requests beside a bulk transfer on a path that loses packets: a conversation of their own, and copies of
 * what is new, keep the losses of both away from them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Mux, MuxListener, type MuxStream } from "../../../transport/mux.ts";
import { muxOver } from "../../../transport/mux/connect.ts";
import { openBeside } from "../../../transport/mux/conversations.ts";
import { SimulatedNetwork } from "../../../transport/simulated.ts";
import { readExactly } from "../harness.ts";

const REQUEST = 1024;
/** Requests that are not counted, and those that are. */
const FIRST = 100;
const COUNTED = 400;

/** Reads what comes on a bulk stream, or sends back what comes on the other one. */
async function serve(stream: MuxStream): Promise<void> {
  const [bulk] = await readExactly(stream, 1);
  if (bulk === 1) return await stream.readable.pipeTo(new WritableStream());
  for (;;) await stream.writeAll(await readExactly(stream, REQUEST));
}

async function serveAll(mux: Mux): Promise<void> {
  for await (const stream of mux) serve(stream).catch(() => {});
}

/** The times in ms that requests took beside a bulk stream, in rising order: 40 Mbit/s, 50 ms, 5 % loss. */
async function delays(sessions: number, newCopies: number): Promise<number[]> {
  const link = { latency: 25, bandwidth: 5e6, queueBytes: 250_000, loss: 0.05 };
  const network = new SimulatedNetwork({ seed: 3, link });
  const at = { hostname: "10.0.0.1", port: 80, newCopies } as const;
  const listener = new MuxListener(network.listen(at), { sessions });
  return await network.run(async () => {
    const first = network.connect(at);
    const beside = Array.from({ length: sessions - 1 }, (_, i) => openBeside(first, i + 1));
    const client = muxOver([first, ...beside], { client: true });
    const server = await listener.accept();
    serveAll(server).catch(() => {});
    const bulk = await client.createBidirectionalStream();
    await bulk.writeAll(Uint8Array.of(1));
    bulk.writeAll(new Uint8Array(50_000_000)).catch(() => {});
    const sendGroup = sessions > 1 ? client.createSendGroup() : null;
    const stream = await client.createBidirectionalStream({ sendOrder: 1, sendGroup });
    await stream.writeAll(Uint8Array.of(0));
    const sentAt: number[] = [];
    const taken: number[] = [];
    const reading = (async () => {
      for (let n = 0; n < FIRST + COUNTED; n++) {
        await readExactly(stream, REQUEST);
        if (n >= FIRST) taken.push(network.now - sentAt[n]);
      }
    })();
    for (let n = 0; n < FIRST + COUNTED; n++) {
      await network.delay(10.3);
      sentAt.push(network.now);
      stream.writeAll(new Uint8Array(REQUEST)).catch(() => {});
    }
    await reading;
    client.abort();
    server.abort();
    listener.stop();
    await listener.closed;
    return taken.sort((a, b) => a - b);
  }, 600_000);
}

Deno.test("mux: a conversation of its own, with copies, keeps losses away from requests", async () => {
  const shared = await delays(1, 0);
  const own = await delays(2, 2);
  assertEquals([shared.length, own.length], [COUNTED, COUNTED]);
  const [half, most] = [COUNTED / 2, COUNTED * 0.99];
  assert(own[half] < 50 + 8, `median ${own[half]} ms`);
  assert(own[most] < 50 + 55, `99 of 100: ${own[most]} ms`);
  const ratios = [shared[half] / own[half], shared[most] / own[most]];
  for (const ratio of ratios) assert(ratio > 1.4, `one conversation takes ${ratio} of the time`);
});
