import { assert, assertEquals } from "@std/assert";
import type { FecOptions } from "../../mod.ts";
import { GAME, type Latency, measureLatency } from "./latency.ts";

const RATIO = { dataShards: 10, parityShards: 3 };

function measure(loss: number, fec?: FecOptions | "auto"): Promise<Latency> {
  return measureLatency({ ...GAME, duration: 60_000, seed: 1, loss, session: { fec } });
}

Deno.test("error correction shortens the long waits of a game, for the bytes that it costs", async () => {
  for (const loss of [0.05, 0.1]) {
    const without = await measure(loss);
    const fixed = await measure(loss, RATIO);
    const auto = await measure(loss, "auto");
    assertEquals([without.messages, fixed.messages, auto.messages], [3600, 3600, 3600]);
    const figures = `at a loss of ${loss}: ${JSON.stringify({ without, fixed, auto })}`;
    assert(fixed.p99 < 0.8 * without.p99, figures);
    assert(auto.p99 < 0.7 * without.p99, figures);
    assert(fixed.worst < without.worst && auto.worst < without.worst, figures);
    assert(fixed.bytes < 1.45 * without.bytes && auto.bytes < 2.2 * without.bytes, figures);
  }
});

Deno.test("on a clean link, adaptive error correction costs its headers and little more", async () => {
  const without = await measure(0);
  const auto = await measure(0, "auto");
  assert(auto.bytes < 1.08 * without.bytes, `${auto.bytes} bytes instead of ${without.bytes}`);
  assertEquals(auto.worst, without.worst);
});
