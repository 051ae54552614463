import { assert, assertEquals } from "@std/assert";
import { unrepaired } from "../../fec/loss_model.ts";
import {
  groupSize,
  HOPELESS,
  mostParity,
  type PathState,
  planParity,
} from "../../fec/parity_plan.ts";

/** A path with independent losses, and traffic at a steady rate. */
function path(loss: number, roundTrip: number, packets: number, repeat = loss): PathState {
  return { loss, repeat, roundTrip, packets };
}

const SIZES = [1, 2, 3, 5, 8, 12, 24];

Deno.test("parity plan: no parity without losses, nor at a round trip of 20 ms or less", () => {
  for (const size of SIZES) {
    assertEquals(planParity(path(0, 300, size), size, mostParity(size), 0), 0);
    for (const roundTrip of [0, 5, 20]) {
      assertEquals(planParity(path(0.3, roundTrip, size), size, mostParity(size), 0), 0);
    }
  }
});

Deno.test("parity plan: between 20 and 100 ms, parity grows with the round trip", () => {
  for (const size of SIZES) {
    let before = 0;
    for (let roundTrip = 20; roundTrip <= 100; roundTrip += 5) {
      const plan = planParity(path(0.1, roundTrip, size), size, mostParity(size), 0);
      const parity = Math.max(0, plan);
      assert(parity >= before, `${size}: ${parity} at ${roundTrip} ms, ${before} at less`);
      before = parity;
    }
    assert(before > 0, `${size} data shards get no parity at 100 ms`);
  }
});

Deno.test("parity plan: parity grows with the loss, up to the limit", () => {
  for (const size of SIZES) {
    let before = 0;
    for (let loss = 0; loss <= 0.2; loss += 0.01) {
      const parity = planParity(path(loss, 100, size), size, mostParity(size), before);
      assert(parity >= before && parity <= mostParity(size), `${size} at ${loss}: ${parity}`);
      before = parity;
    }
  }
});

Deno.test("parity plan: it is the least parity with which few messages are late", () => {
  for (const size of [3, 5, 8, 12, 24]) {
    for (const loss of [0.01, 0.05, 0.1]) {
      const parity = planParity(path(loss, 100, size + 0.5), size, mostParity(size), 0);
      const late = unrepaired({ loss, repeat: loss }, size, parity);
      const scene = `${size}/${parity} at ${loss}: ${[...late]}`;
      assert(late[parity] < 0.006, scene);
      assert(parity === 0 || late[parity - 1] > 0.0002, scene);
    }
  }
});

Deno.test("parity plan: no parity against losses that it would repair too seldom", () => {
  assertEquals(planParity(path(0.5, 100, 5), 5, mostParity(5), 0), HOPELESS);
  assertEquals(planParity(path(0.1, 100, 5, 0.67), 5, mostParity(5), 0), HOPELESS);
  // A ratio that does not change does what it can.
  assertEquals(planParity(path(0.5, 100, 5), 5, 3, 0, true), 3);
  // The copies of a lone packet cost no time.
  assert(planParity(path(0.1, 100, 1, 0.67), 1, mostParity(1), 0) > 0);
});

Deno.test("parity plan: once parity is sent, a few more losses do not end it", () => {
  const size = 5;
  const flickers = [];
  for (let loss = 0.1; loss < 0.4; loss += 0.002) {
    const fresh = planParity(path(loss, 100, size), size, mostParity(size), 0);
    const present = planParity(path(loss, 100, size), size, mostParity(size), 1);
    if (fresh === HOPELESS && present > 0) flickers.push(loss);
  }
  assert(flickers.length > 3, "there is no margin");
});

Deno.test("parity plan: a group is as large as packets leave in time", () => {
  for (let packets = 0.5; packets < 100; packets += 0.3) {
    const size = groupSize(packets);
    assert(size >= 1 && (size === 1 || size <= packets + 0.25), `${size} for ${packets}`);
  }
  assertEquals([1, 2.1, 5, 7, 24, 1000].map(groupSize), [1, 2, 5, 6, 24, 24]);
});
