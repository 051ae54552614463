import { assert, assertEquals } from "@std/assert";
import type { FecOptions } from "../../mod.ts";
import { GAME, type Latency, measureLatency } from "./latency.ts";

const RATIO = { dataShards: 10, parityShards: 3 };
const FIGURES = ["median", "p99", "worst", "bytes", "messages"] as const;
/** The longest waits of one run are a matter of chance, so the figures are means of several runs. */
const SEEDS = [1, 2, 3];

async function measure(loss: number, fec?: FecOptions | "auto"): Promise<Latency> {
  const sum: Latency = { median: 0, p99: 0, worst: 0, bytes: 0, messages: 0 };
  for (const seed of SEEDS) {
    const run = await measureLatency({ ...GAME, duration: 120_000, seed, loss, session: { fec } });
    for (const name of FIGURES) sum[name] += run[name] / SEEDS.length;
  }
  return sum;
}

Deno.test("error correction shortens the long waits of a game, for the bytes that it costs", async () => {
  for (const loss of [0.05, 0.1]) {
    const without = await measure(loss);
    const fixed = await measure(loss, RATIO);
    const auto = await measure(loss, "auto");
    assertEquals([without.messages, fixed.messages, auto.messages], [7200, 7200, 7200]);
    const figures = `at a loss of ${loss}: ${JSON.stringify({ without, fixed, auto })}`;
    assert(auto.p99 < 0.85 * without.p99, figures);
    assert(auto.p99 < fixed.p99, figures);
    assert(fixed.worst < without.worst && auto.worst < without.worst, figures);
    assert(fixed.bytes < 1.45 * without.bytes && auto.bytes < 1.45 * without.bytes, figures);
  }
});

Deno.test("on a clean link, adaptive error correction costs next to nothing", async () => {
  const without = await measure(0);
  const auto = await measure(0, "auto");
  assert(auto.bytes < 1.01 * without.bytes, `${auto.bytes} bytes instead of ${without.bytes}`);
  assertEquals(auto.worst, without.worst);
});
