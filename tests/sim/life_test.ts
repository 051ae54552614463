import { assert, assertEquals } from "@std/assert";
import { Coverage, fuzz } from "./fuzz/fuzz.ts";
import { simulateLife } from "./life/run.ts";

/** Runs of the short form. The long one is `deno task sim`. */
const RUNS = 1000;

Deno.test("life: connections keep every rule, from the first packet to the last", async () => {
  const families = new Set<string>();
  let bytes = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const result = await simulateLife(seed);
    families.add(result.family);
    bytes += result.bytes;
  }
  assert(families.size >= 12, `only ${[...families]} were drawn`);
  assert(bytes > 1_000_000, `only ${bytes} bytes were read`);
});

Deno.test("life: the same seed gives the same run", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const [first, second] = [await simulateLife(seed), await simulateLife(seed)];
    assertEquals([first.hash, first.time], [second.hash, second.time], `seed ${seed}`);
  }
});

Deno.test("fuzz: packets of an attacker break no rule of the machines", () => {
  const coverage = fuzz(200_000, 1, new Coverage());
  for (
    const name of ["endpoint: forged", "endpoint: migrated", "kcp: accepted", "state: closing"]
  ) {
    assert((coverage.counts.get(name) ?? 0) > 100, `${name} was hardly covered`);
  }
  assert(coverage.honest > 100_000, `only ${coverage.honest} honest bytes arrived`);
});
