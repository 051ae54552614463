import { assert, assertEquals } from "@std/assert";
import { ARRIVED, LossEstimate, LOST, OVERTAKEN, UNKNOWN } from "../../fec/loss_estimate.ts";
import { unrepaired } from "../../fec/loss_model.ts";
import { Random } from "../../transport/link/random.ts";

/** Feeds what a sender sees of packets that are lost with this probability. */
function feed(
  estimate: LossEstimate,
  random: Random,
  packets: number,
  loss: number,
  guard: { dataShards: number; parityShards: number } | null = null,
  reordered = 0,
): void {
  const late = guard
    ? unrepaired({ loss, repeat: loss }, guard.dataShards, guard.parityShards)[guard.parityShards]
    : loss;
  for (let i = 0; i < packets; i++) {
    const lost = random.chance(loss);
    const failed = lost && random.chance(late / loss);
    // Nothing overtakes the last packet of a group before its parity comes.
    const shows = lost && guard && random.chance((guard.dataShards - 1) / guard.dataShards);
    const overtaken = shows || !lost && random.chance(reordered);
    estimate.add(failed ? LOST : overtaken ? OVERTAKEN : ARRIVED, guard);
    if (lost) {
      for (let between = 0; between < 8; between++) {
        const silent = random.chance(loss) || random.chance(loss);
        estimate.addBehindLoss(silent ? UNKNOWN : ARRIVED, between, guard);
      }
    }
  }
}

const near = (value: number, expected: number) =>
  Math.abs(value - expected) < 0.4 * expected + 0.01;

for (const loss of [0.01, 0.05, 0.1, 0.2]) {
  Deno.test(`loss estimate: at ${100 * loss} % it is right, whether parity repairs or not`, () => {
    const random = new Random(`estimate ${loss}`);
    const estimate = new LossEstimate();
    feed(estimate, random, 2000, loss);
    assert(near(estimate.loss, loss), `without parity ${estimate.loss}`);
    for (const dataShards of [2, 3, 5, 12]) {
      feed(estimate, random, 2000, loss, { dataShards, parityShards: 3 });
      assert(near(estimate.loss, loss), `with groups of ${dataShards}: ${estimate.loss}`);
      assertEquals(estimate.repeat, Math.min(0.9, estimate.loss), "losses count as bursts");
    }
  });
}

Deno.test("loss estimate: few packets say nothing", () => {
  const estimate = new LossEstimate();
  assertEquals([estimate.known, estimate.loss], [false, 0]);
  for (let i = 0; i < 40; i++) estimate.add(UNKNOWN, null);
  for (let i = 0; i < 40; i++) estimate.add(ARRIVED, null);
  assertEquals([estimate.known, estimate.loss, estimate.packets], [false, 0, 40]);
  for (let i = 0; i < 4; i++) estimate.add(LOST, null);
  assert(estimate.known);
});

Deno.test("loss estimate: reordering that was seen without parity is no loss with parity", () => {
  const random = new Random("reorder");
  const estimate = new LossEstimate();
  feed(estimate, random, 2000, 0, null, 0.05);
  assertEquals(estimate.loss, 0);
  feed(estimate, random, 2000, 0, { dataShards: 5, parityShards: 2 }, 0.05);
  assert(estimate.loss < 0.025, `${estimate.loss}`);
});

Deno.test("loss estimate: if parity never fails, the network reorders", () => {
  const random = new Random("later");
  const estimate = new LossEstimate();
  const guard = { dataShards: 5, parityShards: 2 };
  feed(estimate, random, 300, 0.1, guard);
  feed(estimate, random, 4000, 0, guard, 0.1);
  assert(estimate.loss < 0.05, `${estimate.loss}`);
});

Deno.test("loss estimate: lone packets show their losses by those of all copies", () => {
  const random = new Random("copies");
  const estimate = new LossEstimate();
  feed(estimate, random, 500, 0.2);
  const guard = { dataShards: 1, parityShards: 1 };
  for (let i = 0; i < 5000; i++) estimate.add(random.chance(0.04) ? LOST : ARRIVED, guard);
  assert(Math.abs(estimate.loss - 0.2) < 0.1, `${estimate.loss}`);
  for (let i = 0; i < 20_000; i++) estimate.add(ARRIVED, guard);
  assert(estimate.loss < 0.02, `${estimate.loss} after the losses have ended`);
});

Deno.test("loss estimate: bursts show by the packets after a lost one", () => {
  const random = new Random("bursts");
  const estimate = new LossEstimate();
  const [loss, repeat, ackLoss] = [0.1, 2 / 3, 0.1];
  const begin = loss * (1 - repeat) / (1 - loss);
  for (let i = 0; i < 4000; i++) {
    const lost = random.chance(begin);
    estimate.add(lost ? LOST : ARRIVED, null);
    let bad = lost;
    for (let between = 0; lost && between < 8; between++) {
      bad = random.chance(bad ? repeat : begin);
      const silent = bad || random.chance(ackLoss);
      estimate.addBehindLoss(silent ? UNKNOWN : ARRIVED, between, null);
    }
  }
  assert(Math.abs(estimate.repeat - repeat) < 0.15, `a share of repeats of ${estimate.repeat}`);
  assert(Math.abs(estimate.loss - loss) < 0.04, `a loss of ${estimate.loss}`);
});
