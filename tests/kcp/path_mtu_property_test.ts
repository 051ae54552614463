import { assert } from "@std/assert";
import { fast, type KcpOptions, normal, turbo } from "../../kcp/mod.ts";
import { Random } from "../../transport/link/random.ts";
import { Path } from "./path_mtu_harness.ts";

const SEEDS = 150;

/**
 * A conversation whose path takes other sizes from random times on. The harness checks every byte.
 * Without extension segments it may never end, but what arrives is right.
 */
function run(seed: number, foreign: boolean): Path {
  const random = new Random(seed);
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)];
  const mtu = pick([1_400, 1_400, 600, 9_000, 65_507]);
  const message = pick([0, 0, 1_376, 3_000, 20_000]);
  const options: KcpOptions = {
    ...pick([normal, fast, turbo]),
    mtu,
    maxMtu: random.chance(0.2) ? Math.max(mtu, 9_000) : undefined,
    sndWnd: pick([32, 128, 512]),
    rcvWnd: pick([64, 256, 1_024]),
    burst: pick([8, 64, Infinity]),
    ackNoDelay: random.chance(0.3),
    writeDelay: random.chance(0.1),
    deadLinkTime: foreign ? Infinity : 30_000,
    initialSndSn: random.uint32(),
    initialTs: random.uint32(),
  };
  const path = new Path(
    { message, ahead: pick([1, 4, 1_000]), total: pick([50_000, 100_000]) },
    options,
    {
      latency: pick([1, 25, 100]),
      jitter: pick([0, 5, 30]),
      loss: pick([0, 0, 0.02, 0.05]),
      reorder: random.chance(0.4) ? { probability: 0.1, delay: pick([5, 20, 200]) } : 0,
      duplicate: random.chance(0.3) ? 0.1 : 0,
    },
    seed,
    { ...options, initialRcvSn: options.initialSndSn, initialSndSn: 0 },
  );
  if (foreign) path.forgetExtensions();
  for (let left = 1 + random.below(4); left > 0; left--) {
    const size = pick([1_280, 1_000, 576, 300, 100, 1_400, Infinity]);
    const both = random.chance(0.5);
    path.network.at(random.below(pick([300, 1_000, 5_000])), () => {
      if (both) path.shrink(size);
      else path.there.configure({ mtu: size });
    });
  }
  if (message <= 3_000 && random.chance(0.2)) {
    const byHand = pick([500, 1_280, 1_400, 100]);
    path.network.at(random.below(1_000), () => path.a.kcp.configure({ mtu: byHand }));
  }
  if (foreign) path.network.run(20_000, () => path.done);
  else path.finish(600_000);
  return path;
}

Deno.test("path MTU property: whatever the path takes, every byte arrives once", () => {
  let reduced = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    reduced += run(seed, false).a.kcp.stats.pathMtuReductions;
  }
  assert(reduced > SEEDS / 4, `${reduced} times a smaller MTU was noticed`);
});

Deno.test("path MTU property: a peer of another implementation gets no wrong byte", () => {
  let reduced = 0;
  let done = 0;
  for (let seed = 10_000; seed < 10_000 + SEEDS; seed++) {
    const path = run(seed, true);
    reduced += path.a.kcp.stats.pathMtuReductions;
    done += Number(path.done);
  }
  assert(reduced > SEEDS / 5, `${reduced} times a smaller MTU was noticed`);
  assert(done > SEEDS / 3, `${done} of ${SEEDS} arrived whole`);
});
