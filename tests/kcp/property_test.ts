import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { simulate } from "../sim/run.ts";

/**
 * A seed to replay: set it to the number that a failed test named, and only that run is made. The
 * command `deno task sim --seed N` does the same and prints every packet.
 */
const replay: number | undefined = undefined;

const RUNS = 2000;
const PARTS = 8;

for (let part = 0; part < PARTS; part++) {
  const from = part * RUNS / PARTS;
  const to = (part + 1) * RUNS / PARTS;
  Deno.test(`property: two machines on a random network, seeds ${from} to ${to - 1}`, () => {
    if (replay !== undefined) {
      if (part === 0) simulate(replay);
      return;
    }
    for (let seed = from; seed < to; seed++) simulate(seed);
  });
}

Deno.test("property: the same seed gives the same packets at the same times", () => {
  const hashes = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const first = simulate(seed);
    assertEquals(simulate(seed), first, `seed ${seed}`);
    hashes.add(first.hash);
  }
  assert(hashes.size > 55, "and another seed others");
});

Deno.test("property: any seed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 2 ** 31 }), (seed) => {
      simulate(seed);
    }),
    { numRuns: 100, endOnFailure: true },
  );
});

Deno.test("property: the seeds give enough traffic and corruption, and few dead links", () => {
  const total = { packets: 0, bytes: 0, died: 0, corrupt: 0 };
  for (let seed = 0; seed < 300; seed++) {
    const { packets, bytes, died, corrupt } = simulate(seed);
    total.packets += packets;
    total.bytes += bytes;
    total.died += Number(died);
    total.corrupt += Number(corrupt);
  }
  assert(total.packets > 50_000 && total.bytes > 10_000_000, JSON.stringify(total));
  assert(total.corrupt > 10 && total.corrupt < 60, JSON.stringify(total));
  assert(total.died < 60, JSON.stringify(total));
});
