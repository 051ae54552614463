/**
 * A path that reorders is not taken for one that loses.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { turbo } from "../../mod.ts";
import type { SessionStats } from "../../transport/mod.ts";
import type { LinkOptions } from "../../transport/link/link_options.ts";
import { SimulatedNetwork } from "../../transport/simulated.ts";

const SERVER = { hostname: "10.0.0.1", port: 80 } as const;

/** Bytes that arrive in `seconds` at 10 Mbit/s and a round trip of 200 ms, and what the sender did. */
async function transfer(link: LinkOptions, seconds: number) {
  const network = new SimulatedNetwork({ seed: 1, link: { latency: 100, ...link } });
  const options = { ...turbo, sndWnd: 1024, rcvWnd: 1024, pacingRate: 1_250_000 };
  const listener = network.listen({ ...SERVER, ...options });
  let bytes = 0;
  let stats!: SessionStats;
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...options });
    const chunk = new Uint8Array(32_768);
    const writing = (async () => {
      while (network.now < 1_000 * seconds) await client.write(chunk);
    })();
    const server = await listener.accept();
    const target = new Uint8Array(65_536);
    while (network.now < 1_000 * seconds) bytes += await server.read(target) ?? 0;
    stats = client.stats;
    client.abort();
    server.abort();
    await writing.catch(() => {});
  });
  return { bytes, stats };
}

const again = (stats: SessionStats) =>
  stats.timeoutRetransmits + stats.fastRetransmits + stats.earlyRetransmits + stats.tailProbes;

Deno.test("reordering: bulk over a path with 25 % of the packets late by 5 ms is as fast as without", async () => {
  const clean = await transfer({}, 20);
  const late = await transfer({ reorder: { probability: 0.25, delay: 5 } }, 20);
  assert(late.bytes >= 0.9 * clean.bytes, `${late.bytes} of ${clean.bytes} bytes`);
  const share = again(late.stats) / late.stats.segmentsOut;
  assert(share <= 0.02, `${again(late.stats)} of ${late.stats.segmentsOut} segments sent again`);
});

Deno.test("reordering: losses are found as well on such a path", async () => {
  const loss = 0.02;
  const { stats } = await transfer({ loss, reorder: { probability: 0.25, delay: 5 } }, 20);
  assert(stats.lost > 0.9 * loss * stats.acknowledged, `${stats.lost} of ${stats.acknowledged}`);
  assert(stats.timeoutRetransmits < 0.2 * stats.lost, `${stats.timeoutRetransmits} timeouts`);
  assert(again(stats) < 2 * stats.lost, `${again(stats)} sent again, ${stats.lost} lost`);
});

Deno.test("reordering: of 60 messages a second, 5 % late by 20 ms, few are sent again", async () => {
  const link = { latency: 50, reorder: { probability: 0.05, delay: 20 } };
  const network = new SimulatedNetwork({ seed: 3, link });
  const listener = network.listen({ ...SERVER, ...turbo });
  await network.run(async () => {
    const client = network.connect({ ...SERVER, ...turbo });
    const sending = (async () => {
      for (let n = 0; n < 6_600; n++) {
        await client.sendMessage(new Uint8Array(200));
        await network.delay(1000 / 60);
      }
    })();
    const server = await listener.accept();
    for (let n = 0; n < 6_600; n++) assertEquals((await server.receiveMessage())!.length, 200);
    await sending;
    const { stats } = client;
    assert(again(stats) <= 30, `${again(stats)} sent again, about 330 were late`);
    assert(stats.needlessRetransmits > 0, "the first ones are");
  });
});
