import { assert, assertEquals } from "@std/assert";
import { fuzzMux, MuxCoverage } from "./mux/fuzz.ts";
import { simulateMux } from "./mux/run.ts";

/** Runs and frames of the short form. The long one is `deno task sim --family mux`. */
const RUNS = 400;
const FRAMES = 150_000;

Deno.test("mux: two machines keep every rule over a slow connection that cuts anywhere", () => {
  const counts = new Map<string, number>();
  let bytes = 0;
  for (let seed = 0; seed < RUNS; seed++) {
    const result = simulateMux(seed);
    bytes += result.bytes;
    for (const [name, count] of result.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  assert(bytes > 1_000_000, `only ${bytes} bytes were sent`);
  for (const name of ["clean", "ending: close", "stalled", "refused", "resets", "pauses"]) {
    assert((counts.get(name) ?? 0) > 2, `${name} was hardly covered`);
  }
});

Deno.test("mux: the same seed gives the same run", () => {
  for (let seed = 0; seed < 20; seed++) {
    assertEquals(simulateMux(seed).hash, simulateMux(seed).hash, `seed ${seed}`);
  }
});

Deno.test("mux: frames of a hostile peer do what smux does with them, and no harm", () => {
  const { counts } = fuzzMux(FRAMES, 1, new MuxCoverage());
  for (
    const name of [
      "state: closed protocol",
      "state: closed reset",
      "state: open",
      "stalled",
      "refused",
      "overruns",
      "resetsReceived",
    ]
  ) {
    assert((counts.get(name) ?? 0) > 2, `${name} was hardly covered`);
  }
});
